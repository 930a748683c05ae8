"""The page that people read says what the tests prove."""

import pytest

from tests.wire import page
from tests.wire.faults import Harm
from tests.wire.law import LAW, SILENCE
from tests.wire.rows import FAULTS, GENERATIONS


def test_the_page_is_written_from_the_rows_that_are_tested():
    assert page.PAGE.read_text() == page.text(), "out of date: run python -m tests.wire.page"


@pytest.mark.parametrize("operation", ["pay", "token", "status"])
@pytest.mark.parametrize("where", ["the first of two", "both", "the only one, once"])
def test_the_law_knows_every_harm_that_any_fault_can_do(operation, where):
    done = {
        fault.harm_to(operation, each) for fault in FAULTS for each in GENERATIONS[operation == "token" :]
    }
    assert done == set(LAW[operation, where])


def test_no_row_lets_the_buyer_hold_two_pages_and_no_order_is_open_that_we_call_refused_or_unsent():
    for laws in (LAW, SILENCE):
        for outcome in (outcome for row in laws.values() for outcome in row.values()):
            attempts = outcome.attempts.split()
            assert outcome.orders <= len(attempts)
            assert outcome.orders == 0 or not {"CREATED", "FAILED"} & set(attempts)
            assert outcome.told != "page" or outcome.orders == outcome.tries.count("|") + 1


def test_every_harm_is_done_by_some_fault():
    assert {
        fault.harm_to(operation, each)
        for fault in FAULTS
        for operation in ("pay", "status")
        for each in GENERATIONS
    } == set(Harm)
