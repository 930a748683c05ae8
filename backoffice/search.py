"""One box that finds a case or a person by whatever a caller or PhonePe names. Every lookup has an index on both
databases, and the number of statements does not depend on what is found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.phones import read_phone
from backoffice import rights
from backoffice.pages import may
from booking.models import Booking
from core.dates import spell_date, spell_time
from core.expressions import IsFilled, LastFour
from core.money import grouped
from core.printable import printable
from payment.models import Payment, PaymentAttempt, Receipt, Refund
from payment.models.receipts import read_serial_number

MOST_HITS = 20
LONGEST = 100  # letters of what is searched for
SHORTEST_NAME = 2
MOST_WORDS = 4
LAST_DIGITS = 4


@dataclass(frozen=True)
class Hit:
    """`icon`: a name of Google's Material Symbols."""

    title: str
    detail: str
    address: str
    icon: str


def search(request: HttpRequest, text: str) -> list[Hit]:
    """Bookings, payments that are none, and people, as far as this person may see them. At most MOST_HITS of each."""
    text = printable(" ".join(text.split()))[:LONGEST]
    if len(text) < SHORTEST_NAME:
        return []
    hits: list[Hit] = []
    payments = _payment_keys(text) if may(request, rights.SEE_BOOKINGS) else []
    if may(request, rights.SEE_BOOKINGS):
        hits += map(_booking_hit, _bookings(text, payments))
    if may(request, rights.SEE_PAYMENTS):
        unbooked = Payment.objects.filter(pk__in=payments, checkout__booking=None)
        hits += map(_payment_hit, unbooked.select_related("user", "checkout").order_by("-pk"))
    if may(request, rights.SEE_PEOPLE):
        hits += map(_person_hit, User.objects.filter(pk__in=_person_keys(text)).order_by("-pk"))
    return hits


def begins_with(name: str, text: str) -> Q:
    """For the annotation or column `name`: what `core.indexes.BeginningsIndex` finds.

    PostgreSQL compares in the order of a language, so its indexes for beginnings are used by LIKE alone; SQLite uses an
    index for a span, and none for Django's LIKE.
    """
    if connection.vendor == "postgresql":
        return Q(**{f"{name}__startswith": text})
    return Q(**{f"{name}__gte": text, f"{name}__lt": f"{text}\U0010ffff"})


def _payment_keys(text: str) -> list[int]:
    """Of payments with this number at PhonePe, at the bank or here, and of guests with this mail, name or phone."""
    spellings = sorted({text, text.upper()})
    found: list[QuerySet[Any, Any]] = [Payment.objects.filter(reference__in=spellings).values("pk")]
    found.append(PaymentAttempt.objects.filter(merchant_order_id__in=spellings).values("payment_id"))
    found += [
        PaymentAttempt.objects.filter(IsFilled(column), **{f"{column}__in": spellings}).values("payment_id")
        for column in ("provider_order_id", "provider_transaction_id", "utr")
    ]
    found.append(Refund.objects.filter(merchant_refund_id__in=spellings).values("payment_id"))
    found += [
        Refund.objects.filter(IsFilled(column), **{f"{column}__in": spellings}).values("payment_id")
        for column in ("provider_refund_id", "utr")
    ]
    if serial := read_serial_number(text):
        columns = dict(zip(("series", "year", "number"), serial, strict=True))
        found.append(Receipt.objects.filter(**columns).values("payment_id"))
    payments = Payment.objects.annotate(payer=Lower("payer_reference"), last_digits=LastFour("payer_mobile"))
    found.append(payments.filter(IsFilled("payer_reference"), payer=text.lower()).values("pk"))
    guests = payments.filter(IsFilled("payer_mobile"), user=None)
    if phone := read_phone(text):
        found.append(guests.filter(payer_mobile=phone).values("pk"))
    if _is_last_digits(text):
        found.append(guests.filter(last_digits=text).values("pk"))
    return _first_keys(found)


def _person_keys(text: str) -> list[int]:
    people = User.objects.annotate(
        last_digits=LastFour("phone"), first=Lower("first_name"), last=Lower("last_name")
    )
    found = [people.filter(email=text.lower())] if "@" in text else []
    if phone := read_phone(text):
        found.append(people.filter(phone=phone))
    if _is_last_digits(text):
        found.append(people.filter(last_digits=text))
    if not any(map(str.isdigit, text)) and "@" not in text:
        found += [people.filter(condition) for condition in _names(text.lower().split()[:MOST_WORDS])]
    return _first_keys([each.values("pk") for each in found])


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


def _first_keys(found: Sequence["QuerySet[Any, Any]"]) -> list[int]:
    """Of all of them in one statement, which ends when it has found enough. No statement for an empty list."""
    if not found:
        return []
    first, *others = (each.order_by() for each in found)
    rows = first.union(*others, all=True) if others else first
    # More than are shown: one row may be found in several ways.
    keys = {next(iter(row.values())) for row in rows[: 2 * MOST_HITS]}
    return sorted(keys, reverse=True)[:MOST_HITS]


def _bookings(text: str, payments: list[int]) -> "QuerySet[Booking]":
    found = [Booking.objects.filter(book_id=text.upper()).values("pk")]
    if payments:
        found.append(Booking.objects.filter(checkout__payment__in=payments).values("pk"))
    keys = _first_keys(found)
    return Booking.objects.filter(pk__in=keys).select_related("user", "checkout").order_by("-pk")


def _booking_hit(booking: Booking) -> Hit:
    who = booking.user.full_name or booking.user.email
    when = f"{spell_date(booking.starts_at)}, {spell_time(booking.starts_at)}"
    return Hit(
        title=f"{booking.book_id} · {booking.checkout.puja_title}",
        detail=f"{who} · {when} · {booking.get_status_display()}",
        address=reverse("desk:case", args=[booking.book_id]),
        icon="event",
    )


def _payment_hit(payment: Payment) -> Hit:
    what = payment.checkout.puja_title if payment.checkout else _("Donation")
    who = (payment.user.full_name or payment.user.email) if payment.user else payment.payer_reference
    return Hit(
        title=f"{payment.reference} · ₹{grouped(payment.amount_paise)}",
        detail=" · ".join(filter(None, (who, what, payment.get_state_display()))),
        address=reverse("desk:case", args=[payment.reference]),
        icon="payments",
    )


def _person_hit(person: User) -> Hit:
    return Hit(
        title=person.full_name or person.email,
        detail=" · ".join(filter(None, (person.phone, person.email))),
        address=reverse("desk:person", args=[person.pk]),
        icon="person",
    )
