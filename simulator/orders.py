"""How an order ends: the customer pays or fails, or the time is up. Money that comes later still counts.

    PENDING ─> COMPLETED | FAILED;  FAILED ─> COMPLETED (late money);  nothing leaves COMPLETED

Each function moves the row only if it still may move, and writes the webhook in the same transaction.
"""

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from simulator import clock, deliveries, identifiers
from simulator.models import Attempt, Merchant, Order, State
from simulator.v1_messages import FAILED, TIMED_OUT
from simulator.v2_messages import REASONS

V1_LASTS = timedelta(minutes=20)
WRONG_PIN = "ZM"
NOT_FINISHED = "TXN_AUTO_FAILED"
OUTCOMES = ("success", "failure", "attempt_failed", "expire", "late_success")


class NotPossible(Exception):
    """The order or refund is in a state that does not allow it."""


def new_page_token() -> str:
    return secrets.token_urlsafe(24)


def page_url(order: Order) -> str:
    return settings.PUBLIC_BASE_URL + reverse("simulator:page", args=[order.page_token])


def place(order: Order) -> bool:
    """Writes the order; False when its merchant has used the id before."""
    try:
        with transaction.atomic():
            order.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def decide(order: Order, outcome: str, *, reason: str = WRONG_PIN, amount_paise: int | None = None) -> None:
    """`outcome` is one of OUTCOMES. Raises NotPossible.

    `amount_paise` lets another amount arrive than the one asked for.
    """
    if outcome == "success":
        pay(order, amount_paise=amount_paise)
    elif outcome == "late_success":
        pay_late(order, amount_paise=amount_paise)
    elif outcome == "failure":
        fail(order, reason)
    elif outcome == "attempt_failed":
        fail_attempt(order, reason)
    elif outcome == "expire":
        expire(order)
    else:
        raise NotPossible(f"An order cannot end as {outcome!r}.")


def pay(order: Order, *, amount_paise: int | None = None) -> None:
    end_if_expired(order)
    with transaction.atomic():
        _move(order, (State.PENDING,), State.COMPLETED)
        _receive(order, amount_paise)


def pay_late(order: Order, *, amount_paise: int | None = None) -> None:
    """The customer's bank lets the money through after the order has ended."""
    if order.state == State.PENDING:
        expire(order)
    with transaction.atomic():
        _move(order, (State.FAILED,), State.COMPLETED)
        _receive(order, amount_paise)


def fail(order: Order, reason: str = WRONG_PIN) -> None:
    end_if_expired(order)
    with transaction.atomic():
        error_code = _error_code(order, reason)
        _move(order, (State.PENDING,), State.FAILED, error_code, reason)
        _try(order, State.FAILED, error_code=error_code, detailed_error_code=reason)
        deliveries.order_ended(order)


def fail_attempt(order: Order, reason: str = WRONG_PIN) -> None:
    """The customer may try again, unless the shop has switched that off."""
    if order.retry_disabled:
        fail(order, reason)
        return
    end_if_expired(order)
    with transaction.atomic():
        _move(order, (State.PENDING,), State.PENDING)
        error_code = _error_code(order, reason)
        attempt = _try(order, State.FAILED, error_code=error_code, detailed_error_code=reason)
        deliveries.attempt_failed(order, attempt)


def expire(order: Order) -> None:
    v1 = order.merchant.generation == Merchant.Generation.V1
    error = (TIMED_OUT, TIMED_OUT) if v1 else (REASONS[NOT_FINISHED][0], NOT_FINISHED)
    with transaction.atomic():
        _move(order, (State.PENDING,), State.FAILED, *error)
        deliveries.order_ended(order)


def end_if_expired(order: Order, moment: datetime | None = None) -> None:
    """PhonePe needs nobody's question to notice that the time is up; we notice it at every look."""
    if order.state != State.PENDING or order.expires_at > (moment or clock.now()):
        return
    try:
        expire(order)
    except NotPossible:
        order.refresh_from_db()


def expire_due(limit: int = 100) -> None:
    moment = clock.now()
    overdue = Order.objects.filter(state=State.PENDING, expires_at__lte=moment).select_related("merchant")
    for order in overdue[:limit]:
        end_if_expired(order, moment)


def _move(
    order: Order, allowed: tuple[str, ...], to: str, error_code: str = "", detailed_error_code: str = ""
) -> None:
    changes = {"state": to, "error_code": error_code, "detailed_error_code": detailed_error_code}
    if not Order.objects.filter(pk=order.pk, state__in=allowed).update(**changes):
        raise NotPossible(f"The order is {order.state}.")
    for name, value in changes.items():
        setattr(order, name, value)


def _receive(order: Order, amount_paise: int | None) -> None:
    moment = clock.now()
    _try(
        order,
        State.COMPLETED,
        amount_paise=amount_paise or order.amount_paise,
        utr=identifiers.utr(moment),
        upi_transaction_id=identifiers.upi_transaction_id(),
    )
    deliveries.order_ended(order)


def _try(order: Order, state: str, *, amount_paise: int | None = None, **details: str) -> Attempt:
    moment = clock.now()
    prefix = "T" if order.merchant.generation == Merchant.Generation.V1 else "OM"
    attempt: Attempt = Attempt.objects.create(
        order=order,
        provider_id=identifiers.provider_id(prefix, moment),
        amount_paise=amount_paise or order.amount_paise,
        state=state,
        created_at=moment,
        **details,
    )
    return attempt


def _error_code(order: Order, reason: str) -> str:
    if order.merchant.generation == Merchant.Generation.V1:
        return FAILED
    return REASONS[reason][0] if reason in REASONS else FAILED
