"""What PhonePe says about the orders and refunds of a day, beside our rows."""

from collections.abc import Iterator
from datetime import date, datetime
from functools import partial

from django.db.models import Q
from django.utils import timezone

from payment.models import OPEN_REFUND, PaymentAttempt, Refund
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.schemas import OrderStatus, RefundStatus
from payment.reconciliation.days import on, span
from payment.reconciliation.findings import Finding, Fix, Kind, about_order, about_refund
from payment.reconciliation.repairs import apply_order_status, apply_refund, fulfil_order
from payment.reconciliation.status_checks import StatusChecks
from payment.services.monitoring import real_or_simulating
from payment.states import AttemptState, Fulfilment, RefundState

SOURCE = "reconciliation"
# PhonePe need not know these: nobody can say that they ever arrived.
MAY_BE_UNKNOWN = (AttemptState.CREATED, AttemptState.UNKNOWN, AttemptState.EXPIRED)
# "Not found" about a refund that may have arrived means that it has not: then it may be said again.
FINAL = (ProviderStatus.COMPLETED, ProviderStatus.FAILED, ProviderStatus.NOT_FOUND)
REFUND_UNDER_WAY = (RefundState.WAITING, *OPEN_REFUND)


def compare_orders(day: date, questions: StatusChecks) -> Iterator[Finding]:
    """Those that were sent or decided that day, one by one: each is read after PhonePe has answered."""
    sent = PaymentAttempt.objects.filter(on(day, "created_at", "decided_at"), sent_at__isnull=False)
    for pk in list(sent.order_by("pk").values_list("pk", flat=True)):
        answer = questions.about_order(PaymentAttempt.objects.get(pk=pk))
        attempt = PaymentAttempt.objects.select_related("payment__checkout__booking").get(pk=pk)
        found = _order(attempt, answer) if answer else None
        if found := found or _unfulfilled(attempt):
            yield found


def compare_refunds(day: date, questions: StatusChecks) -> Iterator[Finding]:
    """Those that were promised or decided that day, and all that are later than was promised by its end."""
    late = Q(state__in=REFUND_UNDER_WAY, expected_by__lt=span(day)[1])
    wanted = Refund.objects.filter(
        on(day, "created_at", "decided_at") | late, real_or_simulating("attempt__simulated")
    )
    for pk in list(wanted.order_by("pk").values_list("pk", flat=True)):
        asked = Refund.objects.select_related("attempt").get(pk=pk)
        answer = questions.about_refund(asked) if asked.is_with_phonepe else None
        refund = Refund.objects.select_related("attempt__payment__checkout__booking").get(pk=pk)
        found = _refund(refund, answer) if answer else None
        if found := found or _late(refund, timezone.now()):
            yield found


def _order(attempt: PaymentAttempt, answer: OrderStatus) -> Finding | None:
    is_received = attempt.state == AttemptState.COMPLETED
    if answer.state is ProviderStatus.COMPLETED:
        return _amount(attempt, answer) if is_received else _not_received(attempt, answer)
    if answer.state is ProviderStatus.NOT_FOUND:
        is_ours_alone = attempt.state not in MAY_BE_UNKNOWN
        return about_order(attempt, Kind.UNKNOWN_TO_THEM, Fix.WRITE) if is_ours_alone else None
    if is_received and answer.state in (ProviderStatus.FAILED, ProviderStatus.PENDING):
        said = f"PhonePe says {answer.state.value}"
        return about_order(attempt, Kind.BOOKING_WITHOUT_MONEY, Fix.LOOK_UP, detail=said, theirs_paise=0)
    return None


def _amount(attempt: PaymentAttempt, answer: OrderStatus) -> Finding | None:
    theirs = answer.amount_paise
    if theirs in (None, attempt.received_paise):
        return None
    return about_order(attempt, Kind.AMOUNT_DIFFERS, Fix.LOOK_UP_AMOUNT, theirs_paise=theirs)


def _not_received(attempt: PaymentAttempt, answer: OrderStatus) -> Finding:
    is_agreed = answer.amount_paise == attempt.amount_paise
    return about_order(
        attempt,
        Kind.PAID_WITHOUT_BOOKING if is_agreed else Kind.AMOUNT_DIFFERS,
        Fix.SETTLE,
        ours_paise=0,
        theirs_paise=answer.amount_paise,
        detail=f"ours is {attempt.state}",
        mend=partial(apply_order_status, attempt, answer, SOURCE),
    )


def _unfulfilled(attempt: PaymentAttempt) -> Finding | None:
    """Money that came and is not where it belongs yet."""
    payment = attempt.payment
    if attempt.state != AttemptState.COMPLETED:
        return None
    if payment.fulfilment == Fulfilment.DUE:
        retry = partial(fulfil_order, attempt)
        return about_order(attempt, Kind.PAID_WITHOUT_BOOKING, Fix.FULFIL, mend=retry)
    if payment.fulfilment == Fulfilment.HELD_FOR_STAFF:
        why = payment.held_because
        kind = Kind.AMOUNT_DIFFERS if why == "amount_differs" else Kind.PAID_WITHOUT_BOOKING
        return about_order(attempt, kind, Fix.DECIDE, detail=f"held: {why}")
    if payment.fulfilment == Fulfilment.BOOKED and not hasattr(payment.checkout, "booking"):
        return about_order(attempt, Kind.PAID_WITHOUT_BOOKING, Fix.LOOK_UP, detail="the booking is missing")
    return None


def _refund(refund: Refund, answer: RefundStatus) -> Finding | None:
    said = f"PhonePe says {answer.state.value}, ours is {refund.state}"
    if answer.state is ProviderStatus.NOT_FOUND and refund.state not in (
        RefundState.CREATED,
        RefundState.UNKNOWN,
    ):
        return about_refund(refund, Kind.UNKNOWN_TO_THEM, Fix.LOOK_UP_REFUND)
    if answer.state.value == refund.state:
        return _refunded_amount(refund, answer)
    if refund.state == RefundState.COMPLETED and answer.state is not ProviderStatus.UNKNOWN:
        return about_refund(refund, Kind.REFUND_NOT_CREDITED, Fix.LOOK_UP_REFUND, detail=said)
    if answer.state not in FINAL:
        return None
    learn = partial(apply_refund, refund, answer, SOURCE)
    return about_refund(refund, Kind.REFUND_NOT_CREDITED, Fix.REFUND, detail=said, mend=learn)


def _refunded_amount(refund: Refund, answer: RefundStatus) -> Finding | None:
    theirs = answer.amount_paise
    if refund.state != RefundState.COMPLETED or theirs in (None, refund.amount_paise):
        return None
    return about_refund(refund, Kind.AMOUNT_DIFFERS, Fix.LOOK_UP_AMOUNT, theirs_paise=theirs)


def _late(refund: Refund, now: datetime) -> Finding | None:
    if refund.state not in REFUND_UNDER_WAY or refund.expected_by is None or refund.expected_by > now:
        return None
    fix = Fix.APPROVE if refund.held_because else Fix.WAIT if refund.is_with_phonepe else Fix.SEND
    return about_refund(refund, Kind.REFUND_NOT_CREDITED, fix)
