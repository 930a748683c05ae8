"""Where a customer lands after PhonePe: on the page of the frontend that opened the payment, or on ours.

The frontend is stored with the payment: its generation by the route that was used, its address by the request's
Origin. Only addresses of the settings are ever redirected to.
"""

import functools
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from booking.models import Checkout
from payment.models import Payment
from payment.services.links import status_url
from payment.services.page_status import (
    PageStatus,
    most_telling,
    page_status,
    payments_of_checkout,
    that_may_tell,
)
from payment.states import FrontendGeneration, Fulfilment, PaymentState


@dataclass(frozen=True)
class Pages:
    """The pages of one generation, each with the names of its query parameters in the address."""

    confirmed: tuple[str, ...]
    failed: tuple[str, ...]
    waiting: tuple[str, ...]
    waiting_page: str  # empty: it has none that waits
    codes: dict[str, str]


PAGES = {
    FrontendGeneration.JULY_2025: Pages(
        confirmed=("payment_id", "booking_id", "book_id", "cart_id"),
        failed=("code", "bookingId", "payment_id", "merchant_order_id"),
        waiting=("payment_id", "merchant_order_id", "cart_id"),
        waiting_page="",  # /payment/callback asks twice, and then calls an open payment failed
        codes={},
    ),
    FrontendGeneration.YEAR_2026: Pages(
        confirmed=("booking_id", "book_id", "cart_id", "payment_id"),
        failed=("payment_id", "merchant_order_id", "code"),
        waiting=("merchant_order_id", "payment_id", "cart_id"),
        waiting_page="/payment-pending",
        codes={PaymentState.CANCELLED: "CANCELLED"},
    ),
}


@dataclass(frozen=True)
class Frontend:
    """An address of the shop. `waiting_page`: a path, "" for ours, None for the one of the generation."""

    base_url: str
    waiting_page: str | None


@dataclass(frozen=True)
class OpenedBy:
    """The frontend of a click on *Pay*; both are "" for a program that is none."""

    generation: str = ""
    base_url: str = ""


NO_FRONTEND = OpenedBy()


@functools.cache
def configured_frontends() -> dict[str, Frontend]:
    """By base URL, FRONTEND_BASE_URL first."""
    frontends = {}
    if settings.FRONTEND_BASE_URL:
        frontends[settings.FRONTEND_BASE_URL] = Frontend(settings.FRONTEND_BASE_URL, None)
    for entry in settings.FRONTENDS:
        url, has_page, page = entry.partition("|waiting=")
        base_url = url.rstrip("/")
        frontends[base_url] = Frontend(base_url, page if has_page else None)
    return frontends


@receiver(setting_changed)
def forget_frontends(*, setting: str, **_: Any) -> None:
    if setting in ("FRONTEND_BASE_URL", "FRONTENDS"):
        configured_frontends.cache_clear()


def opened_by(generation: FrontendGeneration, origin: str) -> OpenedBy:
    """`origin` is the header of the request: the first configured frontend of this origin, if there is one."""
    return OpenedBy(generation, next((url for url in configured_frontends() if origin_of(url) == origin), ""))


def origin_of(url: str) -> str:
    """As browsers write it in `Origin`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def unheard_origins() -> set[str]:
    """Of frontends whose browsers may not call this server: neither its own origin, nor allowed by CORS."""
    allowed = {*settings.CORS_ALLOWED_ORIGINS, origin_of(settings.PUBLIC_BASE_URL)}
    return {origin_of(url) for url in configured_frontends()} - allowed


def landing_url(payment: Payment) -> str:
    """The page that tells what became of this payment's cart.

    A frontend is sent bookings that stand, payments that nobody paid, and open ones if it has a page that waits. All
    else is told by our own page: money that came late, in review or going back, and cancelled bookings.
    """
    frontends = configured_frontends()
    frontend = frontends.get(payment.frontend_url) or frontends.get(settings.FRONTEND_BASE_URL)
    if frontend is None or payment.checkout is None or payment.frontend == FrontendGeneration.SHOP:
        return status_url(payment)
    decisive = most_telling(that_may_tell(payments_of_checkout(payment.checkout))) or payment
    pages = PAGES[FrontendGeneration(payment.frontend or FrontendGeneration.JULY_2025)]
    waiting_page = pages.waiting_page if frontend.waiting_page is None else frontend.waiting_page
    status = page_status(decisive)
    if status == PageStatus.SUCCESS:
        path, names = "/confirmbooking", pages.confirmed
    elif status == PageStatus.FAILED and not decisive.fulfilment:
        path, names = "/failedbooking", pages.failed
    elif status == PageStatus.INITIATED and waiting_page and decisive.fulfilment in ("", Fulfilment.DUE):
        path, names = waiting_page, pages.waiting
    else:
        return status_url(decisive)
    facts = _facts(decisive, payment.checkout, pages)
    return f"{frontend.base_url}{path}?{urlencode({name: facts[name] for name in names if facts[name]})}"


def _facts(payment: Payment, checkout: Checkout, pages: Pages) -> dict[str, object]:
    book_id = payment.booking.book_id if payment.booking else ""
    return {
        "payment_id": payment.pk,
        "merchant_order_id": payment.attempts.latest("number").merchant_order_id,
        "cart_id": checkout.cart.cart_id,
        "booking_id": book_id,
        "book_id": book_id,
        "bookingId": payment.reference,
        "code": pages.codes.get(payment.state, "PAYMENT_FAILED"),
    }
