"""State transitions of an order: paid, failed, expired. A late payment still completes it.

    PENDING ─> COMPLETED | FAILED;  FAILED ─> COMPLETED (late money);  nothing leaves COMPLETED

Each function is a compare-and-set on the state, and enqueues the webhook in the same transaction.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from simulator import clock, identifiers, webhook_deliveries
from simulator.models import Attempt, Merchant, Order, State
from simulator.v1_messages import FAILED, TIMED_OUT
from simulator.v1_messages import REASONS as V1_REASONS
from simulator.v2_messages import REASONS, UNMAPPED

NOT_COMPLETED = "TXN_AUTO_FAILED"
OPEN = (State.PENDING,)
UNPAID = (State.PENDING, State.FAILED)


class NotAllowed(Exception):
    """The state of the order or refund does not allow it."""


@dataclass(frozen=True)
class PaymentInstrument:
    """What the customer pays with, in V2's terms; `vpa` is masked."""

    mode: str = "UPI_QR"
    instrument: str = "ACCOUNT"
    vpa: str = "90****01@ybl"


QR_CODE = PaymentInstrument()
# Modes that are not paid from a bank account by UPI.
INSTRUMENT_TYPES = {"CARD": "CREDIT_CARD", "TOKEN": "CREDIT_CARD", "NET_BANKING": "NET_BANKING"}


def receive_payment(
    order: Order, instrument: PaymentInstrument = QR_CODE, amount_paise: int | None = None
) -> None:
    """The money arrives, in time or late."""
    with transaction.atomic():
        _change_state(order, UNPAID, State.COMPLETED, bank_answers_at=None)
        moment = clock.now()
        _record_attempt(
            order,
            instrument,
            state=State.COMPLETED,
            amount_paise=amount_paise,
            utr=identifiers.utr(moment),
            upi_transaction_id=identifiers.upi_transaction_id(),
        )
        webhook_deliveries.enqueue_order_event(order)


def wait_for_bank(order: Order, until: datetime, instrument: PaymentInstrument = QR_CODE) -> None:
    """The customer has approved; the bank answers at `until`, perhaps after the order has expired."""
    with transaction.atomic():
        _change_state(order, OPEN, State.PENDING, bank_answers_at=until)
        _record_attempt(order, instrument, state=State.PENDING)


def schedule_late_payment(order: Order, until: datetime) -> None:
    """A failed order that is paid at `until` after all."""
    with transaction.atomic():
        failed = (order.error_code, order.detailed_error_code)
        _change_state(order, (State.FAILED,), State.FAILED, *failed, bank_answers_at=until)


def fail(order: Order, reason: str, instrument: PaymentInstrument = QR_CODE) -> None:
    with transaction.atomic():
        error_code = _error_code(order, reason)
        _change_state(order, OPEN, State.FAILED, error_code, reason, bank_answers_at=None)
        _record_attempt(
            order, instrument, state=State.FAILED, error_code=error_code, detailed_error_code=reason
        )
        webhook_deliveries.enqueue_order_event(order)


def fail_attempt(order: Order, reason: str, instrument: PaymentInstrument = QR_CODE) -> None:
    """The customer may try again, unless the merchant has disabled retries."""
    if order.retry_disabled:
        fail(order, reason, instrument)
        return
    with transaction.atomic():
        _change_state(order, OPEN, State.PENDING, bank_answers_at=None)
        error_code = _error_code(order, reason)
        attempt = _record_attempt(
            order, instrument, state=State.FAILED, error_code=error_code, detailed_error_code=reason
        )
        webhook_deliveries.enqueue_attempt_failed(order, attempt)


def expire(order: Order) -> None:
    """A payment that is pending at the bank then arrives late."""
    v1 = order.merchant.generation == Merchant.Generation.V1
    error = (TIMED_OUT, TIMED_OUT) if v1 else (REASONS[NOT_COMPLETED][0], NOT_COMPLETED)
    with transaction.atomic():
        _change_state(order, OPEN, State.FAILED, *error)
        webhook_deliveries.enqueue_order_event(order)


def apply_due(order: Order, moment: datetime | None = None) -> None:
    """Applies what has become due: expiry, or the answer of the bank. Called at every read of the order."""
    moment = moment or clock.now()
    in_time = order.bank_answers_at is not None and order.bank_answers_at <= order.expires_at
    if order.state == State.PENDING and order.expires_at <= moment and not in_time:
        _try_transition(expire, order)
    if order.bank_answers_at and order.bank_answers_at <= moment:
        _try_transition(receive_payment, order)


def apply_all_due(limit: int = 100) -> None:
    moment = clock.now()
    overdue = Q(state=State.PENDING, expires_at__lte=moment) | Q(bank_answers_at__lte=moment)
    for order in Order.objects.filter(overdue).select_related("merchant").order_by("pk")[:limit]:
        apply_due(order, moment)


def _try_transition(end: Callable[[Order], None], order: Order) -> None:
    """Another request may have changed the order meanwhile."""
    try:
        end(order)
    except NotAllowed:
        order.refresh_from_db()


def _change_state(
    order: Order,
    allowed: tuple[str, ...],
    to: str,
    error_code: str = "",
    detailed_error_code: str = "",
    **changes: datetime | None,
) -> None:
    moved = {"state": to, "error_code": error_code, "detailed_error_code": detailed_error_code, **changes}
    if not Order.objects.filter(pk=order.pk, state__in=allowed).update(**moved):
        raise NotAllowed(f"The order is {order.state}.")
    for name, value in moved.items():
        setattr(order, name, value)


def _record_attempt(
    order: Order, instrument: PaymentInstrument, *, amount_paise: int | None = None, **details: str
) -> Attempt:
    """Finishes the pending attempt, or creates a finished one."""
    details_of_all = {"amount_paise": amount_paise or order.amount_paise, **details}
    waiting = order.attempts.filter(state=State.PENDING).first()
    if waiting is not None:
        Attempt.objects.filter(pk=waiting.pk).update(**details_of_all)
        waiting.refresh_from_db()
        return waiting
    # When the merchant has chosen the mode, the customer chooses only within it, such as the card type.
    if order.mode not in ("", instrument.mode):
        kind = INSTRUMENT_TYPES.get(order.mode, QR_CODE.instrument)
        instrument = PaymentInstrument(order.mode, kind, order.vpa)
    moment = clock.now()
    prefix = "T" if order.merchant.generation == Merchant.Generation.V1 else "OM"
    attempt: Attempt = Attempt.objects.create(
        order=order,
        provider_id=identifiers.provider_id(prefix, moment),
        created_at=moment,
        **asdict(instrument),
        **details_of_all,
    )
    return attempt


def _error_code(order: Order, reason: str) -> str:
    if order.merchant.generation == Merchant.Generation.V1:
        return reason if reason in V1_REASONS else FAILED
    if reason in REASONS:
        return REASONS[reason][0]
    return reason if reason in UNMAPPED else FAILED
