"""The connection to PhonePe breaks while the status of an order that was paid is fetched."""

import pytest

from tests.integration.wire import proofs
from tests.integration.wire.rows import GENERATIONS, table

pytestmark = [pytest.mark.proof(every=31), pytest.mark.sockets]


@table("status", *GENERATIONS)
def test_money_that_nobody_could_be_asked_about_is_found_by_the_next_question(case, scenario):
    proofs.ask_and_ask_again(case, scenario)
