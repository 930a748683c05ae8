"""The connection to PhonePe breaks while the token for an order is being fetched."""

import pytest

from tests.integration.wire import proofs
from tests.integration.wire.rows import table

pytestmark = [pytest.mark.proof(every=31), pytest.mark.sockets]


@table("token", "v2")
def test_without_a_token_nothing_was_said(case, scenario):
    proofs.click_and_click_again(case, scenario)
