"""How long the place of an undecided payment is kept."""

from datetime import datetime

from django.db import transaction

from booking.models import Checkout
from booking.services import hold_end, release, release_hold, stretch_hold
from payment.services.changes import lock_payment
from payment.services.schedule import MINUTE, scaled
from payment.states import Fulfilment

STRETCH = 5 * MINUTE
# Not for ever: others want the place too. The payment then goes on without it, by the rule for late money.
LONGEST_STRETCH = 30 * MINUTE


def keep_place(checkout: Checkout, page_expires_at: datetime) -> None:
    """Another page was opened: the hold outlives this one as it would have outlived the first."""
    stretch_hold(checkout, min(hold_end(page_expires_at), _last_moment(checkout)))


@transaction.atomic
def end_hold(payment_id: int, now: datetime) -> None:
    """A hold is over. Stretched while the payment is undecided or waits for its booking, given back otherwise."""
    payment = lock_payment(pk=payment_id)
    checkout = payment.checkout
    if checkout is None:
        return
    if not payment.is_open and payment.fulfilment != Fulfilment.DUE:
        release(checkout)
    elif now < _last_moment(checkout):
        stretch_hold(checkout, min(now + scaled(STRETCH), _last_moment(checkout)))
    else:
        release_hold(checkout)


def _last_moment(checkout: Checkout) -> datetime:
    return hold_end(checkout.expires_at) + scaled(LONGEST_STRETCH)
