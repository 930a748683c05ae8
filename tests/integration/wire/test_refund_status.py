"""The connection to PhonePe breaks while the status of a refund that was sent is fetched."""

import pytest

from tests.integration.wire import proofs
from tests.integration.wire.rows import GENERATIONS, table

pytestmark = [pytest.mark.proof(every=31), pytest.mark.sockets]


@table("refund_status", *GENERATIONS)
def test_a_refund_nobody_could_be_asked_about_is_found_by_the_next_question(case, scenario):
    proofs.send_back_and_send_again(case, scenario)
