"""What people name on the phone and in letters: numbers, mail addresses, names, phones. Each is looked up in an index
on both databases, and the number of statements does not depend on what is found."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from accounts.models import User
from accounts.phones import read_phone
from booking.models import Booking, PujaService
from core.expressions import IsFilled, LastFour
from payment.models import Payment, PaymentAttempt, Receipt, Refund
from payment.models.receipts import read_serial_number

MOST_WORDS = 4
LAST_DIGITS = 4


def begins_with(name: str, text: str) -> Q:
    """For the annotation or column `name`: what `core.indexes.BeginningsIndex` finds.

    PostgreSQL compares in the order of a language, so its indexes for beginnings are used by LIKE alone; SQLite uses an
    index for a span, and none for Django's LIKE.
    """
    if connection.vendor == "postgresql":
        return Q(**{f"{name}__startswith": text})
    return Q(**{f"{name}__gte": text, f"{name}__lt": f"{text}\U0010ffff"})


def payments_named(text: str, most: int) -> list[int]:
    """Of payments with this number at PhonePe, at the bank or here, and of guests with this mail, name or phone."""
    spellings = sorted({text, text.upper()})
    queries: list[QuerySet[Any, Any]] = [Payment.objects.filter(reference__in=spellings).values("pk")]
    queries.append(PaymentAttempt.objects.filter(merchant_order_id__in=spellings).values("payment_id"))
    queries += [
        PaymentAttempt.objects.filter(IsFilled(column), **{f"{column}__in": spellings}).values("payment_id")
        for column in ("provider_order_id", "provider_transaction_id", "utr")
    ]
    queries.append(Refund.objects.filter(merchant_refund_id__in=spellings).values("payment_id"))
    queries += [
        Refund.objects.filter(IsFilled(column), **{f"{column}__in": spellings}).values("payment_id")
        for column in ("provider_refund_id", "utr")
    ]
    if serial := read_serial_number(text):
        columns = dict(zip(("series", "year", "number"), serial, strict=True))
        queries.append(Receipt.objects.filter(**columns).values("payment_id"))
    payments = Payment.objects.annotate(payer=Lower("payer_reference"), last_digits=LastFour("payer_mobile"))
    queries.append(payments.filter(IsFilled("payer_reference"), payer=text.lower()).values("pk"))
    guests = payments.filter(IsFilled("payer_mobile"), user=None)
    if phone := read_phone(text):
        queries.append(guests.filter(payer_mobile=phone).values("pk"))
    if _is_last_digits(text):
        queries.append(guests.filter(last_digits=text).values("pk"))
    return _first_keys(queries, most)


def people_named(text: str, most: int) -> list[int]:
    people = User.objects.annotate(
        last_digits=LastFour("phone"), first=Lower("first_name"), last=Lower("last_name")
    )
    queries = [people.filter(email=text.lower())] if "@" in text else []
    if phone := read_phone(text):
        queries.append(people.filter(phone=phone))
    if _is_last_digits(text):
        queries.append(people.filter(last_digits=text))
    if not any(map(str.isdigit, text)) and "@" not in text:
        queries += [people.filter(condition) for condition in _names(text.lower().split()[:MOST_WORDS])]
    return _first_keys([each.values("pk") for each in queries], most)


def _names(words: list[str]) -> Iterator[Q]:
    """A first name, a last name, or both in either order, as far as they were typed."""
    whole = " ".join(words)
    yield begins_with("first", whole)
    yield begins_with("last", whole)
    for number in range(1, len(words)):
        before, behind = " ".join(words[:number]), " ".join(words[number:])
        yield Q(first=before) & begins_with("last", behind)
        yield Q(last=before) & begins_with("first", behind)


def _is_last_digits(text: str) -> bool:
    return len(text) == LAST_DIGITS and text.isascii() and text.isdigit()


def _first_keys(queries: Sequence["QuerySet[Any, Any]"], most: int) -> list[int]:
    """Of all of them in one statement, which ends when it has found enough. No statement for an empty list."""
    if not queries:
        return []
    first, *others = (each.order_by() for each in queries)
    rows = first.union(*others, all=True) if others else first
    # More than are shown: one row may be found in several ways.
    keys = {next(iter(row.values())) for row in rows[: 2 * most]}
    return sorted(keys, reverse=True)[:most]


def bookings_named(text: str, payments: Sequence[int], most: int) -> list[int]:
    """With this number, or paid by these payments."""
    queries = [Booking.objects.filter(book_id=text.upper()).values("pk")]
    if payments:
        queries.append(Booking.objects.filter(checkout__payment__in=payments).values("pk"))
    return _first_keys(queries, most)


def bookings_about(text: str, most: int) -> set[int]:
    """Of the list of the frontend's desk, which shows nothing but bookings: also those of the people who are named so,
    with a part of their mail address, and of pujas with a part of their title. The newest `most` of each kind."""
    payments, people = payments_named(text, most), set(people_named(text, most))
    if "@" in text:
        by_mail = User.objects.filter(email__icontains=text).order_by("-pk")
        people.update(by_mail.values_list("pk", flat=True)[:most])
    pujas = PujaService.objects.filter(Q(title__icontains=text) | Q(title_hi__icontains=text))
    newest = Booking.objects.order_by("-pk").values_list("pk", flat=True)
    queries = (
        newest.filter(book_id__startswith=text.upper()),
        newest.filter(checkout__payment__in=payments),
        newest.filter(user__in=people),
        newest.filter(checkout__puja_service__in=[*pujas.values_list("pk", flat=True)]),
    )
    return {key for found in queries for key in found[:most]}
