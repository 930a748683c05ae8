"""How an order ends: paid, failed, or its time is up. Money that comes later still counts.

    PENDING ─> COMPLETED | FAILED;  FAILED ─> COMPLETED (late money);  nothing leaves COMPLETED

Each function moves the row only if it still may move, and writes the webhook in the same transaction.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from simulator import clock, identifiers, webhook_deliveries
from simulator.models import Attempt, Merchant, Order, State
from simulator.v1_messages import FAILED, TIMED_OUT
from simulator.v1_messages import REASONS as V1_REASONS
from simulator.v2_messages import REASONS, UNMAPPED

NOT_FINISHED = "TXN_AUTO_FAILED"
OPEN = (State.PENDING,)
UNPAID = (State.PENDING, State.FAILED)


class NotPossible(Exception):
    """The order or refund is in a state that does not allow it."""


@dataclass(frozen=True)
class Means:
    """What the customer pays with, in V2's words; `vpa` is masked."""

    mode: str = "UPI_QR"
    instrument: str = "ACCOUNT"
    vpa: str = "90****01@ybl"


SCANNED = Means()
# What the money comes from, where it is not a bank account behind UPI.
INSTRUMENTS = {"CARD": "CREDIT_CARD", "TOKEN": "CREDIT_CARD", "NET_BANKING": "NET_BANKING"}


def receive(order: Order, means: Means = SCANNED, amount_paise: int | None = None) -> None:
    """The money arrives, late or not."""
    with transaction.atomic():
        _move(order, UNPAID, State.COMPLETED, bank_answers_at=None)
        moment = clock.now()
        _try(
            order,
            means,
            state=State.COMPLETED,
            amount_paise=amount_paise,
            utr=identifiers.utr(moment),
            upi_transaction_id=identifiers.upi_transaction_id(),
        )
        webhook_deliveries.order_ended(order)


def wait_for_bank(order: Order, until: datetime, means: Means = SCANNED) -> None:
    """The customer has done their part; the bank answers at `until`, perhaps after the order has ended."""
    with transaction.atomic():
        _move(order, OPEN, State.PENDING, bank_answers_at=until)
        _try(order, means, state=State.PENDING)


def expect_late(order: Order, until: datetime) -> None:
    """A failed order whose money comes all the same."""
    with transaction.atomic():
        failed = (order.error_code, order.detailed_error_code)
        _move(order, (State.FAILED,), State.FAILED, *failed, bank_answers_at=until)


def fail(order: Order, reason: str, means: Means = SCANNED) -> None:
    with transaction.atomic():
        error_code = _error_code(order, reason)
        _move(order, OPEN, State.FAILED, error_code, reason, bank_answers_at=None)
        _try(order, means, state=State.FAILED, error_code=error_code, detailed_error_code=reason)
        webhook_deliveries.order_ended(order)


def fail_attempt(order: Order, reason: str, means: Means = SCANNED) -> None:
    """The customer may try again, unless the shop has switched that off."""
    if order.retry_disabled:
        fail(order, reason, means)
        return
    with transaction.atomic():
        _move(order, OPEN, State.PENDING, bank_answers_at=None)
        error_code = _error_code(order, reason)
        attempt = _try(order, means, state=State.FAILED, error_code=error_code, detailed_error_code=reason)
        webhook_deliveries.attempt_failed(order, attempt)


def expire(order: Order) -> None:
    """Money that is on its way then comes late."""
    v1 = order.merchant.generation == Merchant.Generation.V1
    error = (TIMED_OUT, TIMED_OUT) if v1 else (REASONS[NOT_FINISHED][0], NOT_FINISHED)
    with transaction.atomic():
        _move(order, OPEN, State.FAILED, *error)
        webhook_deliveries.order_ended(order)


def catch_up(order: Order, moment: datetime | None = None) -> None:
    """What time has done to the order. PhonePe notices by itself; we notice at every look."""
    moment = moment or clock.now()
    in_time = order.bank_answers_at is not None and order.bank_answers_at <= order.expires_at
    if order.state == State.PENDING and order.expires_at <= moment and not in_time:
        _if_possible(expire, order)
    if order.bank_answers_at and order.bank_answers_at <= moment:
        _if_possible(receive, order)


def catch_up_due(limit: int = 100) -> None:
    moment = clock.now()
    overdue = Q(state=State.PENDING, expires_at__lte=moment) | Q(bank_answers_at__lte=moment)
    for order in Order.objects.filter(overdue).select_related("merchant").order_by("pk")[:limit]:
        catch_up(order, moment)


def _if_possible(end: Callable[[Order], None], order: Order) -> None:
    """Somebody else may have ended it meanwhile."""
    try:
        end(order)
    except NotPossible:
        order.refresh_from_db()


def _move(
    order: Order,
    allowed: tuple[str, ...],
    to: str,
    error_code: str = "",
    detailed_error_code: str = "",
    **changes: datetime | None,
) -> None:
    moved = {"state": to, "error_code": error_code, "detailed_error_code": detailed_error_code, **changes}
    if not Order.objects.filter(pk=order.pk, state__in=allowed).update(**moved):
        raise NotPossible(f"The order is {order.state}.")
    for name, value in moved.items():
        setattr(order, name, value)


def _try(order: Order, means: Means, *, amount_paise: int | None = None, **details: str) -> Attempt:
    """What the customer tried comes to an end, or begins and ends at once."""
    details_of_all = {"amount_paise": amount_paise or order.amount_paise, **details}
    waiting = order.attempts.filter(state=State.PENDING).first()
    if waiting is None:
        return _first_try(order, **asdict(_as_agreed(order, means)), **details_of_all)
    Attempt.objects.filter(pk=waiting.pk).update(**details_of_all)
    waiting.refresh_from_db()
    return waiting


def _as_agreed(order: Order, means: Means) -> Means:
    """A shop that has chosen the mode leaves the customer only what is left of it, as which card it is."""
    if order.mode in ("", means.mode):
        return means
    return Means(order.mode, INSTRUMENTS.get(order.mode, SCANNED.instrument), order.vpa)


def _first_try(order: Order, **details: Any) -> Attempt:
    moment = clock.now()
    prefix = "T" if order.merchant.generation == Merchant.Generation.V1 else "OM"
    attempt: Attempt = Attempt.objects.create(
        order=order, provider_id=identifiers.provider_id(prefix, moment), created_at=moment, **details
    )
    return attempt


def _error_code(order: Order, reason: str) -> str:
    if order.merchant.generation == Merchant.Generation.V1:
        return reason if reason in V1_REASONS else FAILED
    if reason in REASONS:
        return REASONS[reason][0]
    return reason if reason in UNMAPPED else FAILED
