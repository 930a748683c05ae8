"""What becomes of the money after the customer has done their part, in both generations."""

import json

import pytest

from simulator import clock, orders
from simulator.models import Attempt, Delivery, Order, Refund


@pytest.fixture(params=["v1", "v2"])
def shop(request):
    """Opens `order`, and says how PhonePe sees it."""
    shop = request.getfixturevalue(request.param)
    shop.pay("order")

    def state():
        said = shop.status("order").json()
        return said["state"] if request.param == "v2" else said["data"]["state"]

    shop.state = state
    return shop


def passes(shop, seconds):
    assert shop.control("clock/", {"advance": seconds}).status_code == 200


def tries():
    return list(Attempt.objects.order_by("pk").values_list("state", flat=True))


class TestTheBank:
    def test_a_slow_bank_pays_the_pending_order_later(self, shop):
        shop.decide("order", "slow", seconds=45)
        assert (shop.state(), tries()) == ("PENDING", ["PENDING"])
        passes(shop, 44)
        assert shop.state() == "PENDING"
        passes(shop, 1)
        assert (shop.state(), tries()) == ("COMPLETED", ["COMPLETED"])

    def test_a_slower_bank_pays_after_the_expiry(self, shop):
        shop.decide("order", "slow", seconds=4000)
        passes(shop, 3600)
        assert shop.state() == "FAILED"
        passes(shop, 400)
        assert (shop.state(), tries()) == ("COMPLETED", ["COMPLETED"])
        assert Delivery.objects.count() == 2

    def test_a_late_read_applies_what_was_due(self, shop):
        shop.decide("order", "slow", seconds=60)
        passes(shop, 86_400)
        assert shop.state() == "COMPLETED"
        assert Delivery.objects.count() == 1  # it never failed in between

    def test_a_waiting_order_may_fail(self, shop):
        shop.decide("order", "slow")
        shop.decide("order", "failure", reason="U28")
        passes(shop, 60)
        assert (shop.state(), tries()) == ("FAILED", ["FAILED"])

    def test_a_waiting_order_may_be_paid_at_once(self, shop):
        shop.decide("order", "slow")
        shop.decide("order", "success")
        passes(shop, 60)
        assert (shop.state(), tries()) == ("COMPLETED", ["COMPLETED"])

    def test_the_status_shows_the_pending_attempt(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "slow")
        shown = v2.status().json()["paymentDetails"]
        assert [attempt["state"] for attempt in shown] == ["PENDING"]
        assert "rail" not in shown[0]


class TestMishaps:
    def test_money_may_arrive_after_expiry(self, shop):
        shop.arm("money_in", "after_expiry", argument=90)
        shop.decide("order", "success")
        assert shop.state() == "PENDING"
        passes(shop, (Order.objects.get().expires_at - clock.now()).seconds + 1)
        assert shop.state() == "FAILED"
        passes(shop, 90)
        assert shop.state() == "COMPLETED"

    def test_money_may_arrive_after_a_failure(self, shop):
        shop.arm("money_in", "after_failure")
        shop.decide("order", "success")
        assert shop.state() == "FAILED"
        passes(shop, orders.BANK_SECONDS)
        assert (shop.state(), tries()) == ("COMPLETED", ["FAILED", "COMPLETED"])

    def test_a_first_attempt_fails_before_the_order_is_paid(self, shop):
        shop.arm("money_in", "attempt_fails")
        shop.decide("order", "success")
        assert (shop.state(), tries()) == ("COMPLETED", ["FAILED", "COMPLETED"])

    def test_another_amount_may_arrive(self, shop):
        shop.arm("money_in", "other_amount")
        shop.decide("order", "success")
        assert Attempt.objects.get().amount_paise == 109_900

    def test_the_other_amount_can_be_given(self, shop):
        shop.arm("money_in", "other_amount", argument=200_000)
        shop.decide("order", "success")
        assert Attempt.objects.get().amount_paise == 200_000

    def test_the_dashboard_may_refund_at_once(self, shop):
        shop.arm("money_in", "dashboard_refund")
        shop.decide("order", "success")
        passes(shop, 5)
        refund = Refund.objects.get()
        assert (refund.state, refund.amount_paise, refund.by_dashboard) == ("COMPLETED", 110_000, True)

    def test_an_armed_fault_waits_for_its_order(self, shop):
        shop.arm("money_in", "other_amount", about="another")
        shop.decide("order", "success")
        assert Attempt.objects.get().amount_paise == 110_000

    def test_a_click_on_a_paid_order_consumes_no_fault(self, shop):
        shop.decide("order", "success")
        shop.arm("money_in", "other_amount")
        assert shop.decide("order", "success").status_code == 409
        assert len(shop.control("faults/").json()["faults"]) == 1


class TestMoneyBack:
    def test_it_may_take_hours(self, shop):
        shop.decide("order", "success")
        shop.arm("money_back", "slow")
        shop.refund("refund", "order", 50_000)
        passes(shop, 5 * 3600)
        assert Refund.objects.get().state == "PENDING"
        passes(shop, 3600)
        assert Refund.objects.get().state == "COMPLETED"

    def test_it_may_fail(self, shop):
        shop.decide("order", "success")
        shop.arm("money_back", "fails")
        shop.refund("refund", "order", 50_000)
        passes(shop, 5)
        assert Refund.objects.get().state == "FAILED"

    def test_the_dashboard_may_refund_a_part(self, shop):
        shop.decide("order", "success")
        given = shop.control("orders/order/refund/", {"amount_paise": 30_000}).json()
        assert (given["amount_paise"], given["by_dashboard"]) == (30_000, True)
        shop.control("orders/order/refund/", {})
        assert sorted(Refund.objects.values_list("amount_paise", flat=True)) == [30_000, 80_000]
        assert shop.control("orders/order/refund/", {}).status_code == 409

    def test_the_dashboard_cannot_refund_an_unpaid_order(self, shop):
        assert shop.control("orders/order/refund/", {}).status_code == 409
        assert not Refund.objects.exists()

    def test_a_dashboard_refund_sends_the_usual_webhooks(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "success")
        v2.control("orders/V2-order-1/refund/", {})
        passes(v2, 5)
        told = json.loads(Delivery.objects.last().body)
        assert told["event"] == "pg.refund.completed"
        assert told["payload"]["originalMerchantOrderId"] == "V2-order-1"


class TestOutcomes:
    def test_insufficient_balance_leaves_the_order_open(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "insufficient_balance")
        shown = v2.status().json()
        assert shown["state"] == "PENDING"
        assert shown["paymentDetails"][0]["errorCode"] == "INSUFFICIENT_BALANCE"

    def test_closing_the_page_leaves_the_order_open(self, shop):
        assert shop.decide("order", "close").status_code == 200
        assert (shop.state(), tries()) == ("PENDING", [])

    @pytest.mark.parametrize("code", ["PAYMENT_DECLINED", "PAYMENT_CANCELLED", "TIMED_OUT"])
    def test_v1_has_its_own_codes_for_the_end(self, v1, code):
        v1.pay()
        v1.decide("V1-order-1", "failure", reason=code)
        said = v1.status().json()
        assert (said["success"], said["code"], said["data"]["state"]) == (False, code, "FAILED")

    def test_v1_reports_payment_error_for_any_bank_error(self, v1):
        v1.pay()
        v1.decide("V1-order-1", "failure", reason="U69")
        said = v1.status().json()
        assert (said["code"], said["data"]["responseCode"]) == ("PAYMENT_ERROR", "U69")
