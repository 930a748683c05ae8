"""How long the place of an undecided payment is kept."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from booking.models import Checkout
from booking.services import release, release_hold, stretch_hold
from booking.services.places import HOLD_OUTLASTS_PAYMENT
from payment.services.changes import lock_payment

STRETCH = timedelta(minutes=5)
# Not for ever: others want the place too. The payment then goes on without it, by the rule for late money.
LONGEST_STRETCH = timedelta(minutes=30)


def keep_place(checkout: Checkout, page_expires_at: datetime) -> None:
    """Another page was opened: the hold outlives this one as it would have outlived the first."""
    stretch_hold(checkout, min(_outlasting(page_expires_at), _last_moment(checkout)))


@transaction.atomic
def end_hold(payment_id: int, now: datetime) -> None:
    """A hold is over. Stretched while the payment is undecided, given back otherwise."""
    payment = lock_payment(pk=payment_id)
    checkout = payment.checkout
    if checkout is None:
        return
    if not payment.is_open:
        release(checkout)
    elif now < _last_moment(checkout):
        stretch_hold(checkout, min(now + STRETCH / settings.PAYMENT_TIME_SCALE, _last_moment(checkout)))
    else:
        release_hold(checkout)


def _outlasting(page_expires_at: datetime) -> datetime:
    return page_expires_at + HOLD_OUTLASTS_PAYMENT / settings.PAYMENT_TIME_SCALE


def _last_moment(checkout: Checkout) -> datetime:
    return _outlasting(checkout.expires_at) + LONGEST_STRETCH / settings.PAYMENT_TIME_SCALE
