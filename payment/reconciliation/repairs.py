"""What --fix does about orders and refunds. Each function returns whether the row is right afterwards."""

from payment.gateways import OrderStatus, RefundStatus
from payment.models import Payment, PaymentAttempt, Refund
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.transport import Deadline
from payment.services.outcomes import apply_status, fulfil_now
from payment.services.refunds.outcomes import apply_refund_status
from payment.services.refunds.sending import find_unknown_refund, poll_refund
from payment.services.status import poll
from payment.states import AttemptState, Fulfilment, RefundState

SECONDS = 15
UNFINISHED = (Fulfilment.DUE, Fulfilment.HELD_FOR_STAFF)


def apply_order_status(attempt: PaymentAttempt, answer: OrderStatus, source: str) -> bool:
    apply_status(attempt.pk, answer, source)
    return _is_repaired(attempt)


def poll_order(attempt: PaymentAttempt, source: str) -> bool:
    """Raises NO_ANSWER."""
    poll(attempt, Deadline(SECONDS), source)
    return _is_repaired(attempt)


def fulfil_order(attempt: PaymentAttempt) -> bool:
    fulfil_now(Payment.objects.get(pk=attempt.payment_id))
    return _is_repaired(attempt)


def apply_refund(refund: Refund, answer: RefundStatus, source: str) -> bool:
    """A refund that PhonePe does not know is right when it will be sent again."""
    refund = apply_refund_status(refund.pk, answer, source)
    if answer.state is ProviderStatus.NOT_FOUND:
        return not refund.is_with_phonepe
    return answer.state.value == refund.state


def poll_settled_refund(refund: Refund, source: str) -> bool:
    """Raises NO_ANSWER."""
    return poll_refund(refund, Deadline(SECONDS), source).state == RefundState.COMPLETED


def adopt_settled_refund(attempt: PaymentAttempt, merchant_refund_id: str, paise: int, source: str) -> bool:
    """A refund that was made in PhonePe's dashboard, and without a webhook about it. Raises NO_ANSWER."""
    refund = find_unknown_refund(attempt, merchant_refund_id, paise, Deadline(SECONDS), source)
    return refund is not None and refund.state == RefundState.COMPLETED


def _is_repaired(attempt: PaymentAttempt) -> bool:
    """The money was received, and its payment is fulfilled or will be refunded without staff."""
    received = PaymentAttempt.objects.filter(pk=attempt.pk, state=AttemptState.COMPLETED)
    return received.exclude(payment__fulfilment__in=UNFINISHED).exists()
