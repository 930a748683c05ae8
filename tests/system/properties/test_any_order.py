"""The same news in any order, some of it twice and some of it never: the end is the same."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payment.models import Payment
from tests.harness import PROOFS
from tests.system.properties import audit, scenarios
from tests.system.properties.installation import DEEP, MINUTE, InProcessInstallation

EXAMPLES = (6 if PROOFS else 3) if not DEEP else settings.default.max_examples


def fails_and_is_paid_late(installation):
    scenarios.be_failed(installation)
    installation.decide(installation.phonepe.order_ids[0], "late_success")


def two_orders_are_paid(installation):
    """The first page was lost, and found again by the customer."""
    scenarios.fill_cart_and_lose_the_page(installation)
    installation.click(0)
    for order in installation.phonepe.order_ids:
        installation.decide(order, "success")


def one_order_fails_and_the_other_is_paid(installation):
    scenarios.fill_cart_and_lose_the_page(installation)
    installation.click(0)
    for order, outcome in zip(installation.phonepe.order_ids, ("success", "failure"), strict=True):
        installation.decide(order, outcome)


def is_left_and_paid_in_the_last_second(installation):
    scenarios.open_page(installation)
    installation.decide(installation.phonepe.order_ids[0], "slow", seconds=14 * MINUTE)
    installation.advance_time(20 * MINUTE)


PAID, ONE_PLACE = [("SUCCESS", "BOOKED")], [(0, 0), (0, 1), (0, 0)]
ONCE, TWICE = [scenarios.RECEIPT], [scenarios.RECEIPT, scenarios.REFUND, scenarios.SURPLUS]
BEGINNINGS = {
    fails_and_is_paid_late: ONCE,
    two_orders_are_paid: TWICE,
    one_order_fails_and_the_other_is_paid: ONCE,
    is_left_and_paid_in_the_last_second: ONCE,
}
# What may be heard: the n-th webhook, or one of those who ask.
NEWS = st.lists(
    st.sampled_from(("first", "second", "worker", "return", "check", "click", "later")), max_size=7
)


def hear(installation, news):
    payment = Payment.objects.get()
    webhooks = installation.phonepe.webhooks
    ways = {
        "first": partial(installation.call_us, webhooks[0]),
        "second": partial(installation.call_us, webhooks[-1]),
        "worker": installation.work,
        "return": partial(installation.come_back, payment),
        "check": partial(installation.check, payment),
        "click": partial(installation.click, 0),
        "later": partial(installation.advance_time, MINUTE),
    }
    ways[news]()


@pytest.mark.proof(every=12)
@pytest.mark.parametrize("begins", BEGINNINGS, ids=lambda begins: begins.__name__)
def test_whoever_brings_the_news_and_however_often_the_end_is_the_same(generation, begins):
    @settings(max_examples=EXAMPLES)
    @given(all_news=NEWS, the_rest_arrives=st.booleans())
    def tell(all_news, the_rest_arrives):
        installation = InProcessInstallation()
        begins(installation)
        for news in all_news:
            hear(installation, news)
            assert audit.always() == {}
        installation.wait_until_at_rest(webhooks_arrive=the_rest_arrives)
        ending = audit.ending()
        assert ending["outcomes"] == PAID
        assert ending["ledger"] == sorted(BEGINNINGS[begins])
        assert ending["places"] == ONE_PLACE

    tell()
