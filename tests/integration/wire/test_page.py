"""The page that people read says what the tests prove."""

import itertools
import re

import pytest

from tests.integration.wire import page
from tests.integration.wire.expectations import EXPECTED, SILENCE
from tests.integration.wire.faults import Effect
from tests.integration.wire.rows import FAULTS, GENERATIONS, ON_THE_WAY_BACK, can_meet


def test_the_page_is_written_from_the_rows_that_are_tested():
    assert page.PAGE.read_text() == page.text(), "out of date: run python -m tests.integration.wire.page"


WHERES = ["the first of two", "both", "the only one, once"]


@pytest.mark.parametrize(
    ("operation", "where"),
    [
        *itertools.product(["pay", "token", "status"], WHERES),
        *itertools.product(["refund", "refund_status"], WHERES[:2]),
    ],
)
def test_the_law_knows_every_harm_that_any_fault_can_do(operation, where):
    done = {
        fault.effect_on(operation, each)
        for fault in FAULTS
        for each in GENERATIONS[operation == "token" :]
        if can_meet(operation, fault)
    }
    assert done == set(EXPECTED[operation, where])


def test_no_refund_is_said_again_before_phonepe_was_asked_unless_nothing_was_sent_or_it_was_turned_away():
    for where in WHERES[:2]:
        for effect, outcome in EXPECTED["refund", where].items():
            again = re.search(r"refund \d!(?: token \d)? refund \d", outcome.tries)
            assert bool(again) == (effect in {Effect.NOT_SENT, Effect.THROTTLED, Effect.TOKEN_REJECTED})


def test_every_fault_on_the_way_back_is_one():
    assert {fault.title for fault in FAULTS} >= ON_THE_WAY_BACK


def test_no_row_lets_the_buyer_hold_two_pages_and_no_order_is_open_that_we_call_refused_or_unsent():
    for laws in (EXPECTED, SILENCE):
        for outcome in (outcome for row in laws.values() for outcome in row.values()):
            attempts = outcome.attempts.split()
            assert outcome.known <= len(attempts)
            assert outcome.known == 0 or not {"CREATED", "FAILED"} & set(attempts)
            assert outcome.told != "page" or outcome.known == outcome.tries.count("|") + 1


def test_every_harm_is_done_by_some_fault():
    assert {
        fault.effect_on(operation, each)
        for fault in FAULTS
        for operation in ("pay", "status", "refund")
        for each in GENERATIONS
    } == set(Effect)
