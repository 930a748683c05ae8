import base64

import pytest

from simulator.models import Order
from tests.unit.simulator.shop import SALT

BAD_REQUEST = {
    "success": False,
    "code": "BAD_REQUEST",
    "message": "Please check the inputs you have provided.",
    "data": {},
}


class TestPay:
    def test_it_answers_with_a_page_of_its_own(self, v1, settings):
        answer = v1.pay()
        redirect = answer.json()["data"]["instrumentResponse"]["redirectInfo"]
        page = f"{settings.PUBLIC_BASE_URL}/simulator/transact/{Order.objects.get().page_token}/"
        assert (answer.status_code, answer.json()["code"]) == (200, "PAYMENT_INITIATED")
        assert redirect == {"url": page, "method": "GET"}

    def test_a_body_without_a_base64_request(self, v1):
        for body in ({}, {"request": ""}, {"request": 7}, {"request": "not base64!"}, {"request": "YQ"}, []):
            refused = v1("POST", "apis/pg-sandbox/pg/v1/pay", json=body, headers={"X-VERIFY": "x"})
            assert (refused.status_code, refused.json()) == (400, {"success": False, "code": "400"})

    def test_a_wrong_or_missing_checksum(self, v1):
        text = base64.b64encode(b'{"merchantId":"PGTESTPAYUAT"}').decode()
        wrong = {
            "missing": "",
            "another salt": v1.seal(text + "/pg/v1/pay", salt="guess"),
            "another index": v1.seal(text + "/pg/v1/pay", index=2),
            "the base hashed too": v1.seal(text + "/apis/pg-sandbox/pg/v1/pay"),
            "no path": v1.seal(text),
            "upper case": v1.seal(text + "/pg/v1/pay").upper(),
            "not even text": "é",
        }
        for why, seal in wrong.items():
            headers = {"X-VERIFY": seal.encode("latin-1")}
            refused = v1("POST", "apis/pg-sandbox/pg/v1/pay", json={"request": text}, headers=headers)
            assert (refused.status_code, refused.json()) == (401, {"success": False, "code": "401"}), why

    @pytest.mark.parametrize(
        "merchant_id", ["M22SOMEBODY", "SIMMERCHANT", "SIM-CLIENT", " PGTESTPAYUAT", "a\x00", 7]
    )
    def test_a_merchant_without_a_key(self, v1, merchant_id):
        refused = v1.pay(merchantId=merchant_id)
        assert refused.json()["code"] == "KEY_NOT_CONFIGURED"

    def test_an_id_that_is_too_long_is_told_so(self, v1):
        refused = v1.pay("x" * 39)
        assert refused.status_code == 400
        assert refused.json()["message"] == "merchantTransactionId size must be between 1 and 38."

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": 99},
            {"amount": "110000"},
            {"amount": 110000.0},
            {"merchantTransactionId": "with space"},
            {"merchantTransactionId": None},
            {"merchantUserId": None},
            {"merchantUserId": "x" * 36},
            {"redirectUrl": "/back"},
            {"callbackUrl": None},
            {"redirectMode": "GET"},
            {"redirectMode": ["POST"]},
            {"mobileNumber": "90000 00001"},
            {"mobileNumber": "९००००००००१"},
            {"mobileNumber": ""},
            {"mobileNumber": "9" * 16},
            {"mobileNumber": 9000000001},
            {"paymentInstrument": {"type": "CARD"}},
            {"paymentInstrument": None},
            {"undocumented": 1},
        ],
    )
    def test_what_is_out_of_limits_is_refused(self, v1, change):
        refused = v1.pay(**change)
        assert (refused.status_code, refused.json()) == (400, BAD_REQUEST)
        assert not Order.objects.exists()

    def test_an_id_can_be_used_once(self, v1):
        v1.pay()
        again = v1.pay()
        assert (again.status_code, again.json()["code"]) == (417, "INVALID_TRANSACTION_ID")

    def test_all_old_bases_serve_it_and_the_new_one_does_not(self, v1):
        for number, base in enumerate(("hermes", "pg-sandbox", "merchant-simulator")):
            v1.base = f"apis/{base}"
            assert v1.pay(f"order-{number}").status_code == 200
        v1.base = "apis/pg"
        assert v1.pay("order-9").json() == {"message": "Bad Request - Api Mapping Not Found"}


