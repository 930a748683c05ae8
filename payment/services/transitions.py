"""The lock of a payment, and every transition of a row, recorded with its rule in the same transaction, and logged as
one line after its commit."""

import dataclasses
import functools
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import User
from core.compiled import CompiledRead
from core.databases import Query, Write, insert_rows, read_together, update_row
from core.logging import events, log_about, order_logged_for, request_id
from payment.models import Payment, PaymentAttempt, Refund, ServerEvent, StateChange
from payment.models.payments import ATTEMPT_FROM
from payment.services.server_events import (
    booking_type,
    payment_event,
    write_booking_event,
    write_refund_event,
)
from payment.states import AttemptState, Fulfilment, PaymentState, RefundState

# The line of a transition says this word; other transitions are called by their subject.
EVENTS: dict[tuple[str, str], str] = {
    ("attempt", AttemptState.CREATED): "opened",
    ("payment", PaymentState.SUCCESS): "paid",
    ("fulfilment", Fulfilment.BOOKED): "booked",
}
NEWEST_ORDER = Subquery(
    PaymentAttempt.objects.filter(payment=OuterRef("pk")).order_by("-number").values("merchant_order_id")[:1]
)


def lock_payment(**which: Any) -> Payment:
    """Locks the payment until the transaction ends: the first lock of everything that moves money.

    FOR NO KEY UPDATE: rows that only refer to it (a gateway call, an event) can be written meanwhile.
    """
    payments = Payment.objects.select_for_update(of=("self",), no_key=True)
    payment = payments.annotate(newest_order=NEWEST_ORDER).get(**which)
    log_about(payment.reference, order_logged_for(payment.reference) or payment.newest_order or "")
    return payment


def lock_attempt(attempt_id: int, beside: str = "payment__user") -> PaymentAttempt:
    """The attempt with its payment, both locked, the payment first; with a row that is read `beside` them.

    What is not locked is as old as the wait for the lock.
    """
    attempt: PaymentAttempt
    [attempt] = read_together(locking_attempt(attempt_id, beside))
    return attempt


def locking_attempt(attempt_id: int, beside: str = "payment__user") -> Query[PaymentAttempt]:
    """As `lock_attempt`, before other queries in one round trip."""
    query = _locked_attempts(beside).one(attempt_id)

    def read(rows: list[tuple[Any, ...]]) -> PaymentAttempt:
        attempt = query.read(rows)
        log_about(attempt.payment.reference, attempt.merchant_order_id)
        return attempt

    return dataclasses.replace(query, read=read)


@functools.cache
def _locked_attempts(beside: str) -> CompiledRead[[int], PaymentAttempt]:
    # PostgreSQL locks the rows of a join in the order of this tuple. A row that it waited for is read again.
    locked = PaymentAttempt.objects.select_for_update(of=("payment", "self"), no_key=True)

    def attempts(attempt_id: int) -> QuerySet[PaymentAttempt]:
        return locked.select_related("payment", beside).filter(pk=attempt_id)

    return CompiledRead(attempts)


def move_payment(payment: Payment, to: PaymentState, rule: str, **values: Any) -> bool:
    before = payment.state
    if not payment.advance(to, **values):
        return False
    _record(payment, None, "payment", before, to, rule)
    payment_event(payment).save(force_insert=True)
    return True


def record_payment(payment: Payment, rule: str, detail: str) -> None:
    """Records a decision about a payment that does not change its state."""
    _record(payment, None, "payment", payment.state, payment.state, rule, detail)


def record_decision(payment: Payment, rule: str, by: User, reason: str) -> None:
    """Records who of the staff decided, and why. The line in the log says who: reasons may name people."""
    _record(
        payment, None, "payment", payment.state, payment.state, rule, f"by user {by.pk}: {reason}", by=by.pk
    )


def move_fulfilment(payment: Payment, to: Fulfilment, rule: str, **values: Any) -> bool:
    before = payment.fulfilment
    if not payment.turn_into(to, **values):
        return False
    _record(payment, None, "fulfilment", before, to, rule)
    if to == Fulfilment.BOOKED:
        write_booking_event(ServerEvent.Type.BOOKING_CONFIRMED, payment)
    return True


def move_attempt(
    attempt: PaymentAttempt, to: AttemptState, rule: str, detail: str = "", **values: Any
) -> bool:
    before = attempt.state
    if not attempt.advance(to, **values):
        return False
    _record(attempt.payment, attempt, "attempt", before, to, rule, detail)
    return True


def attempt_writes(
    attempt: PaymentAttempt, to: AttemptState, rule: str, detail: str = "", **values: Any
) -> list[Write]:
    """As `move_attempt`, for `write_together`: under the attempt's lock, which is in a state that may become `to`."""
    before, values = attempt.state, {"state": to, **values}
    for name, value in values.items():
        setattr(attempt, name, value)
    change = state_change(attempt.payment, attempt, "attempt", before, to, rule, detail)
    moved = update_row(PaymentAttempt, {"id": attempt.pk, "state": tuple(ATTEMPT_FROM[to])}, values)
    return [moved, insert_rows(change)]


def opening_change(payment: Payment, attempt: PaymentAttempt, rule: str) -> StateChange:
    """The record of a new order, not written yet."""
    return state_change(payment, attempt, "attempt", "", attempt.state, rule, f"number {attempt.number}")


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
    more = {"refund": refund.merchant_refund_id, "paise": refund.amount_paise}
    _record(refund.payment, refund.attempt, "refund", before, refund.state, rule, detail, **more)
    write_refund_event(refund, before, rule)


def record_booking(payment: Payment, status: str, rule: str, detail: str, **more: Any) -> None:
    """Records what happened to the booking of a payment without a transition of the payment. `more`: for the log."""
    _record(payment, None, "booking", status, status, rule, detail, **more)
    write_booking_event(booking_type(status, rule), payment)


def record_cancelled(payment: Payment) -> None:
    """The booking of this payment was cancelled; its refund, if any, has a line of its own."""
    write_booking_event(ServerEvent.Type.BOOKING_CANCELLED, payment)


def state_change(
    payment: Payment,
    attempt: PaymentAttempt | None,
    subject: str,
    before: str,
    after: str,
    rule: str,
    detail: str = "",
    **more: Any,
) -> StateChange:
    """The record of a transition, not written yet. Its line in the log, with `more` keys, follows the commit."""
    change = StateChange(
        payment=payment,
        attempt=attempt,
        subject=subject,
        before=before,
        after=after,
        rule=rule,
        detail=detail[:200],
        request_id=request_id.get(),
    )
    log_change(change, **more)
    return change


def log_change(change: StateChange, **more: Any) -> None:
    """One line in the log after the commit, with `more` keys. Without `detail`: staff write reasons and names there."""
    payment, attempt = change.payment, change.attempt
    newest = getattr(payment, "newest_order", None) or ""
    order = attempt.merchant_order_id if attempt else order_logged_for(payment.reference) or newest
    log_about(payment.reference, order)
    line = {
        "payment": payment.reference,
        "order": order,
        "before": change.before,
        "after": change.after,
        "rule": change.rule,
        "paise": (attempt or payment).amount_paise,
    }
    word = EVENTS.get((change.subject, change.after), change.subject)
    transaction.on_commit(functools.partial(events.info, word, extra=line | more))


def _record(*change: Any, **more: Any) -> None:
    state_change(*change, **more).save(force_insert=True)
