"""The scripted PhonePe that other tests use (tests/harness/phonepe.py) does what its words say."""

import pytest

from simulator import clock, faults
from simulator.models import Order, Refund
from tests.harness.phonepe import PhonePe


@pytest.fixture
def phonepe(db):
    return PhonePe()


def test_a_scenario_in_a_few_lines(phonepe, v2):
    phonepe.inject_fault("pay", "status_500", call=2)
    assert [v2.pay(name).status_code for name in ("a", "b")] == [200, 500]
    phonepe.decide("a", "slow", seconds=60)
    phonepe.advance_clock(60)
    assert v2.status("a").json()["state"] == "COMPLETED"
    phonepe.refund_in_dashboard("a", 10_000)
    phonepe.refund_in_dashboard("a")
    assert sorted(Refund.objects.values_list("amount_paise", flat=True)) == [10_000, 100_000]
    assert [webhook.event for webhook in phonepe.webhooks] == ["checkout.order.completed"]


def test_time_can_stand_still(phonepe):
    phonepe.stop_clock()
    assert clock.now() == clock.now()


def test_seeded_faults_can_be_started_and_ended(phonepe, v2):
    v2.pay()
    phonepe.reset(seed=3, pay=100)
    assert not Order.objects.exists()
    assert faults.take("pay") is not None
    phonepe.reset()
    assert faults.take("pay") is None
