"""Signed links to one payment or booking. Each purpose has its own salt: one link leads to nothing else."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import Http404
from django.urls import reverse
from django.utils import timezone

from booking.models import Booking
from core.signers import PeriodSigner
from payment.models import PayLink, Payment

DAY = 86_400
RETURN, STATUS, OFFER = "payment.return", "payment.status", "payment.offer"
PAY = "payment.pay"
CHANGE, CALENDAR, SHARED_CALENDAR = "booking.change", "booking.calendar", "booking.calendar.shared"
# Late money may come for seven days, people open old links, and bookings open one year ahead.
LIFE_SECONDS = {
    RETURN: 8 * DAY,
    STATUS: 60 * DAY,
    OFFER: 60 * DAY,
    PAY: 60 * DAY,  # what it opens ends much earlier; then its page says so
    CHANGE: 370 * DAY,
    CALENDAR: 370 * DAY,
    SHARED_CALENDAR: 370 * DAY,
}


def return_url(payment: Payment) -> str:
    return _absolute(reverse("payment-return", args=[_token(payment, RETURN)]))


def status_url(payment: Payment) -> str:
    token = PeriodSigner(salt=STATUS, period=DAY).sign_object(payment.pk)
    return _absolute(reverse("payment-status-page", args=[token]))


def donation_receipt_url(payment: Payment) -> str:
    """For the holder of the link of its status."""
    return _absolute(reverse("payment-donation-receipt", args=[_token(payment, STATUS)]))


def offer_url(payment: Payment) -> str:
    """The holder of this link may choose. It gives access to nothing else of the payment."""
    return _absolute(reverse("payment-offer-page", args=[_token(payment, OFFER)]))


def pay_link_url(link: PayLink) -> str:
    """Whoever holds it may pay for this booking, once. It tells the puja, its time and its price, and no name."""
    return _absolute(reverse("pay-link-page", args=[signing.dumps(link.pk, salt=PAY)]))


def link_behind(token: str) -> PayLink:
    """Raises Http404 for forged and foreign tokens alike."""
    link = PayLink.objects.select_related("checkout__user").filter(pk=_named_by(token, PAY)).first()
    if link is None:
        raise Http404
    return link


def change_url(booking: Booking) -> str:
    """The holder of this link may cancel or move the booking, once, until its puja begins."""
    token = signing.dumps([booking.pk, booking.own_moves], salt=CHANGE)
    return _absolute(reverse("booking-change-page", args=[token]))


def calendar_url(booking: Booking, purpose: str = CALENDAR) -> str:
    """The calendar file of this booking, which names the puja, its place and its time.

    SHARED_CALENDAR: for whoever holds its change link, who is not told the address of a puja at home.
    """
    return _absolute(reverse("booking-calendar-file", args=[signing.dumps(booking.pk, salt=purpose)]))


def feed_url(secret: str) -> str:
    return _absolute(reverse("calendar-feed-file", args=[secret]))


def priest_feed_url(secret: str) -> str:
    return _absolute(reverse("priest-feed-file", args=[secret]))


def webhook_url() -> str:
    return _absolute(reverse("webhook-phonepe"))


def payment_behind(token: str, purpose: str) -> Payment:
    """The payment that a token names. Raises Http404 for forged, expired and foreign tokens alike."""
    payment = Payment.objects.select_related("checkout").filter(pk=_named_by(token, purpose)).first()
    if payment is None:
        raise Http404
    return payment


@dataclass(frozen=True)
class ChangeLink:
    booking: Booking
    own_moves: int  # when the link was made

    @property
    def is_used(self) -> bool:
        """Its holder, or somebody else, has moved the booking since."""
        return self.booking.own_moves != self.own_moves


def change_behind(token: str) -> ChangeLink:
    """Raises Http404 for forged and foreign tokens, and once the puja has begun."""
    booking_id, own_moves = _named_by(token, CHANGE)
    booking = _booking(booking_id)
    if booking.starts_at <= timezone.now():
        raise Http404
    return ChangeLink(booking, own_moves)


def booking_of_calendar(token: str) -> tuple[Booking, bool]:
    """And whether its address may be told. Raises Http404 for forged, expired and foreign tokens alike."""
    try:
        return _booking(_named_by(token, SHARED_CALENDAR)), False
    except Http404:
        return _booking(_named_by(token, CALENDAR)), True


def _booking(booking_id: int) -> Booking:
    rows = Booking.objects.select_related(
        "user", "checkout__cart", "checkout__puja_service", "checkout__payment"
    )
    booking = rows.filter(pk=booking_id).first()
    if booking is None:
        raise Http404
    return booking


def _named_by(token: str, purpose: str) -> Any:
    try:
        return signing.loads(token, salt=purpose, max_age=LIFE_SECONDS[purpose])
    except signing.BadSignature as error:
        raise Http404 from error


def _token(payment: Payment, purpose: str) -> str:
    return signing.dumps(payment.pk, salt=purpose)


def _absolute(path: str) -> str:
    return settings.PUBLIC_BASE_URL + path
