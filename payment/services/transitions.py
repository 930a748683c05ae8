"""The lock of a payment, and every transition of a row, recorded with its rule in the same transaction."""

from typing import Any

from core.logging import request_id
from payment.models import Payment, PaymentAttempt, Refund, StateChange
from payment.states import AttemptState, Fulfilment, PaymentState, RefundState


def lock_payment(**which: Any) -> Payment:
    """Locks the payment until the transaction ends: the first lock of everything that moves money.

    FOR NO KEY UPDATE: rows that only refer to it (a gateway call, an event) can be written meanwhile.
    """
    return Payment.objects.select_for_update(of=("self",), no_key=True).get(**which)


def move_payment(payment: Payment, to: PaymentState, rule: str, **values: Any) -> bool:
    before = payment.state
    if not payment.advance(to, **values):
        return False
    _record(payment, None, "payment", before, to, rule)
    return True


def record_payment(payment: Payment, rule: str, detail: str) -> None:
    """Records a decision about a payment that does not change its state."""
    _record(payment, None, "payment", payment.state, payment.state, rule, detail)


def move_fulfilment(payment: Payment, to: Fulfilment, rule: str, **values: Any) -> bool:
    before = payment.fulfilment
    if not payment.turn_into(to, **values):
        return False
    _record(payment, None, "fulfilment", before, to, rule)
    return True


def move_attempt(
    attempt: PaymentAttempt, to: AttemptState, rule: str, detail: str = "", **values: Any
) -> bool:
    before = attempt.state
    if not attempt.advance(to, **values):
        return False
    _record(attempt.payment, attempt, "attempt", before, to, rule, detail)
    return True


def record_opening(payment: Payment, attempt: PaymentAttempt, rule: str) -> None:
    _record(payment, attempt, "attempt", "", attempt.state, rule, f"number {attempt.number}")


def move_refund(refund: Refund, to: RefundState, rule: str, detail: str = "", **values: Any) -> bool:
    before = refund.state
    if not refund.advance(to, **values):
        return False
    record_refund(refund, rule, detail, before=before)
    return True


def record_refund(refund: Refund, rule: str, detail: str = "", *, before: str | None = None) -> None:
    """`before` is "" for a new refund; without it, the record says that the state did not change."""
    before = refund.state if before is None else before
    detail = f"{refund.merchant_refund_id} {detail}".strip()
    _record(refund.payment, refund.attempt, "refund", before, refund.state, rule, detail)


def record_booking(payment: Payment, status: str, rule: str, detail: str) -> None:
    """Records what happened to the booking of a payment without a transition of the payment."""
    _record(payment, None, "booking", status, status, rule, detail)


def _record(
    payment: Payment,
    attempt: PaymentAttempt | None,
    subject: str,
    before: str,
    after: str,
    rule: str,
    detail: str = "",
) -> None:
    StateChange.objects.create(
        payment=payment,
        attempt=attempt,
        subject=subject,
        before=before,
        after=after,
        rule=rule,
        detail=detail[:200],
        request_id=request_id.get(),
    )
