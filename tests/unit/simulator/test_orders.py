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
    def test_a_slow_one_lets_the_order_wait_and_then_pays_it(self, shop):
        shop.decide("order", "slow", seconds=45)
        assert (shop.state(), tries()) == ("PENDING", ["PENDING"])
        passes(shop, 44)
        assert shop.state() == "PENDING"
        passes(shop, 1)
        assert (shop.state(), tries()) == ("COMPLETED", ["COMPLETED"])

    def test_a_slower_one_pays_after_the_order_has_ended(self, shop):
        shop.decide("order", "slow", seconds=4000)
        passes(shop, 3600)
        assert shop.state() == "FAILED"
        passes(shop, 400)
        assert (shop.state(), tries()) == ("COMPLETED", ["COMPLETED"])
        assert Delivery.objects.count() == 2

    def test_looked_at_late_the_order_has_ended_as_it_would_have(self, shop):
        shop.decide("order", "slow", seconds=60)
        passes(shop, 86_400)
        assert shop.state() == "COMPLETED"
        assert Delivery.objects.count() == 1  # it never failed in between

    def test_it_may_say_no_while_the_customer_waits(self, shop):
        shop.decide("order", "slow")
        shop.decide("order", "failure", reason="U28")
        passes(shop, 60)
        assert (shop.state(), tries()) == ("FAILED", ["FAILED"])

    def test_it_may_say_yes_at_once(self, shop):
        shop.decide("order", "slow")
        shop.decide("order", "success")
        passes(shop, 60)
        assert (shop.state(), tries()) == ("COMPLETED", ["COMPLETED"])

    def test_a_shop_that_asks_sees_the_try_that_waits(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "slow")
        shown = v2.status().json()["paymentDetails"]
        assert [attempt["state"] for attempt in shown] == ["PENDING"]
        assert "rail" not in shown[0]


class TestMishaps:
    def test_money_that_comes_after_the_time_is_up(self, shop):
        shop.arm("money_in", "after_expiry", argument=90)
        shop.decide("order", "success")
        assert shop.state() == "PENDING"
        passes(shop, (Order.objects.get().expires_at - clock.now()).seconds + 1)
        assert shop.state() == "FAILED"
        passes(shop, 90)
        assert shop.state() == "COMPLETED"

    def test_money_that_comes_after_a_failure(self, shop):
        shop.arm("money_in", "after_failure")
        shop.decide("order", "success")
        assert shop.state() == "FAILED"
        passes(shop, orders.BANK_SECONDS)
        assert (shop.state(), tries()) == ("COMPLETED", ["FAILED", "COMPLETED"])

    def test_a_first_try_that_fails_before_the_order_is_paid(self, shop):
        shop.arm("money_in", "attempt_fails")
        shop.decide("order", "success")
        assert (shop.state(), tries()) == ("COMPLETED", ["FAILED", "COMPLETED"])

    def test_another_amount_than_was_asked_for(self, shop):
        shop.arm("money_in", "other_amount")
        shop.decide("order", "success")
        assert Attempt.objects.get().amount_paise == 109_900

    def test_the_other_amount_can_be_named(self, shop):
        shop.arm("money_in", "other_amount", argument=200_000)
        shop.decide("order", "success")
        assert Attempt.objects.get().amount_paise == 200_000

    def test_money_that_goes_back_from_the_dashboard(self, shop):
        shop.arm("money_in", "dashboard_refund")
        shop.decide("order", "success")
        passes(shop, 5)
        refund = Refund.objects.get()
        assert (refund.state, refund.amount_paise, refund.by_dashboard) == ("COMPLETED", 110_000, True)

    def test_a_mishap_waits_for_its_order(self, shop):
        shop.arm("money_in", "other_amount", about="another")
        shop.decide("order", "success")
        assert Attempt.objects.get().amount_paise == 110_000

    def test_a_click_on_a_paid_order_uses_up_no_mishap(self, shop):
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

    def test_somebody_in_the_dashboard_may_give_back_a_part(self, shop):
        shop.decide("order", "success")
        given = shop.control("orders/order/refund/", {"amount_paise": 30_000}).json()
        assert (given["amount_paise"], given["by_dashboard"]) == (30_000, True)
        shop.control("orders/order/refund/", {})
        assert sorted(Refund.objects.values_list("amount_paise", flat=True)) == [30_000, 80_000]
        assert shop.control("orders/order/refund/", {}).status_code == 409

    def test_but_not_what_was_never_paid(self, shop):
        assert shop.control("orders/order/refund/", {}).status_code == 409
        assert not Refund.objects.exists()

    def test_the_dashboard_tells_the_shop_like_any_refund(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "success")
        v2.control("orders/V2-order-1/refund/", {})
        passes(v2, 5)
        told = json.loads(Delivery.objects.last().body)
        assert told["event"] == "pg.refund.completed"
        assert told["payload"]["originalMerchantOrderId"] == "V2-order-1"


class TestOutcomes:
    def test_too_little_money_leaves_the_order_open(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "insufficient_balance")
        shown = v2.status().json()
        assert shown["state"] == "PENDING"
        assert shown["paymentDetails"][0]["errorCode"] == "INSUFFICIENT_BALANCE"

    def test_closing_decides_nothing(self, shop):
        assert shop.decide("order", "close").status_code == 200
        assert (shop.state(), tries()) == ("PENDING", [])

    @pytest.mark.parametrize("code", ["PAYMENT_DECLINED", "PAYMENT_CANCELLED", "TIMED_OUT"])
    def test_v1_has_words_of_its_own_for_the_end(self, v1, code):
        v1.pay()
        v1.decide("V1-order-1", "failure", reason=code)
        said = v1.status().json()
        assert (said["success"], said["code"], said["data"]["state"]) == (False, code, "FAILED")

    def test_v1_says_payment_error_for_whatever_a_bank_says(self, v1):
        v1.pay()
        v1.decide("V1-order-1", "failure", reason="U69")
        said = v1.status().json()
        assert (said["code"], said["data"]["responseCode"]) == ("PAYMENT_ERROR", "U69")
