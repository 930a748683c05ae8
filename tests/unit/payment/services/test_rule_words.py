"""Every rule that the timeline can show has its words for staff, in the sentence of a person."""

import ast
from pathlib import Path

import pytest

import backoffice
import payment
from payment.services.rule_words import WORDS, words_of

# Functions that write a StateChange, and where their rule stands.
WRITERS = {
    **dict.fromkeys(("move_payment", "move_fulfilment", "move_attempt", "move_refund", "close_attempt"), 2),
    **dict.fromkeys(("attempt_writes", "opening_change", "record_booking"), 2),
    **dict.fromkeys(
        ("record_payment", "record_decision", "record_refund", "_end_without_booking", "stop_waiting"), 1
    ),
    **dict.fromkeys(
        ("refund_without_booking", "decline", "close_offer", "refund_as_paid_twice", "_decide_paid"), 1
    ),
    "_offer_other_slots": 2,
    "_decide": 3,
    "_decide_refund": 4,
    "_open_after": 2,
    "state_change": 5,
    "_record": 5,
}
KEYWORDS = {"rule"}
# What is written by an expression: a table, a choice between two words, a code of a refusal.
BUILT = {
    *(
        "page_opened",
        "sdk_order_opened",
        "upi_intent_opened",
        "refund_held",
        "refund_promised",
        "refund_again",
    ),
    *(
        "refund_failed_often",
        "forgotten_by_phonepe",
        "never_reached_phonepe",
        "phonepe_says_failed",
        "slot_gone",
    ),
    *("start_passed", "cart_converted", "booked_meanwhile", "accepted_by_staff", "moved_for_customer"),
    *("moved_by_temple", "phonepe_says_pending", "phonepe_says_unknown", "phonepe_says_confirmed"),
}


def literal_rules() -> set[str]:
    found = set()
    for package in (payment, backoffice):
        for path in Path(package.__file__).parent.rglob("*.py"):
            if "migrations" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    place = WRITERS.get(name)
                    arguments = [node.args[place]] if place is not None and len(node.args) > place else []
                    arguments += [
                        each.value for each in node.keywords if each.arg in KEYWORDS and name in WRITERS
                    ]
                    found |= {
                        each.value
                        for each in arguments
                        if isinstance(each, ast.Constant) and isinstance(each.value, str)
                    }
    return found - {""}


def test_every_rule_that_is_written_has_its_words():
    rules = literal_rules()
    assert len(rules) > 30  # the walk finds them
    assert (rules | BUILT) - WORDS.keys() == set()


@pytest.mark.parametrize("rule", sorted(WORDS))
def test_the_words_are_a_sentence(rule):
    words = words_of(rule)
    assert words[0].isupper()
    assert words.endswith(".")


def test_a_code_of_phonepe_is_explained_and_an_unknown_one_shown_as_it_came():
    assert words_of("INVALID_MPIN") != "INVALID_MPIN"
    assert words_of("SOMETHING_NEW") == "SOMETHING_NEW"
