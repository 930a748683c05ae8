"""The end of a payment that nobody has paid."""

from django.utils import timezone

from booking.models import Cart
from booking.services import forgive_hold, release
from core.clocks import database_now
from payment.models import OPEN_ATTEMPT, PayLink, Payment, PaymentAttempt
from payment.models.payments import MAX_ATTEMPTS
from payment.services.notifications import notify_ended, notify_failed
from payment.services.transitions import move_payment
from payment.states import AttemptState, PaymentState


def end_if_unpaid(last: PaymentAttempt, *, was_tried: bool = False) -> None:
    """The payment ends when none of its attempts can bring money any more, and its cart is free again.

    `was_tried`: the customer tried to pay. Under the payment's lock.
    """
    payment = last.payment
    if payment.fulfilment or payment.attempts.filter(state__in=OPEN_ATTEMPT).exists():
        return
    if last.number < MAX_ATTEMPTS and _can_be_opened_again(payment):
        return
    to = PaymentState.FAILED if last.state == AttemptState.FAILED else PaymentState.CANCELLED
    if not move_payment(payment, to, "no_attempt_left", decided_at=timezone.now()):
        return
    if payment.checkout:
        release(payment.checkout, last.expires_at)
        if not last.was_opened:  # there was nothing to pay with
            forgive_hold(payment.checkout)
        if payment.checkout.cart.status == Cart.Status.CONVERTED:
            return  # the cart was booked by another payment: nobody is told that nothing is booked
    if was_tried:
        notify_failed(payment)
    else:
        notify_ended(payment)


def _can_be_opened_again(payment: Payment) -> bool:
    """Its link has not ended: the next click on it opens another order, and its place is kept until then."""
    links = PayLink.objects.filter(checkout=payment.checkout_id, ended_at=None)
    return payment.checkout_id is not None and links.filter(expires_at__gt=database_now()).exists()
