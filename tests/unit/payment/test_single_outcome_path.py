"""Only `payment.services.outcomes` may say that a payment, an order or a booking is good.

Read from the code itself, so that a second function that does so is noticed on the day it is written.
"""

import ast
from functools import cache

import pytest

from okpuja.build import PACKAGES
from tests.harness import ROOT

OUTCOMES = "payment/services/outcomes.py"
AT_ONCE = "payment/services/at_once.py"  # the usual case of OUTCOMES, in one statement
REFUNDS = "payment/services/refunds/outcomes.py"
TRANSITIONS = "payment/services/transitions.py"
BOOKINGS = "booking/services/bookings.py"
GOOD = {"PaymentState.SUCCESS", "AttemptState.COMPLETED", "Fulfilment.BOOKED", "Fulfilment.DONATION"}
WRITES = {"update", "create", "bulk_create", "get_or_create", "update_or_create", "save"}


@cache
def modules() -> dict[str, ast.Module]:
    found = [
        path
        for app in set(PACKAGES) - {"simulator"}
        for path in sorted((ROOT / app).rglob("*.py"))
        if "migrations" not in path.parts
    ]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in found}


@cache
def calls() -> list[tuple[str, ast.Call]]:
    return [
        (path, node)
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]


def name(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def mentioned(call: ast.Call) -> set[str]:
    """Every name that the arguments of a call mention."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return {ast.unparse(node) for each in given for node in ast.walk(each) if isinstance(node, ast.Attribute)}


def callers_of(*names: str) -> set[str]:
    return {path for path, call in calls() if name(call) in names}


def test_only_outcomes_move_a_payment_or_an_order_to_its_good_end():
    movers = {"move_payment", "move_attempt", "move_fulfilment", "attempt_writes"}
    modules_found = {path for path, call in calls() if name(call) in movers and mentioned(call) & GOOD}

    assert modules_found == {OUTCOMES, AT_ONCE}


def test_only_outcomes_ask_for_the_usual_case():
    """`Poll`, what a poll brings along, is handed over by whoever polls."""
    taken = {
        (path, each.name)
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "payment.services.at_once"
        for each in node.names
    }

    assert {path for path, each in taken if each != "Poll"} == {OUTCOMES}


def test_only_outcomes_book():
    assert callers_of("book") == {OUTCOMES}
    makers = {"Booking.objects.create", "Booking"}
    assert {path for path, call in calls() if ast.unparse(call.func) in makers} == {BOOKINGS}


def test_rows_of_money_are_moved_with_their_rule_beside_it_and_in_no_other_way():
    assert {path for path, call in calls() if name(call) in {"advance", "turn_into"}} <= {
        TRANSITIONS,
        "payment/models/payments.py",
        "payment/models/refunds.py",
    }


def test_nobody_writes_a_state_past_the_table_of_moves():
    past = [
        (path, call.lineno)
        for path, call in calls()
        if name(call) in WRITES and mentioned(call) & (GOOD | {"RefundState.COMPLETED", "RefundState.FAILED"})
    ]

    assert past == []


def test_nobody_assigns_a_good_end_either():
    assigned = [
        (path, node.lineno)
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Attribute) for target in node.targets)
        if any(word in ast.unparse(node.value) for word in GOOD)
    ]

    assert assigned == []


def test_only_the_outcomes_of_refunds_complete_a_refund():
    modules_found = {
        path
        for path, call in calls()
        if name(call) == "move_refund" and "RefundState.COMPLETED" in mentioned(call)
    }

    assert modules_found == {REFUNDS}


@pytest.mark.parametrize(
    ("kind", "module"),
    [("RECEIPT", OUTCOMES), ("SURPLUS", OUTCOMES), ("SUSPENSE", OUTCOMES), ("REFUND", REFUNDS)],
)
def test_money_enters_the_ledger_where_its_outcome_is_applied(kind, module):
    entered = {
        path
        for path, call in calls()
        if name(call) in {"_add_ledger_entry", "create", "LedgerEntry"}
        and f"LedgerEntry.Kind.{kind}" in mentioned(call)
    }

    assert entered - {AT_ONCE} == {module}
    assert (AT_ONCE in entered) == (kind == "RECEIPT")


def test_whoever_refunds_by_a_persons_decision_asks_whether_a_second_one_is_needed():
    """A person stands in `asked_by`. What the bank brings back waits anyway."""
    askers = {
        path
        for path, call in calls()
        if name(call) in {"create_refund", "insert_refund"}
        for keyword in call.keywords
        if keyword.arg == "asked_by" and ast.unparse(keyword.value) not in {"None", "refund.asked_by"}
    }

    assert askers == {
        "payment/services/refunds/requests.py",
        "payment/services/refunds/outcomes.py",
        "payment/services/disputes.py",
    }
    limit = {f"payment/services/refunds/{name}.py" for name in ("requests", "approval", "outcomes")}
    assert callers_of("needs_second_person", "is_above_limit") == limit
