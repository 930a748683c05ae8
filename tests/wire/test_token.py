"""The wire breaks while the token for an order is being fetched."""

import pytest

from tests.wire import proofs
from tests.wire.rows import table

pytestmark = pytest.mark.sockets


@table("token", "v2")
def test_without_a_token_nothing_was_said(case, shop):
    proofs.click_and_click_again(case, shop)
