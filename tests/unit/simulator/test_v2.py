import pytest

from simulator.models import Merchant, Order

BAD_REQUEST = {
    "success": False,
    "code": "BAD_REQUEST",
    "message": "Please check the inputs you have provided.",
    "data": {},
}


class TestToken:
    def test_it_is_valid_for_a_week_in_seconds(self, v2):
        token = v2.fetch_token().json()
        assert token["token_type"] == "O-Bearer"
        assert token["expires_at"] - token["issued_at"] == 624_600

    def test_a_wrong_secret_or_version_is_refused(self, v2):
        for change in ({"client_secret": "guess"}, {"client_version": "2"}):
            refused = v2.fetch_token(**change)
            assert refused.status_code == 401
            assert refused.json()["errorCode"] == "OIM004"

    def test_a_client_of_another_environment_is_not_found(self, v2):
        refused = v2.fetch_token(client_id="SU123")
        assert refused.status_code == 404
        assert refused.json()["message"].startswith("Not Found: Client Not Found, trackingId: ")

    def test_json_instead_of_a_form_is_refused(self, v2):
        refused = v2("POST", "apis/pg-sandbox/v1/oauth/token", json={"client_id": "SIM-CLIENT"})
        assert (refused.status_code, refused.json()["errorCode"]) == (400, "OIM000")

    def test_another_grant_is_refused(self, v2):
        assert v2.fetch_token(grant_type="password").status_code == 400

    def test_only_o_bearer_is_accepted(self, v2):
        value = v2.fetch_token().json()["access_token"]
        for header in (f"Bearer {value}", f"o-bearer {value}", value, "O-Bearer ", "O-Bearer wrong", ""):
            refused = v2(
                "GET", "apis/pg-sandbox/checkout/v2/order/x/status", headers={"Authorization": header}
            )
            assert (refused.status_code, refused.json()["code"]) == (401, "AUTHORIZATION_FAILED"), header

    def test_an_expired_token_is_refused(self, v2):
        v2.pay()
        v2.control("clock/", {"advance": 624_600})
        assert v2.status().status_code == 401


