"""What --fix does about orders and refunds. Each looks at the row afterwards, and says whether it is right now."""

from payment.gateways import OrderStatus, RefundStatus
from payment.models import Payment, PaymentAttempt, Refund
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.transport import Deadline
from payment.services.outcomes import fulfil_now, settle
from payment.services.refunds.outcomes import settle_refund
from payment.services.refunds.sending import ask_about_refund, look_for_refund
from payment.services.status import ask
from payment.states import AttemptState, Fulfilment, RefundState

SECONDS = 15
UNFINISHED = (Fulfilment.DUE, Fulfilment.HELD_FOR_STAFF)


def take_in_order(attempt: PaymentAttempt, answer: OrderStatus, source: str) -> bool:
    settle(attempt.pk, answer, source)
    return _is_in_its_place(attempt)


def inquire_order(attempt: PaymentAttempt, source: str) -> bool:
    """Raises NO_ANSWER."""
    ask(attempt, Deadline(SECONDS), source)
    return _is_in_its_place(attempt)


def fulfil_order(attempt: PaymentAttempt) -> bool:
    fulfil_now(Payment.objects.get(pk=attempt.payment_id))
    return _is_in_its_place(attempt)


def take_in_refund(refund: Refund, answer: RefundStatus, source: str) -> bool:
    """What PhonePe does not know is right when it is to be said again."""
    settled = settle_refund(refund.pk, answer, source)
    if answer.verdict is ProviderStatus.NOT_FOUND:
        return not settled.is_with_phonepe
    return answer.verdict.value == settled.state


def inquire_refund(refund: Refund, source: str) -> bool:
    """Raises NO_ANSWER."""
    return ask_about_refund(refund, Deadline(SECONDS), source).state == RefundState.COMPLETED


def adopt_settled_refund(attempt: PaymentAttempt, merchant_refund_id: str, paise: int, source: str) -> bool:
    """A refund that was made in PhonePe's dashboard, and of which no webhook told us. Raises NO_ANSWER."""
    refund = look_for_refund(attempt, merchant_refund_id, paise, Deadline(SECONDS), source)
    return refund is not None and refund.state == RefundState.COMPLETED


def _is_in_its_place(attempt: PaymentAttempt) -> bool:
    """The money came, and nobody has to do anything for it to become what was ordered, or to go back."""
    received = PaymentAttempt.objects.filter(pk=attempt.pk, state=AttemptState.COMPLETED)
    return received.exclude(payment__fulfilment__in=UNFINISHED).exists()
