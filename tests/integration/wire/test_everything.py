"""The connection to PhonePe breaks while an order is being opened, and stays broken for the status check after it."""

import pytest

from tests.integration.wire import proofs
from tests.integration.wire.rows import GENERATIONS, table

pytestmark = [pytest.mark.proof(every=31), pytest.mark.sockets]


@table("everything", *GENERATIONS)
def test_an_order_nobody_can_tell_of_is_unknown_until_somebody_can(case, scenario):
    proofs.click_and_click_again(case, scenario)
