import base64
import hashlib
import hmac
import json

import pytest
import requests
import responses

from simulator import webhook_deliveries
from simulator.models import Delivery, Merchant

HOOK = "http://testserver/api/payments/webhook/phonepe/"


@pytest.fixture
def shop():
    """The shop's end of the wire; the simulator's own door is not behind it."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        wire.add_passthru("http://phonepe.simulator")
        yield wire


def events(shop):
    return [json.loads(call.request.body)["event"] for call in shop.calls]


@pytest.fixture
def paid(v2, shop):
    v2.pay()
    v2.decide("V2-order-1", "success")
    return v2


class TestWhatIsSaid:
    def test_a_paid_order_sends_a_webhook_with_the_constant_header(self, paid, shop):
        shop.post(HOOK, status=200)
        assert webhook_deliveries.send_due() == 1
        sent = shop.calls[0].request
        assert sent.headers["Authorization"] == hashlib.sha256(b"sim_hook:Sim-pass-9").hexdigest()
        assert json.loads(sent.body)["payload"]["merchantOrderId"] == "V2-order-1"
        assert events(shop) == ["checkout.order.completed"]

    def test_a_merchant_may_have_its_webhooks_signed(self, paid, shop):
        Merchant.objects.update(webhook_scheme="hmac")
        shop.post(HOOK, status=200)
        webhook_deliveries.send_due()
        sent = shop.calls[0].request
        signature = hmac.new(b"sim-hmac-secret", sent.body, hashlib.sha256).hexdigest()
        assert "Authorization" not in sent.headers
        assert sent.headers["x-phonepe-checksum-signature"] == signature
        assert sent.headers["x-phonepe-checksum-key-id"] == "CF-SIMULATOR"

    def test_every_final_state_has_its_event(self, v2, shop):
        shop.post(HOOK, status=200)
        v2.pay("a")
        v2.decide("a", "attempt_failed")
        v2.decide("a", "failure")
        v2.pay("b")
        v2.decide("b", "expire")
        v2.decide("b", "late_success")
        webhook_deliveries.send_due()
        assert events(shop) == [
            "checkout.transaction.attempt.failed",
            "checkout.order.failed",
            "checkout.order.failed",
            "checkout.order.completed",
        ]

    def test_a_refund_sends_an_event_for_each_step(self, paid, shop):
        shop.post(HOOK, status=200)
        paid.refund("r1", amount=50_000)
        paid.control("refunds/r1/decide/", {"outcome": "confirm"})
        paid.control("refunds/r1/decide/", {"outcome": "success"})
        paid.refund("r2", amount=50_000)
        paid.control("refunds/r2/decide/", {"outcome": "failure"})
        webhook_deliveries.send_due()
        assert events(shop)[1:] == ["pg.refund.accepted", "pg.refund.completed", "pg.refund.failed"]

    def test_v1_posts_to_the_callback_url_with_a_checksum(self, v1, shop):
        shop.post("http://shop.example/callback", status=200)
        v1.pay()
        v1.decide("V1-order-1", "attempt_failed")
        v1.decide("V1-order-1", "success")
        assert webhook_deliveries.send_due() == 1  # before its end V1 says nothing
        sent = shop.calls[0].request
        said = json.loads(sent.body)["response"]
        assert sent.headers["X-VERIFY"] == v1.seal(said)
        assert json.loads(base64.b64decode(said)) == v1.status().json()

    def test_a_v1_refund_posts_to_its_callback_url(self, v1, shop):
        shop.post("http://shop.example/callback", status=200)
        shop.post("http://shop.example/refund-callback", status=200)
        v1.pay()
        v1.decide("V1-order-1", "success")
        v1.refund()
        v1.control("clock/", {"advance": 5})
        webhook_deliveries.send_due()
        said = json.loads(base64.b64decode(json.loads(shop.calls[1].request.body)["response"]))
        assert said == v1.status("V1-refund-1").json()

    def test_an_order_that_expires_sends_a_webhook(self, v2, shop):
        shop.post(HOOK, status=200)
        v2.pay(expireAfter=300)
        v2.control("clock/", {"advance": 301})
        webhook_deliveries.send_due()
        assert events(shop) == ["checkout.order.failed"]


class TestUntilSomebodyHears:
    def test_retries_have_growing_delays(self, paid, shop):
        shop.post(HOOK, body=requests.ConnectTimeout("silent"))
        assert webhook_deliveries.send_due() == 1
        assert webhook_deliveries.send_due() == 0  # not yet
        paid.control("clock/", {"advance": 1})
        assert webhook_deliveries.send_due() == 1
        paid.control("clock/", {"advance": 1})
        assert webhook_deliveries.send_due() == 0
        delivery = Delivery.objects.get()
        assert (delivery.tries, delivery.last_status) == (2, None)
        assert delivery.last_error.startswith("ConnectTimeout")

    def test_only_2xx_counts_as_delivered(self, paid, shop):
        for status in (500, 302, 401, 204):
            shop.post(HOOK, status=status)
        for _ in range(4):
            webhook_deliveries.send_due()
            paid.control("clock/", {"advance": 100})
        delivery = Delivery.objects.get()
        assert (delivery.tries, delivery.last_status, delivery.due_at) == (4, 204, None)
        assert delivery.delivered_at is not None

    @pytest.mark.parametrize(
        "host", ["shop..example", "x" * 64 + ".example", "exa mple", "shop.example:port"]
    )
    def test_an_unreachable_url_is_retried_and_blocks_no_other(self, v2, shop, host):
        shop.add_passthru("http://" + host)
        shop.post(HOOK, status=200)
        for order in ("nowhere", "heard"):
            v2.pay(order)
            v2.decide(order, "success")
        Delivery.objects.filter(about="nowhere").update(url=f"http://{host}/hook")
        assert webhook_deliveries.send_due() == 2
        nowhere, heard = Delivery.objects.order_by("pk")
        assert (nowhere.tries, nowhere.last_status, nowhere.delivered_at) == (1, None, None)
        assert nowhere.last_error
        assert nowhere.due_at < nowhere.created_at + webhook_deliveries.LEASE
        assert heard.delivered_at is not None

    def test_while_one_is_being_sent_another_process_may_send_the_next(self, v2, shop):
        meanwhile = []

        def answer(request):
            meanwhile.append(webhook_deliveries.send_due())
            return (200, {}, "")

        shop.add_callback(responses.POST, HOOK, callback=answer)
        for order in ("first", "next"):
            v2.pay(order)
            v2.decide(order, "success")
        assert webhook_deliveries.send_due() == 1
        assert meanwhile == [0, 1]

    def test_after_the_last_retry_it_is_given_up(self, paid, shop):
        shop.post(HOOK, status=503)
        for _ in range(20):
            webhook_deliveries.send_due()
            paid.control("clock/", {"advance": 1000})
        delivery = Delivery.objects.get()
        assert (delivery.tries, delivery.due_at, delivery.delivered_at) == (7, None, None)

    def test_a_webhook_that_is_being_sent_is_not_sent_by_another_process(self, paid, shop):
        def meanwhile(request):
            assert webhook_deliveries.send_due() == 0
            return (200, {}, "")

        shop.add_callback(responses.POST, HOOK, callback=meanwhile)
        assert webhook_deliveries.send_due() == 1


class TestFaults:
    def test_the_webhook_is_sent_twice(self, paid, shop):
        shop.post(HOOK, status=200)
        paid.arm("webhook", "duplicate")
        webhook_deliveries.send_due()
        assert [call.request.body for call in shop.calls] == [shop.calls[0].request.body] * 2

    def test_the_webhook_is_never_sent(self, paid, shop):
        paid.arm("webhook", "drop")
        webhook_deliveries.send_due()
        assert len(shop.calls) == 0
        assert Delivery.objects.get().due_at is None

    def test_the_webhook_is_sent_late_and_out_of_order(self, v2, shop):
        shop.post(HOOK, status=200)
        v2.pay()
        v2.decide("V2-order-1", "attempt_failed")
        v2.decide("V2-order-1", "success")
        v2.arm("webhook", "delay", argument=60)
        webhook_deliveries.send_due()
        v2.control("clock/", {"advance": 61})
        webhook_deliveries.send_due()
        assert events(shop) == ["checkout.order.completed", "checkout.transaction.attempt.failed"]

    def test_the_webhook_has_an_invalid_signature(self, paid, shop):
        shop.post(HOOK, status=401)
        paid.arm("webhook", "forged")
        webhook_deliveries.send_due()
        assert shop.calls[0].request.headers["Authorization"] == "0" * 64

    def test_a_received_webhook_is_retried_when_the_response_is_lost(self, paid, shop):
        shop.post(HOOK, status=200)
        paid.arm("webhook", "reset_after")
        webhook_deliveries.send_due()
        paid.control("clock/", {"advance": 1})
        webhook_deliveries.send_due()
        assert len(shop.calls) == 2

    def test_the_webhook_is_sent_as_often_as_given(self, paid, shop):
        shop.post(HOOK, status=200)
        paid.arm("webhook", "duplicate", argument=5)
        webhook_deliveries.send_due()
        assert len(shop.calls) == 5

    def test_a_later_webhook_is_sent_before_a_held_one(self, v2, shop):
        shop.post(HOOK, status=200)
        v2.pay()
        v2.decide("V2-order-1", "failure")
        v2.decide("V2-order-1", "late_success")
        v2.arm("webhook", "reorder")
        while webhook_deliveries.send_due():
            pass
        assert events(shop) == ["checkout.order.completed", "checkout.order.failed"]

    def test_a_held_webhook_is_sent_after_its_delay(self, paid, shop):
        shop.post(HOOK, status=200)
        paid.arm("webhook", "reorder")
        webhook_deliveries.send_due()
        assert len(shop.calls) == 0
        paid.control("clock/", {"advance": 600})
        webhook_deliveries.send_due()
        assert events(shop) == ["checkout.order.completed"]

    def test_a_refund_webhook_may_arrive_before_its_payment(self, paid, shop):
        shop.post(HOOK, status=200)
        paid.refund()
        paid.control("clock/", {"advance": 5})
        paid.arm("webhook", "reorder")
        while webhook_deliveries.send_due():
            pass
        assert events(shop) == ["pg.refund.completed", "checkout.order.completed"]

    def test_the_webhook_uses_the_other_scheme(self, paid, shop):
        shop.post(HOOK, status=401)
        paid.arm("webhook", "other_scheme")
        webhook_deliveries.send_due()
        assert "x-phonepe-checksum-signature" in shop.calls[0].request.headers
        assert "Authorization" not in shop.calls[0].request.headers

    def test_a_v1_webhook_uses_the_scheme_of_v2(self, v1, shop):
        shop.post("http://shop.example/callback", status=401)
        v1.pay()
        v1.decide("V1-order-1", "success")
        v1.arm("webhook", "other_scheme")
        webhook_deliveries.send_due()
        assert "X-VERIFY" not in shop.calls[0].request.headers

    def test_a_copy_can_be_sent_whatever_became_of_the_first(self, paid, shop):
        shop.post(HOOK, status=200)
        webhook_deliveries.send_due()
        first = Delivery.objects.get()
        assert paid.control(f"deliveries/{first.pk}/send/", {}).json()["tries"] == 0
        webhook_deliveries.send_due()
        assert [call.request.body for call in shop.calls] == [shop.calls[0].request.body] * 2
        assert paid.control("deliveries/999999/send/", {}).status_code == 404
        assert paid.control("deliveries/all/send/", {}).status_code == 404


class TestLies:
    """Signed as agreed, and yet not so."""

    def told_in_v2(self, v2, shop, lie, **more):
        shop.post(HOOK, status=200)
        v2.pay()
        v2.decide("V2-order-1", "success")
        v2.arm("webhook", lie, **more)
        webhook_deliveries.send_due()
        sent = shop.calls[0].request
        assert sent.headers["Authorization"] == hashlib.sha256(b"sim_hook:Sim-pass-9").hexdigest()
        return json.loads(sent.body)

    def told_in_v1(self, v1, shop, lie, **more):
        shop.post("http://shop.example/callback", status=200)
        v1.pay()
        v1.decide("V1-order-1", "success")
        v1.arm("webhook", lie, **more)
        webhook_deliveries.send_due()
        sent = shop.calls[0].request
        response = json.loads(sent.body)["response"]
        assert sent.headers["X-VERIFY"] == v1.seal(response)
        return json.loads(base64.b64decode(response))

    def test_a_wrong_amount(self, v1, v2, shop):
        told = self.told_in_v2(v2, shop, "wrong_amount")["payload"]
        assert (told["amount"], told["paymentDetails"][0]["amount"]) == (109_900, 109_900)
        shop.calls.reset()
        assert self.told_in_v1(v1, shop, "wrong_amount", argument=1)["data"]["amount"] == 1

    def test_an_unknown_order(self, v1, v2, shop):
        assert self.told_in_v2(v2, shop, "unknown_order")["payload"]["merchantOrderId"] == "NOBODYS-ORDER"
        shop.calls.reset()
        told = self.told_in_v1(v1, shop, "unknown_order")["data"]
        assert told["merchantTransactionId"] == "NOBODYS-ORDER"

    def test_an_unknown_event(self, v1, v2, shop):
        assert self.told_in_v2(v2, shop, "unknown_event")["event"] == "checkout.order.levitated"
        shop.calls.reset()
        assert self.told_in_v1(v1, shop, "unknown_event")["code"] == "PAYMENT_LEVITATED"

    def test_an_oversized_body(self, v1, v2, shop):
        assert len(self.told_in_v2(v2, shop, "huge")["payload"]["padding"]) == 2_000_000
        shop.calls.reset()
        assert len(self.told_in_v1(v1, shop, "huge", argument=70_000)["data"]["padding"]) == 70_000

    def test_faults_of_a_body_do_not_change_the_stored_order(self, v2, shop):
        self.told_in_v2(v2, shop, "wrong_amount")
        assert v2.status().json()["amount"] == 110_000
        assert json.loads(Delivery.objects.get().body)["payload"]["amount"] == 110_000
