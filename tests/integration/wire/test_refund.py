"""The connection to PhonePe breaks while a refund is sent, alone or together with the status check after it."""

import pytest

from tests.integration.wire import proofs
from tests.integration.wire.rows import GENERATIONS, table

pytestmark = [pytest.mark.proof(every=31), pytest.mark.sockets]


@table("refund", *GENERATIONS)
def test_a_refund_that_may_have_arrived_is_asked_about_and_never_made_twice(case, scenario):
    proofs.send_back_and_send_again(case, scenario)


@table("refund and refund_status", *GENERATIONS)
def test_a_refund_nobody_can_tell_of_is_unknown_until_somebody_can(case, scenario):
    proofs.send_back_and_send_again(case, scenario)
