"""How long the hold of an undecided payment lasts."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from booking.models import Checkout, SlotHold
from booking.services import extend_hold, hold_end, longest_page_life, release, release_hold
from core.clocks import SKEW, database_now
from payment.models import Payment
from payment.services.queue import holds_due
from payment.services.schedule import MINUTE, scaled
from payment.services.transitions import lock_payment, record_payment
from payment.states import Fulfilment

EXTENSION = 5 * MINUTE
# Not for ever: others want the place too. The payment then goes on without it, by the rule for late money.
MAX_EXTENSION = 30 * MINUTE


def extend_for_page(checkout: Checkout, page_expires_at: datetime) -> None:
    """Another page was opened: the hold outlives this one as it would have outlived the first."""
    extend_hold(checkout, min(hold_end(page_expires_at), _latest_end(checkout)))


@transaction.atomic
def expire_hold(hold_id: int) -> None:
    """A hold is over. Stretched while the payment is undecided or waits for its booking, given back otherwise.

    Looked at again under the lock: a new page may have stretched it meanwhile.
    """
    checkout = Checkout.objects.select_related("payment").get(hold=hold_id)
    payment = lock_payment(checkout=checkout) if hasattr(checkout, "payment") else None
    now = database_now()
    if not holds_due(now).filter(pk=hold_id).exists():
        return
    waits = payment is not None and (payment.is_open or payment.fulfilment == Fulfilment.DUE)
    if not waits:
        release(checkout)
        release_hold(checkout)  # also of a checkout that was released before and kept its place
    elif now < _latest_end(checkout) and not _is_of_a_wrong_clock(checkout, now):
        extend_hold(checkout, min(now + scaled(EXTENSION), _latest_end(checkout)))
    else:
        release_hold(checkout)


def repair_holds(now: datetime) -> int:
    """Holds that end later than any hold can are over: a clock was wrong when they were written. Their number."""
    longest = hold_end(now + longest_page_life()) + scaled(MAX_EXTENSION) + SKEW
    wrong = Q(expires_at__gt=longest) | Q(checkout__created_at__gt=now + SKEW, expires_at__gt=now)
    return SlotHold.objects.filter(wrong, state=SlotHold.State.HELD).update(expires_at=now)


def release_carts_in_review(now: datetime, limit: int = 20) -> int:
    """Whose money staff look at may buy again: their cart is free when its place would be. Their number."""
    ended = now - (hold_end(now) - now) - scaled(MAX_EXTENSION)
    held = Payment.objects.filter(
        fulfilment=Fulfilment.HELD_FOR_STAFF,
        checkout__state=Checkout.State.RESERVED,
    ).filter(Q(checkout__expires_at__lte=ended) | Q(checkout__created_at__gt=now + SKEW))
    payment_ids = list(held.order_by("pk").values_list("pk", flat=True)[:limit])
    return sum(_release_cart(payment_id) for payment_id in payment_ids)


@transaction.atomic
def _release_cart(payment_id: int) -> bool:
    payment = lock_payment(pk=payment_id)
    if payment.fulfilment != Fulfilment.HELD_FOR_STAFF or payment.checkout is None:
        return False
    release(payment.checkout)
    record_payment(payment, "released_while_held", "")
    return True


def _is_of_a_wrong_clock(checkout: Checkout, now: datetime) -> bool:
    """Not by PHONEPE_EXPIRE_AFTER, which may have been longer at the check-out."""
    return checkout.created_at > now + SKEW or checkout.expires_at > now + longest_page_life() + SKEW


def _latest_end(checkout: Checkout) -> datetime:
    return hold_end(checkout.expires_at) + scaled(MAX_EXTENSION)
