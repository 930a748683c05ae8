"""Two at once: PhonePe's accounts stay right whoever comes first."""

import threading

import pytest
import responses
from django.db import connection

from simulator import orders, refunds, seeded_faults, webhook_deliveries
from simulator.models import Attempt, Order, Refund
from tests.unit.simulator.shop import V2Shop

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*actions):
    """Runs each action in a thread of its own, all starting together; returns what they returned."""
    gate, results = threading.Barrier(len(actions)), [None] * len(actions)

    def run(position, action):
        gate.wait(10)
        try:
            results[position] = action()
        except (orders.NotAllowed, refunds.DuplicateId, refunds.ExcessAmount) as refused:
            results[position] = type(refused).__name__
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return results


def asking(v2, call):
    shop = V2Shop()
    shop.token = v2.token or v2.fetch_token().json()["access_token"]
    return lambda: call(shop).status_code


def test_one_id_makes_one_order(v2):
    answers = at_once(*(asking(v2, lambda shop: shop.pay()) for _ in range(4)))
    assert sorted(answers) == [200, 417, 417, 417]
    assert Order.objects.count() == 1


def test_two_clicks_pay_once(v2):
    v2.pay()
    clicks = [lambda: orders.pay(Order.objects.select_related("merchant").get()) or "paid" for _ in range(4)]
    assert sorted(at_once(*clicks)) == ["NotAllowed", "NotAllowed", "NotAllowed", "paid"]
    assert Attempt.objects.count() == 1


def test_two_refunds_never_exceed_the_payment(v2):
    v2.pay()
    v2.decide("V2-order-1", "success")
    numbered = [lambda shop, number=number: shop.refund(f"r{number}", amount=70_000) for number in range(4)]
    answers = at_once(*(asking(v2, refund) for refund in numbered))
    assert sorted(answers) == [200, 400, 400, 400]
    assert Refund.objects.count() == 1


def test_one_refund_id_is_one_refund(v2):
    v2.pay()
    v2.decide("V2-order-1", "success")
    answers = at_once(*(asking(v2, lambda shop: shop.refund(amount=100)) for _ in range(4)))
    assert sorted(answers) == [200, 417, 417, 417]


def test_two_dispatchers_send_every_webhook_once(v2):
    hook = "http://testserver/api/payments/webhook/phonepe/"
    for number in range(12):
        v2.pay(f"order-{number}")
        v2.decide(f"order-{number}", "success")
    with responses.RequestsMock() as shop:
        shop.post(hook, status=200)
        assert sum(at_once(*[webhook_deliveries.send_due] * 4)) == 12
        assert len(shop.calls) == 12


def test_one_fault_strikes_once(v2):
    v2.arm("pay", "status_500")
    numbered = [lambda shop, number=number: shop.pay(f"order-{number}") for number in range(4)]
    answers = at_once(*(asking(v2, pay) for pay in numbered))
    assert sorted(answers) == [200, 200, 200, 500]


def test_calls_during_a_reset_get_no_error():
    def reset():
        for number in range(20):
            seeded_faults.set_rates(number, {"pay": 100})

    def call():
        return [seeded_faults.draw_fault("pay", ("delay",)) for _ in range(40)]

    _, *drawn = at_once(reset, call, call)

    assert {fault for each in drawn for fault in each} <= {"", "delay"}
