"""How long the place of an undecided payment is kept."""

from datetime import datetime

from django.db import transaction

from booking.models import Checkout
from booking.services import hold_end, release, release_hold, stretch_hold
from payment.services.backlog import database_now, holds_due
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
def end_hold(hold_id: int) -> None:
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
    elif now < _last_moment(checkout):
        stretch_hold(checkout, min(now + scaled(STRETCH), _last_moment(checkout)))
    else:
        release_hold(checkout)


def _last_moment(checkout: Checkout) -> datetime:
    return hold_end(checkout.expires_at) + scaled(LONGEST_STRETCH)