class TestPay:
    def test_it_answers_with_a_page_of_its_own(self, v2, settings):
        answer = v2.pay()
        order = Order.objects.get()
        assert answer.status_code == 200
        assert answer.json()["state"] == "PENDING"
        assert answer.json()["orderId"].startswith("OMO")
        assert (
            answer.json()["redirectUrl"]
            == f"{settings.PUBLIC_BASE_URL}/simulator/transact/{order.page_token}/"
        )

    def test_it_takes_seconds_and_gives_milliseconds(self, v2):
        expires_at = v2.pay(expireAfter=300).json()["expireAt"]
        order = Order.objects.get()
        assert (order.expires_at - order.created_at).total_seconds() == 300
        assert expires_at // 1000 == int(order.expires_at.timestamp())

    def test_an_order_expires_after_ten_minutes_by_default(self, v2):
        v2.pay(without=["expireAfter"])
        order = Order.objects.get()
        assert (order.expires_at - order.created_at).total_seconds() == 600

    def test_an_id_can_be_used_once_per_merchant(self, v2):
        v2.pay()
        again = v2.pay()
        assert again.status_code == 417
        assert again.json() == {
            "success": False,
            "code": "INVALID_TRANSACTION_ID",
            "message": "Order ID has already been used",
        }
        assert Order.objects.count() == 1

    def test_null_is_the_same_as_absent(self, v2):
        flow = {
            "type": "PG_CHECKOUT",
            "message": None,
            "paymentModeConfig": None,
            "merchantUrls": {"redirectUrl": "http://shop.example/back"},
        }
        answer = v2.pay(metaInfo=None, expireAfter=None, disablePaymentRetry=None, paymentFlow=flow)
        assert answer.status_code == 200

    @pytest.mark.parametrize("amount", [99, 0, -100, 100.0, "1100", True, None, 10**30, [100]])
    def test_the_amount_is_whole_paise_and_at_least_a_rupee(self, v2, amount):
        refused = v2.pay(amount=amount)
        assert (refused.status_code, refused.json()) == (400, BAD_REQUEST)

    def test_a_rupee_is_enough(self, v2):
        assert v2.pay(amount=100).status_code == 200

    @pytest.mark.parametrize("reference", ["", "x" * 64, "with space", "ŧ", 7, None, "a/b", {"a": 1}])
    def test_the_id_has_at_most_63_plain_characters(self, v2, reference):
        assert v2.pay(reference).status_code == 400

    @pytest.mark.parametrize("seconds", [299, 3601, "900", 900.0, True])
    def test_an_order_lasts_between_five_minutes_and_an_hour(self, v2, seconds):
        assert v2.pay(expireAfter=seconds).status_code == 400

    @pytest.mark.parametrize(
        "meta",
        [
            {"udf1": "x" * 257},
            {"udf11": "x" * 51},
            {"udf12": "semi;colon"},
            {"udf16": "unknown"},
            {"udf1": 7},
            {"udf1": "half a character \ud800"},
            {"udf1": "nothing \x00"},
            "text",
            [],
        ],
    )
    def test_notes_have_limits(self, v2, meta):
        assert v2.pay(metaInfo=meta).status_code == 400

    def test_notes_at_their_limits_pass(self, v2):
        meta = {"udf1": "ॐ" * 256, "udf15": "A_-+@. " * 7}
        assert v2.pay(metaInfo=meta).status_code == 200
        assert v2.status().json()["metaInfo"] == meta

    @pytest.mark.parametrize(
        "flow",
        [
            None,
            "PG_CHECKOUT",
            {},
            {"type": "PG"},
            {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": "back"}},
            {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": "javascript:alert(1)"}},
            {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": "http://[broken"}},
            {"type": ["PG_CHECKOUT"]},
        ],
    )
    def test_the_flow_is_a_checkout_with_a_redirect_url(self, v2, flow):
        assert v2.pay(paymentFlow=flow).status_code == 400

    @pytest.mark.parametrize(
        "modes",
        [
            {"enabledPaymentModes": [{"type": "CARD"}], "disabledPaymentModes": [{"type": "UPI_QR"}]},
            {"enabledPaymentModes": [{"type": "CASH"}]},
            {"enabledPaymentModes": {"type": "CARD"}},
            {"enabledPaymentModes": ["CARD"]},
            {"enabledPaymentModes": [{"type": ["CARD"]}]},
            {"enabledPaymentModes": [{"type": "CARD", "cardTypes": ["GOLD"]}]},
        ],
    )
    def test_modes_are_offered_or_hidden_but_never_both(self, v2, modes):
        flow = {
            "type": "PG_CHECKOUT",
            "merchantUrls": {"redirectUrl": "http://shop.example/back"},
            "paymentModeConfig": modes,
        }
        assert v2.pay(paymentFlow=flow).status_code == 400

    def test_what_is_not_documented_is_refused(self, v2):
        assert v2.pay(merchantId="SIMMERCHANT").status_code == 400

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 400 + b"1" + b"}" * 400]
    )
    def test_a_body_that_is_no_order_is_refused(self, v2, body):
        v2.token = v2.fetch_token().json()["access_token"]
        headers = {"Authorization": f"O-Bearer {v2.token}", "Content-Type": "application/json"}
        refused = v2("POST", "apis/pg-sandbox/checkout/v2/pay", data=body, headers=headers)
        assert (refused.status_code, refused.json()) == (400, BAD_REQUEST)


class TestStatus:
    def test_an_unknown_order(self, v2):
        answer = v2.status("nobody")
        assert answer.status_code == 400
        assert answer.json()["code"] == "INVALID_MERCHANT_ORDER_ID"

    def test_another_merchants_order_is_unknown(self, v2):
        v2.pay()
        Merchant.objects.create(
            generation="v2", merchant_id="OTHER", client_id="OTHER", client_secret="other", name="Other"
        )
        v2.token = v2.fetch_token(client_id="OTHER", client_secret="other").json()["access_token"]
        assert v2.status().json()["code"] == "INVALID_MERCHANT_ORDER_ID"

    def test_phonepes_own_id_is_not_the_merchants(self, v2):
        assert v2.status(v2.pay().json()["orderId"]).status_code == 400

    def test_before_anybody_tried_there_are_no_attempts(self, v2):
        v2.pay()
        answer = v2.status().json()
        assert (answer["state"], answer["paymentDetails"]) == ("PENDING", [])

    def test_a_wrong_pin_leaves_the_order_open(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "attempt_failed")
        answer = v2.status().json()
        assert answer["state"] == "PENDING"
        assert answer["paymentDetails"][0]["detailedErrorCode"] == "ZM"

    def test_a_wrong_pin_ends_an_order_without_retries(self, v2):
        v2.pay(disablePaymentRetry=True)
        v2.decide("V2-order-1", "attempt_failed")
        assert v2.status().json()["state"] == "FAILED"

    def test_the_latest_attempt_or_all_of_them(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "attempt_failed")
        v2.decide("V2-order-1", "success")
        assert len(v2.status(details="False").json()["paymentDetails"]) == 1
        assert [d["state"] for d in v2.status(details="True").json()["paymentDetails"]] == [
            "FAILED",
            "COMPLETED",
        ]

    def test_the_reason_is_explained_when_asked_for(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "failure", reason="Z9")
        assert "errorContext" not in v2.status().json()
        context = v2.status(errorContext="TRUE").json()["errorContext"]
        assert (context["errorCode"], context["source"]) == ("INSUFFICIENT_BALANCE", "CUSTOMER")

    def test_an_expired_order_has_failed(self, v2):
        v2.pay(expireAfter=300)
        v2.control("clock/", {"advance": 301})
        answer = v2.status().json()
        assert (answer["state"], answer["errorCode"]) == ("FAILED", "TXN_NOT_COMPLETED")

    def test_money_may_come_late(self, v2):
        v2.pay(expireAfter=300)
        v2.control("clock/", {"advance": 301})
        assert v2.decide("V2-order-1", "success").status_code == 409
        assert v2.decide("V2-order-1", "late_success").status_code == 200
        assert v2.status().json()["state"] == "COMPLETED"

    def test_an_order_is_paid_once(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "success")
        for outcome in ("success", "late_success", "failure", "expire", "attempt_failed"):
            assert v2.decide("V2-order-1", outcome).status_code == 409
        assert v2.status().json()["state"] == "COMPLETED"

    def test_an_attempt_can_be_asked_about_by_its_own_id(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "success")
        attempt_id = v2.status().json()["paymentDetails"][0]["transactionId"]
        answer = v2.authorized("GET", f"/checkout/v2/transaction/{attempt_id}/status")
        assert answer.json() == v2.status().json()
        assert v2.authorized("GET", "/checkout/v2/transaction/OM1/status").status_code == 404

    def test_another_amount_may_be_paid(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "success", amount_paise=100)
        assert v2.status().json()["amount"] == 100


class TestRefund:
    @pytest.fixture(autouse=True)
    def paid(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "success")

    def test_it_is_pending_and_then_completed(self, v2):
        answer = v2.refund()
        assert (answer.json()["state"], answer.json()["amount"]) == ("PENDING", 110_000)
        assert v2.refund_status().json()["state"] == "PENDING"
        v2.control("clock/", {"advance": 5})
        status = v2.refund_status().json()
        assert (status["state"], status["refundId"]) == ("COMPLETED", answer.json()["refundId"])

    def test_never_more_than_was_paid(self, v2):
        assert v2.refund("r1", amount=60_000).status_code == 200
        assert v2.refund("r2", amount=50_001).json() == BAD_REQUEST
        assert v2.refund("r3", amount=50_000).status_code == 200
        assert v2.refund("r4", amount=100).status_code == 400

    def test_a_failed_refund_frees_its_amount_for_the_next_one(self, v2):
        v2.refund("r1")
        v2.control("refunds/r1/decide/", {"outcome": "failure"})
        assert v2.refund_status("r1").json()["state"] == "FAILED"
        assert v2.refund("r2").status_code == 200

    def test_an_id_can_be_used_once(self, v2):
        v2.refund("r1", amount=100)
        assert v2.refund("r1", amount=100).status_code == 417
        assert v2.refund("r1").status_code == 417

    def test_an_unpaid_order_cannot_be_refunded(self, v2):
        v2.pay("V2-order-2")
        assert v2.refund(merchant_order_id="V2-order-2").json() == BAD_REQUEST

    def test_an_unknown_order_and_an_unknown_refund(self, v2):
        assert v2.refund(merchant_order_id="nobody").json()["code"] == "INVALID_MERCHANT_ORDER_ID"
        assert v2.refund_status("nobody").status_code == 404

    @pytest.mark.parametrize(
        "change", [{"amount": 99}, {"amount": "110000"}, {"merchantRefundId": ""}, {"note": "x"}]
    )
    def test_the_same_limits_as_everywhere(self, v2, change):
        assert v2.refund(**change).json() == BAD_REQUEST

    def test_it_may_be_confirmed_first(self, v2):
        v2.refund()
        v2.control("refunds/V2-refund-1/decide/", {"outcome": "confirm"})
        assert v2.refund_status().json()["state"] == "CONFIRMED"
        v2.control("refunds/V2-refund-1/decide/", {"outcome": "success"})
        assert v2.refund_status().json()["state"] == "COMPLETED"
        assert v2.control("refunds/V2-refund-1/decide/", {"outcome": "failure"}).status_code == 409


def test_an_app_gets_a_token_instead_of_a_page(v2):
    flow = {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": "http://shop.example/back"}}
    wanted = {"merchantOrderId": "app-1", "amount": 110_000, "paymentFlow": flow}
    said = v2.authorized("POST", "/checkout/v2/sdk/order", json=wanted).json()
    assert said.keys() == {"orderId", "state", "expireAt", "token"}
    assert v2.status("app-1").json()["orderId"] == said["orderId"]
    assert v2.authorized("POST", "/checkout/v2/sdk/order", json=wanted).status_code == 417
