"""How long the hold of an undecided payment lasts, and when staff hear of holds that nobody pays for."""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from booking.models import Checkout, SlotHold
from booking.services import (
    HoldRefused,
    extend_hold,
    extending_write,
    forgive_hold,
    hold_expiry,
    longest_page_life,
    release,
    release_hold,
)
from core.clocks import SKEW, database_now
from core.databases import Write
from notifications.services import cases_alerted_today
from payment.models import PayLink, Payment
from payment.models.by_hand import LONGEST_LINK
from payment.services.notifications import alert_staff
from payment.services.queue import holds_due
from payment.services.schedule import MINUTE, scaled
from payment.services.transitions import lock_payment, record_payment
from payment.states import Fulfilment

EXTENSION = 5 * MINUTE
# Then others may have the place. The payment goes on without it, by the rule for late money.
MAX_EXTENSION = 30 * MINUTE
MOST_ALERTS = 20  # a day: somebody with many networks must not fill the mail boxes of staff


def alert_about_holds(refusal: HoldRefused) -> None:
    """Once a day for each account, network or slot, and at most MOST_ALERTS."""
    alerted = cases_alerted_today("places_held")
    if refusal.case not in alerted and len(alerted) < MOST_ALERTS:
        alert_staff("places_held", case=refusal.case, because=refusal.code, **refusal.facts)


def extend_for_page(checkout: Checkout, page_expires_at: datetime) -> None:
    """Another page was opened: the hold lasts as long after it as after the first page."""
    extend_hold(checkout, min(hold_expiry(page_expires_at), _latest_end(checkout)))


def extension_for_page(checkout: Checkout, page_expires_at: datetime) -> Write:
    """As `extend_for_page`, for `write_together`."""
    return extending_write(checkout, min(hold_expiry(page_expires_at), _latest_end(checkout)))


@transaction.atomic
def expire_hold(hold_id: int) -> None:
    """The end of a hold has come. Extended while the payment is undecided or waits for its booking, else released.

    Checked again under the lock: a new page may have extended it meanwhile.
    """
    checkout = Checkout.objects.select_related("payment").get(hold=hold_id)
    payment = lock_payment(checkout=checkout) if hasattr(checkout, "payment") else None
    now = database_now()
    if not holds_due(now).filter(pk=hold_id).exists():
        return
    # Not compared with PHONEPE_EXPIRE_AFTER, which may have been longer at the checkout.
    is_wrong = checkout.created_at > now + SKEW or checkout.expires_at > now + longest_page_life() + SKEW
    waits = payment is not None and (payment.is_open or payment.fulfilment == Fulfilment.DUE)
    if not waits:
        release(checkout)
        release_hold(checkout)  # also of a checkout that was released before and kept its place
    elif now < _latest_end(checkout) and not is_wrong:
        extend_hold(checkout, min(now + scaled(EXTENSION), _latest_end(checkout)))
    else:
        release_hold(checkout, counts=False)  # nobody knows whether it was paid


def repair_holds(now: datetime) -> int:
    """Ends holds of a wrong clock. Returns their number."""
    return wrong_holds(now).update(expires_at=now)


def wrong_holds(now: datetime) -> "QuerySet[SlotHold]":
    """Holds whose end is later than any hold's can be: a wrong clock has written it."""
    longest = hold_expiry(now + longest_page_life()) + scaled(MAX_EXTENSION) + SKEW
    wrong = Q(expires_at__gt=longest) | Q(checkout__created_at__gt=now + SKEW, expires_at__gt=now)
    links = PayLink.objects.filter(
        checkout=OuterRef("checkout"),
        ended_at=None,
        expires_at__lte=now + LONGEST_LINK,
        created_at__lte=now + SKEW,
    )
    return SlotHold.objects.filter(wrong, ~Exists(links), state=SlotHold.State.HELD)


def carts_in_review(now: datetime) -> "QuerySet[Payment]":
    """Payments in review whose cart has been kept for as long as a hold."""
    ended = now - (hold_expiry(now) - now) - scaled(MAX_EXTENSION)
    held = Payment.objects.filter(
        fulfilment=Fulfilment.HELD_FOR_STAFF,
        checkout__state=Checkout.State.RESERVED,
    )
    too_long = Q(checkout__expires_at__lte=ended) | Q(checkout__created_at__gt=now + SKEW)
    return held.filter(too_long).order_by("pk")


@transaction.atomic
def release_cart_in_review(payment_id: int) -> None:
    """Customers whose money is in review may buy again: frees their cart when a hold would end."""
    payment = lock_payment(pk=payment_id)
    if payment.fulfilment != Fulfilment.HELD_FOR_STAFF or payment.checkout is None:
        return
    release(payment.checkout)
    forgive_hold(payment.checkout)
    record_payment(payment, "released_while_held", "")


def _latest_end(checkout: Checkout) -> datetime:
    return hold_expiry(checkout.expires_at) + scaled(MAX_EXTENSION)
