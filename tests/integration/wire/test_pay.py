"""The connection to PhonePe breaks while an order is being opened."""

import pytest

from tests.integration.wire import proofs
from tests.integration.wire.rows import GENERATIONS, table

pytestmark = [pytest.mark.proof(every=31), pytest.mark.sockets]


@table("pay", *GENERATIONS)
def test_whatever_breaks_while_an_order_is_opened_ends_as_the_table_says(case, scenario):
    proofs.click_and_click_again(case, scenario)
