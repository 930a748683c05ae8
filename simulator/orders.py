"""Orders: created by the merchant, shown on a page, decided by the customer. Money faults strike here."""

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
from simulator.transitions import QR_CODE, NotAllowed, PaymentInstrument

V1_LIFETIME = timedelta(minutes=20)
WRONG_PIN, INSUFFICIENT_BALANCE = "ZM", "Z9"
BANK_SECONDS = 30
LATE_SECONDS = 60
APP_MODES = ("UPI_INTENT", "PPE_INTENT")


@dataclass(frozen=True)
class Choice:
    """Details of an outcome: instrument, amount that arrives, error code of a failure, seconds the bank takes."""

    instrument: PaymentInstrument = QR_CODE
    amount_paise: int | None = None
    reason: str = WRONG_PIN
    seconds: int = BANK_SECONDS


DEFAULT_CHOICE = Choice()


def new_page_token() -> str:
    return secrets.token_urlsafe(24)


def page_url(order: Order) -> str:
    return settings.PUBLIC_BASE_URL + reverse("simulator:page", args=[order.page_token])


def insert(order: Order) -> bool:
    """False when the merchant has used the id before.

    A single INSERT needs no transaction; inside another transaction it needs a savepoint.
    """
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            order.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def decide(order: Order, outcome: str, choice: Choice = DEFAULT_CHOICE) -> None:
    """`outcome` is one of OUTCOMES. Raises NotAllowed."""
    if outcome not in OUTCOMES:
        raise NotAllowed(f"An order cannot end as {outcome!r}.")
    transitions.apply_due(order)
    OUTCOMES[outcome](order, choice)


def pay(order: Order, choice: Choice = DEFAULT_CHOICE) -> None:
    """The customer approves the payment. A money fault may change what arrives, and when."""
    if order.state != State.PENDING:
        raise NotAllowed(f"The order is {order.state}.")
    fault = faults.take("money_in", order.merchant_order_id)
    if fault is None:
        transitions.receive_payment(order, choice.instrument, choice.amount_paise)
    else:
        MONEY_FAULTS[fault.kind](order, choice, fault)


def pay_late(order: Order, choice: Choice) -> None:
    """The money arrives after the order has ended."""
    if order.state == State.PENDING:
        transitions.expire(order)
    transitions.receive_payment(order, choice.instrument, choice.amount_paise)


def wait_for_bank(order: Order, choice: Choice) -> None:
    until = clock.now() + timedelta(seconds=choice.seconds)
    transitions.wait_for_bank(order, until, choice.instrument)


def fail(order: Order, choice: Choice) -> None:
    transitions.fail(order, choice.reason, choice.instrument)


def fail_attempt(order: Order, choice: Choice) -> None:
    transitions.fail_attempt(order, choice.reason, choice.instrument)


def fail_insufficient_balance(order: Order, choice: Choice) -> None:
    transitions.fail_attempt(order, INSUFFICIENT_BALANCE, choice.instrument)


def expire(order: Order, choice: Choice) -> None:
    transitions.expire(order)


def close(order: Order, choice: Choice) -> None:
    """The page is closed; the order stays open until it expires."""


class TokenRefused(Exception):
    """PhonePe's SDK does not start with this token."""


# What the customer does in the app: what happens to the order, and what the SDK then tells the app.
APP_ACTIONS: dict[str, tuple[str, str | None]] = {
    "pays": ("success", "SUCCESS"),
    "cancels": ("close", "INTERRUPTED"),
    "fails": ("failure", "FAILURE"),
    "pays_slowly": ("slow", "INTERRUPTED"),
    "is_killed": ("close", None),
    "pays_and_is_killed": ("success", None),
    "fails_but_reports_success": ("failure", "SUCCESS"),
}


def act_in_app(order: Order, action: str, token: str, choice: Choice = DEFAULT_CHOICE) -> str | None:
    """What PhonePe's SDK tells the app, None when the app is dead by then. Raises TokenRefused, NotAllowed.

    A UPI app has been opened by a link, and gets no token.
    """
    transitions.apply_due(order)
    if order.for_app and (token != order.page_token or order.state != State.PENDING):
        raise TokenRefused
    if not order.for_app and order.mode not in APP_MODES:
        raise NotAllowed("The order has a page; no app was given a token or a link for it.")
    outcome, report = APP_ACTIONS[action]
    decide(order, outcome, choice)
    return report


OUTCOMES: dict[str, Callable[[Order, Choice], None]] = {
    "success": pay,
    "failure": fail,
    "attempt_failed": fail_attempt,
    "insufficient_balance": fail_insufficient_balance,
    "slow": wait_for_bank,
    "close": close,
    "expire": expire,
    "late_success": pay_late,
}


def _pay_after_failure(order: Order, choice: Choice, fault: Fault) -> None:
    transitions.fail(order, choice.reason, choice.instrument)
    transitions.schedule_late_payment(order, clock.now() + _fault_delay(fault, BANK_SECONDS))


def _pay_at_second_attempt(order: Order, choice: Choice, fault: Fault) -> None:
    transitions.fail_attempt(order, choice.reason, choice.instrument)
    transitions.receive_payment(order, choice.instrument, choice.amount_paise)


def _pay_other_amount(order: Order, choice: Choice, fault: Fault) -> None:
    """A rupee less than the amount of the order, or the paise in the argument."""
    transitions.receive_payment(
        order, choice.instrument, int(fault.argument) if fault.argument else order.amount_paise - 100
    )


def _pay_and_refund(order: Order, choice: Choice, fault: Fault) -> None:
    transitions.receive_payment(order, choice.instrument, choice.amount_paise)
    refunds.refund_from_dashboard(order)


MONEY_FAULTS: dict[str, Callable[[Order, Choice, Fault], None]] = {
    "slow": lambda order, choice, fault: transitions.wait_for_bank(
        order, clock.now() + _fault_delay(fault, BANK_SECONDS), choice.instrument
    ),
    "after_expiry": lambda order, choice, fault: transitions.wait_for_bank(
        order, order.expires_at + _fault_delay(fault, LATE_SECONDS), choice.instrument
    ),
    "after_failure": _pay_after_failure,
    "attempt_fails": _pay_at_second_attempt,
    "other_amount": _pay_other_amount,
    "dashboard_refund": _pay_and_refund,
}


def _fault_delay(fault: Fault, usual: int) -> timedelta:
    return timedelta(seconds=int(fault.argument or usual))
