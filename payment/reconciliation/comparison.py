"""What PhonePe says about the orders and refunds of a day, beside our rows."""

from collections.abc import Iterator
from datetime import date
from functools import partial

from django.db.models import Q
from django.utils import timezone

from payment.models import OPEN_REFUND, PaymentAttempt, Refund
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.schemas import OrderStatus, RefundStatus
from payment.reconciliation.days import on, span
from payment.reconciliation.discrepancies import (
    Discrepancy,
    Fix,
    Kind,
    order_discrepancy,
    refund_discrepancy,
)
from payment.reconciliation.repairs import apply_order_status, apply_refund, fulfil_order
from payment.reconciliation.status_checks import StatusChecks
from payment.services.monitoring import real_or_simulating
from payment.states import AttemptState, Fulfilment, RefundState

SOURCE = "reconciliation"
# PhonePe need not know these: we cannot say that they ever arrived.
MAY_BE_UNKNOWN = (AttemptState.CREATED, AttemptState.UNKNOWN, AttemptState.EXPIRED)
MAY_BE_UNKNOWN_REFUND = (RefundState.CREATED, RefundState.UNKNOWN)
# "Not found" about a refund that may have arrived means that it has not arrived: then it may be sent again.
FINAL = (ProviderStatus.COMPLETED, ProviderStatus.FAILED, ProviderStatus.NOT_FOUND)
OPEN_OR_WAITING_REFUND = (RefundState.WAITING, *OPEN_REFUND)


def compare_orders(day: date, status_checks: StatusChecks) -> Iterator[Discrepancy]:
    """Those that were sent or decided that day. Each row is read after PhonePe has answered about it."""
    attempts = PaymentAttempt.objects.filter(on(day, "created_at", "decided_at"), sent_at__isnull=False)
    for pk in list(attempts.order_by("pk").values_list("pk", flat=True)):
        answer = status_checks.fetch_order_status(PaymentAttempt.objects.get(pk=pk))
        attempt = PaymentAttempt.objects.select_related("payment__checkout__booking").get(pk=pk)
        discrepancy = _compare_order(attempt, answer) if answer else None
        if discrepancy := discrepancy or _check_fulfilment(attempt):
            yield discrepancy


def compare_refunds(day: date, status_checks: StatusChecks) -> Iterator[Discrepancy]:
    """Those that were created or decided that day, and all that are late at its end."""
    late = Q(state__in=OPEN_OR_WAITING_REFUND, expected_by__lt=span(day)[1])
    refunds = Refund.objects.filter(
        on(day, "created_at", "decided_at") | late, real_or_simulating("attempt__simulated")
    )
    for pk in list(refunds.order_by("pk").values_list("pk", flat=True)):
        before = Refund.objects.select_related("attempt").get(pk=pk)
        answer = status_checks.fetch_refund_status(before) if before.is_with_phonepe else None
        refund = Refund.objects.select_related("attempt__payment__checkout__booking").get(pk=pk)
        if answer and (discrepancy := _compare_refund(refund, answer)):
            yield discrepancy
            continue
        is_open = refund.state in OPEN_OR_WAITING_REFUND
        if is_open and refund.expected_by is not None and refund.expected_by <= timezone.now():
            fix = (
                Fix.GIVE_BACK
                if refund.attempt.by_hand
                else Fix.APPROVE
                if refund.held_because
                else Fix.WAIT
                if refund.is_with_phonepe
                else Fix.SEND
            )
            yield refund_discrepancy(refund, Kind.REFUND_NOT_CREDITED, fix)


def _compare_order(attempt: PaymentAttempt, answer: OrderStatus) -> Discrepancy | None:
    is_received = attempt.state == AttemptState.COMPLETED
    theirs = answer.amount_paise
    if answer.state is ProviderStatus.COMPLETED and is_received:
        if theirs in (None, attempt.received_paise):
            return None
        return order_discrepancy(attempt, Kind.AMOUNT_DIFFERS, Fix.LOOK_UP_AMOUNT, theirs_paise=theirs)
    if answer.state is ProviderStatus.COMPLETED:
        return order_discrepancy(
            attempt,
            Kind.PAID_WITHOUT_BOOKING if theirs == attempt.amount_paise else Kind.AMOUNT_DIFFERS,
            Fix.SETTLE,
            ours_paise=0,
            theirs_paise=theirs,
            detail=f"ours is {attempt.state}",
            repair=partial(apply_order_status, attempt, answer, SOURCE),
        )
    if answer.state is ProviderStatus.NOT_FOUND:
        if attempt.state in MAY_BE_UNKNOWN:
            return None
        return order_discrepancy(attempt, Kind.UNKNOWN_TO_THEM, Fix.WRITE)
    if is_received and answer.state in (ProviderStatus.FAILED, ProviderStatus.PENDING):
        detail = f"PhonePe says {answer.state.value}"
        return order_discrepancy(
            attempt, Kind.BOOKING_WITHOUT_MONEY, Fix.LOOK_UP, detail=detail, theirs_paise=0
        )
    return None


def _check_fulfilment(attempt: PaymentAttempt) -> Discrepancy | None:
    """Money that came and is not where it belongs yet."""
    payment = attempt.payment
    if attempt.state != AttemptState.COMPLETED:
        return None
    if payment.fulfilment == Fulfilment.DUE:
        retry = partial(fulfil_order, attempt)
        return order_discrepancy(attempt, Kind.PAID_WITHOUT_BOOKING, Fix.FULFIL, repair=retry)
    if payment.fulfilment == Fulfilment.HELD_FOR_STAFF:
        reason = payment.held_because
        kind = Kind.AMOUNT_DIFFERS if reason == "amount_differs" else Kind.PAID_WITHOUT_BOOKING
        return order_discrepancy(attempt, kind, Fix.DECIDE, detail=f"held: {reason}")
    if payment.fulfilment == Fulfilment.BOOKED and not hasattr(payment.checkout, "booking"):
        detail = "the booking is missing"
        return order_discrepancy(attempt, Kind.PAID_WITHOUT_BOOKING, Fix.LOOK_UP, detail=detail)
    return None


def _compare_refund(refund: Refund, answer: RefundStatus) -> Discrepancy | None:
    theirs = answer.amount_paise
    detail = f"PhonePe says {answer.state.value}, ours is {refund.state}"
    if answer.state is ProviderStatus.NOT_FOUND and refund.state not in MAY_BE_UNKNOWN_REFUND:
        return refund_discrepancy(refund, Kind.UNKNOWN_TO_THEM, Fix.LOOK_UP_REFUND)
    if answer.state.value == refund.state:
        if refund.state != RefundState.COMPLETED or theirs in (None, refund.amount_paise):
            return None
        return refund_discrepancy(refund, Kind.AMOUNT_DIFFERS, Fix.LOOK_UP_AMOUNT, theirs_paise=theirs)
    if refund.state == RefundState.COMPLETED and answer.state is not ProviderStatus.UNKNOWN:
        return refund_discrepancy(refund, Kind.REFUND_NOT_CREDITED, Fix.LOOK_UP_REFUND, detail=detail)
    if answer.state not in FINAL:
        return None
    repair = partial(apply_refund, refund, answer, SOURCE)
    return refund_discrepancy(refund, Kind.REFUND_NOT_CREDITED, Fix.REFUND, detail=detail, repair=repair)
