"""One box that finds a case or a person by whatever a caller or PhonePe names, as `payment.services.search` does."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from backoffice import rights
from backoffice.pages import may
from booking.models import Booking
from core.dates import spell_date, spell_time
from core.money import grouped
from core.printable import printable
from payment.models import Payment
from payment.services.search import bookings_named, payments_named, people_named

MOST_HITS = 20
LONGEST = 100  # letters of what is searched for
SHORTEST_NAME = 2


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
    payments = payments_named(text, MOST_HITS) if may(request, rights.SEE_BOOKINGS) else []
    if may(request, rights.SEE_BOOKINGS):
        hits += map(_booking_hit, _bookings(text, payments))
    if may(request, rights.SEE_PAYMENTS):
        booked = Booking.objects.filter(checkout=OuterRef("checkout"))
        unbooked = Payment.objects.filter(~Exists(booked), pk__in=payments)
        hits += map(_payment_hit, unbooked.select_related("user", "checkout").order_by("-pk"))
    if may(request, rights.SEE_PEOPLE):
        hits += map(_person_hit, User.objects.filter(pk__in=people_named(text, MOST_HITS)).order_by("-pk"))
    return hits


def _bookings(text: str, payments: list[int]) -> "QuerySet[Booking]":
    keys = bookings_named(text, payments, MOST_HITS)
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
