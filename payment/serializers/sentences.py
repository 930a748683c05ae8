"""Sentences for the buyer about their payment, in the active language. They follow from its state only."""

from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from booking.models import Booking
from core.dates import spell_moment
from core.language import Text
from core.money import grouped
from payment.models import Payment, Refund
from payment.phonepe.response_codes import ASKING, PAID, STARTED, WAIT, meaning
from payment.services.booking_changes import Cancellation
from payment.services.offers import can_choose
from payment.states import Fulfilment, PaymentState, RefundState

BY_STATE = {
    PaymentState.PENDING: _("Payment is not yet confirmed. Please do not pay twice."),
    PaymentState.SUCCESS: _("Payment is confirmed."),
    PaymentState.FAILED: _("Payment failed. You have not been charged."),
    PaymentState.CANCELLED: _("Payment was not completed. If money has left your account, we will find it."),
}
# They take precedence over the sentence of the state.
BY_FULFILMENT = {
    Fulfilment.HELD_FOR_STAFF: _("Your money has arrived. Our staff will contact you about your booking."),
    Fulfilment.DUE: _("Your money has arrived. Your booking is being confirmed."),
    Fulfilment.OFFERED: _(
        "Your money has arrived, but too late for the time you chose. Please choose another time."
    ),
    Fulfilment.REFUND_DUE: _(
        "Your money has arrived, but it could not become a booking. It will be refunded in full."
    ),
    Fulfilment.REFUNDED: _("It could not become a booking. Your money has been refunded in full."),
}
CALLED_OFF = _(
    "The temple had to call off your time. Please choose another one, or get all of your money back."
)
CANCELLED = _("This booking is cancelled.")
UNDECIDED = (STARTED, PAID, WAIT, ASKING)  # not for a payment that has ended unpaid


def cancellation_sentence(cancellation: Cancellation | None) -> Text:
    """What a cancellation would give back now, and until when."""
    if cancellation is None:
        return _("This booking cannot be cancelled any more.")
    if not cancellation.refund_paise:
        return _("If you cancel now, nothing goes back to you.")
    amounts = {
        "refund": f"₹{grouped(cancellation.refund_paise)}",
        "paid": f"₹{grouped(cancellation.paid_paise)}",
    }
    all_of_it = _("If you cancel now, all of it goes back to you: {refund}.")
    part_of_it = _("If you cancel now, {refund} of {paid} go back to you.")
    sentence = format_lazy(
        all_of_it if cancellation.refund_paise == cancellation.paid_paise else part_of_it, **amounts
    )
    if cancellation.until is None:
        return sentence
    later = _("After {until} it is less.")
    return format_lazy(
        "{} {}", sentence, format_lazy(later, until=lazy(spell_moment, str)(cancellation.until))
    )


def refund_sentence(payment: Payment) -> str:
    """What goes back, or has gone back, of a booking that is cancelled."""
    refunds = [
        refund
        for refund in payment.refunds.all()
        if refund.state != RefundState.FAILED and refund.held_because != Refund.Hold.SECOND_PERSON
    ]
    if not refunds:
        return str(_("By our terms nothing goes back to you."))
    has_gone = all(refund.state == RefundState.COMPLETED for refund in refunds)
    sentence = _("{refund} has gone back to you.") if has_gone else _("{refund} goes back to you.")
    return sentence.format(refund=f"₹{grouped(sum(refund.amount_paise for refund in refunds))}")


def message(payment: Payment) -> str:
    """One sentence, whatever PhonePe called it."""
    if payment.booking and payment.booking.status == Booking.Status.CANCELLED:
        return str(CANCELLED)
    if payment.fulfilment == Fulfilment.BOOKED and can_choose(payment):
        return str(CALLED_OFF)
    return str(BY_FULFILMENT.get(Fulfilment(payment.fulfilment)) or BY_STATE[PaymentState(payment.state)])


def user_message(payment: Payment) -> str:
    """`message`, and the reason of the bank when the payment failed."""
    sentence = message(payment)
    if payment.state != PaymentState.FAILED or payment.fulfilment:
        return sentence
    last = max(payment.attempts.all(), key=lambda attempt: attempt.number)
    reason = meaning(last.code)
    if reason is None or reason.sentence in UNDECIDED:
        return sentence
    return f"{sentence} {reason.sentence}"
