"""An order from its customer's side: placed by the shop, shown on a page, decided by what the customer does there."""

import secrets
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from simulator import clock, faults, refunds, transitions
from simulator.models import Fault, Order, State
from simulator.transitions import SCANNED, Means, NotPossible

V1_LASTS = timedelta(minutes=20)
WRONG_PIN, TOO_LITTLE = "ZM", "Z9"
BANK_TAKES = 30
LATE_BY = 60


@dataclass(frozen=True)
class Choice:
    """How the customer does it: with which means, what arrives, why it fails, how many seconds the bank takes."""

    means: Means = SCANNED
    amount_paise: int | None = None
    reason: str = WRONG_PIN
    seconds: int = BANK_TAKES


AS_USUAL = Choice()


def new_page_token() -> str:
    return secrets.token_urlsafe(24)


def page_url(order: Order) -> str:
    return settings.PUBLIC_BASE_URL + reverse("simulator:page", args=[order.page_token])


def place(order: Order) -> bool:
    """Writes the order; False when its merchant has used the id before.

    One INSERT is a transaction of its own; inside another one it needs a savepoint to fail at.
    """
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            order.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def decide(order: Order, outcome: str, choice: Choice = AS_USUAL) -> None:
    """`outcome` is one of OUTCOMES. Raises NotPossible."""
    if outcome not in OUTCOMES:
        raise NotPossible(f"An order cannot end as {outcome!r}.")
    transitions.catch_up(order)
    OUTCOMES[outcome](order, choice)


def pay(order: Order, choice: Choice = AS_USUAL) -> None:
    """The customer's own part succeeds; what becomes of the money, a fault may know better."""
    if order.state != State.PENDING:
        raise NotPossible(f"The order is {order.state}.")
    fault = faults.take("money_in", order.merchant_order_id)
    if fault is None:
        transitions.receive(order, choice.means, choice.amount_paise)
    else:
        MISHAPS[fault.kind](order, choice, fault)


def pay_late(order: Order, choice: Choice) -> None:
    """The customer's bank lets the money through after the order has ended."""
    if order.state == State.PENDING:
        transitions.expire(order)
    transitions.receive(order, choice.means, choice.amount_paise)


def wait(order: Order, choice: Choice) -> None:
    until = clock.now() + timedelta(seconds=choice.seconds)
    transitions.wait_for_bank(order, until, choice.means)


def fail(order: Order, choice: Choice) -> None:
    transitions.fail(order, choice.reason, choice.means)


def fail_attempt(order: Order, choice: Choice) -> None:
    transitions.fail_attempt(order, choice.reason, choice.means)


def lack_money(order: Order, choice: Choice) -> None:
    transitions.fail_attempt(order, TOO_LITTLE, choice.means)


def expire(order: Order, choice: Choice) -> None:
    transitions.expire(order)


def close(order: Order, choice: Choice) -> None:
    """Nothing happens; the order stays open until its time is up."""


OUTCOMES: dict[str, Callable[[Order, Choice], None]] = {
    "success": pay,
    "failure": fail,
    "attempt_failed": fail_attempt,
    "insufficient_balance": lack_money,
    "slow": wait,
    "close": close,
    "expire": expire,
    "late_success": pay_late,
}


def _comes_slowly(order: Order, choice: Choice, fault: Fault) -> None:
    transitions.wait_for_bank(order, clock.now() + _pause(fault, BANK_TAKES), choice.means)


def _comes_after_expiry(order: Order, choice: Choice, fault: Fault) -> None:
    transitions.wait_for_bank(order, order.expires_at + _pause(fault, LATE_BY), choice.means)


def _comes_after_failure(order: Order, choice: Choice, fault: Fault) -> None:
    transitions.fail(order, choice.reason, choice.means)
    transitions.expect_late(order, clock.now() + _pause(fault, BANK_TAKES))


def _comes_at_the_second_try(order: Order, choice: Choice, fault: Fault) -> None:
    transitions.fail_attempt(order, choice.reason, choice.means)
    transitions.receive(order, choice.means, choice.amount_paise)


def _comes_short(order: Order, choice: Choice, fault: Fault) -> None:
    """A rupee less than asked for, or the paise in the argument."""
    transitions.receive(
        order, choice.means, int(fault.argument) if fault.argument else order.amount_paise - 100
    )


def _goes_back(order: Order, choice: Choice, fault: Fault) -> None:
    transitions.receive(order, choice.means, choice.amount_paise)
    refunds.from_dashboard(order)


MISHAPS: dict[str, Callable[[Order, Choice, Fault], None]] = {
    "slow": _comes_slowly,
    "after_expiry": _comes_after_expiry,
    "after_failure": _comes_after_failure,
    "attempt_fails": _comes_at_the_second_try,
    "other_amount": _comes_short,
    "dashboard_refund": _goes_back,
}


def _pause(fault: Fault, usual: int) -> timedelta:
    return timedelta(seconds=int(fault.argument or usual))