class TestStatus:
    def test_before_anybody_tried(self, v1):
        v1.pay()
        answer = v1.status().json()
        assert (answer["success"], answer["code"]) == (True, "PAYMENT_PENDING")
        assert answer["data"]["transactionId"] is None

    def test_paid(self, v1):
        v1.pay()
        v1.decide("V1-order-1", "success")
        answer = v1.status().json()
        assert (answer["code"], answer["data"]["state"], answer["data"]["amount"]) == (
            "PAYMENT_SUCCESS",
            "COMPLETED",
            110_000,
        )
        assert answer["data"]["transactionId"].startswith("T")

    def test_declined(self, v1):
        v1.pay()
        v1.decide("V1-order-1", "failure", reason="U69")
        answer = v1.status().json()
        assert (answer["success"], answer["code"]) == (False, "PAYMENT_ERROR")
        assert answer["data"]["responseCode"] == "U69"

    def test_after_twenty_minutes_it_has_timed_out(self, v1):
        v1.pay()
        v1.control("clock/", {"advance": 20 * 60 - 1})
        assert v1.status().json()["code"] == "PAYMENT_PENDING"
        v1.control("clock/", {"advance": 2})
        assert v1.status().json()["code"] == "TIMED_OUT"

    def test_money_may_come_late(self, v1):
        v1.pay()
        v1.decide("V1-order-1", "expire")
        v1.decide("V1-order-1", "late_success")
        assert v1.status().json()["code"] == "PAYMENT_SUCCESS"

    def test_unknown(self, v1):
        assert v1.status("nobody").json()["code"] == "TRANSACTION_NOT_FOUND"

    def test_the_checksum_covers_the_path_and_a_header_names_the_merchant(self, v1):
        v1.pay()
        assert v1.status(**{"X-VERIFY": v1.seal("/pg/v1/status/PGTESTPAYUAT/other")}).status_code == 401
        assert v1.status(**{"X-MERCHANT-ID": None}).json() == BAD_REQUEST
        assert v1.status(merchant_id="M22SOMEBODY").json()["code"] == "KEY_NOT_CONFIGURED"


class TestRefund:
    @pytest.fixture(autouse=True)
    def paid(self, v1):
        v1.pay()
        v1.decide("V1-order-1", "success")

    def test_it_is_pending_and_the_same_status_route_tells_its_end(self, v1):
        answer = v1.refund().json()
        assert (answer["code"], answer["data"]["responseCode"]) == ("PAYMENT_PENDING", None)
        assert answer["data"]["transactionId"].startswith("P")
        assert v1.status("V1-refund-1").json() == answer
        v1.control("clock/", {"advance": 5})
        status = v1.status("V1-refund-1").json()
        assert (status["code"], status["data"]["state"]) == ("PAYMENT_SUCCESS", "COMPLETED")
        assert status["data"]["paymentInstrument"]["type"] == "UPI"

    def test_more_than_is_left_fails_and_stays_failed(self, v1):
        v1.refund("r1", amount=60_000)
        refused = v1.refund("r2", amount=60_000).json()
        assert (refused["code"], refused["data"]["responseCode"]) == ("PAYMENT_ERROR", "EXCESS_REFUND_AMOUNT")
        assert v1.status("r2").json()["data"]["state"] == "FAILED"

    def test_payments_and_refunds_share_their_ids(self, v1):
        assert v1.refund("V1-order-1").status_code == 417
        v1.refund("r1", amount=100)
        assert v1.refund("r1", amount=100).status_code == 417
        assert v1.pay("r1").status_code == 417

    def test_an_unpaid_or_unknown_payment_cannot_be_refunded(self, v1):
        v1.pay("V1-order-2")
        assert v1.refund(merchant_order_id="V1-order-2").json() == BAD_REQUEST
        assert v1.refund(merchant_order_id="nobody").json()["code"] == "TRANSACTION_NOT_FOUND"

    def test_the_published_salt_is_the_one_of_the_documentation(self):
        assert SALT.startswith("099eb0cd-")


class TestAddresses:
    def check(self, v1, vpa):
        return v1.post("/pg/v1/vpa/validate", {"merchantId": "PGTESTPAYUAT", "vpa": vpa})

    def test_a_valid_upi_id_is_accepted(self, v1):
        said = self.check(v1, "success@ybl").json()
        assert (said["success"], said["code"], said["data"]["vpa"]) == (True, "SUCCESS", "success@ybl")

    def test_an_invalid_upi_id_is_rejected(self, v1):
        refused = self.check(v1, "nobody")
        assert (refused.status_code, refused.json()["code"]) == (417, "INVALID_VPA")

    def test_it_needs_a_checksum_too(self, v1):
        sealed = {"X-VERIFY": v1.seal("something else")}
        payload = {"merchantId": "PGTESTPAYUAT", "vpa": "success@ybl"}
        assert v1.post("/pg/v1/vpa/validate", payload, sealed).status_code == 401

    def test_a_value_that_is_no_text_is_refused(self, v1):
        assert self.check(v1, 7).status_code == 400
