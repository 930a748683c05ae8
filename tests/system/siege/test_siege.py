"""A short siege; `make siege` is the long one."""

import pytest

from tests.system.siege.__main__ import Scale, delays, losses, table, under_siege

pytestmark = pytest.mark.sockets

SHORT = Scale(connections=60, webhooks=40, receipts=10, buyers=5, silence=4, rest=2)
# This machine runs other tests at the same time: what is compared is the same server at rest.
TIMES_AS_LONG = 6


@pytest.mark.proof
def test_others_are_served_meanwhile_and_nothing_is_lost():
    with under_siege(SHORT) as siege:
        assert losses(siege) == []
        assert delays(siege, TIMES_AS_LONG) == [], "\n".join(table(siege))
        assert siege.answers["receipt 200"] == 2 * SHORT.receipts
