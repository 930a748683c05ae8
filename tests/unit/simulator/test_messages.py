"""The simulator says the golden messages byte for byte, and proves them with the worked hashes."""

import base64
from datetime import datetime, timezone

import pytest

from simulator import v1_messages, v2_messages
from simulator.models import Attempt, Merchant, Order, Refund, State, Token
from simulator.wire import to_json
from tests.harness import ROOT

GOLDEN = ROOT / "tests/harness/golden"
SALT = "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399"
V1 = Merchant(generation="v1", merchant_id="PGTESTPAYUAT", salt_key=SALT, salt_index=1)
V2 = Merchant(
    generation="v2",
    merchant_id="M2EXAMPLE0001",
    webhook_username="okpuja_hook",
    webhook_password="Passw0rd9",
    webhook_secret="whsec-example-0001",
    webhook_key_id="CF-1",
)
META = {"udf1": "booking-1042", "udf11": "web_2.4"}


def golden(name):
    return (GOLDEN / f"{name}.json").read_bytes()


def at(milliseconds):
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, tz=timezone.utc).replace(microsecond=rest * 1000)


def v1_order(**changes):
    return Order(merchant=V1, merchant_order_id="OKP20260611A0001", amount_paise=149_900, **changes)


def v1_attempt(order):
    return Attempt(
        order=order,
        provider_id="T2606111042169000000042",
        amount_paise=149_900,
        state=State.COMPLETED,
        utr="616200000042",
        upi_transaction_id="YBL0000000000000000000000000000042",
    )


def paid_order():
    return Order(
        merchant=V2,
        merchant_order_id="OKP-20260611-0001",
        provider_id="OMO2606111012345678901234",
        amount_paise=149_900,
        state=State.COMPLETED,
        meta_info=META,
        expires_at=at(1781153854567),
    )


def paid_attempt():
    return Attempt(
        provider_id="OM2606111013456789012345",
        amount_paise=149_900,
        state=State.COMPLETED,
        mode="UPI_QR",
        utr="616200000043",
        upi_transaction_id="YBL0000000000000000000000000000043",
        created_at=at(1781153025698),
    )


def failed_order():
    return Order(
        merchant=V2,
        merchant_order_id="OKP-20260611-0002",
        provider_id="OMO2606111112345678905555",
        amount_paise=149_900,
        state=State.FAILED,
        error_code="INVALID_MPIN",
        detailed_error_code="ZM",
        meta_info=META,
        expires_at=at(1781157454567),
    )


def failed_attempt(error_code):
    return Attempt(
        provider_id="OM2606111113456789016666",
        amount_paise=149_900,
        state=State.FAILED,
        mode="UPI_COLLECT",
        error_code=error_code,
        detailed_error_code="ZM",
        created_at=at(1781156625698),
    )


def returned_money():
    return Refund(
        merchant=V2,
        order=paid_order(),
        merchant_refund_id="OKPR-20260611-0001",
        provider_id="OMR2606111201234567890001",
        amount_paise=149_900,
        state=State.COMPLETED,
        created_at=at(1781159483471),
    )


class TestV1:
    def test_a_payment_that_was_opened(self):
        page = "https://mercury-uat.phonepe.com/transact/simulator?token=q7Zr1mVtExampleToken"
        shown = {"type": "PAY_PAGE", "redirectInfo": {"url": page, "method": "GET"}}
        assert to_json(v1_messages.payment_initiated(v1_order(), shown)) == golden("g03_v1_pay_answer")

    def test_a_merchant_without_a_key(self):
        assert to_json(v1_messages.key_not_configured()) == golden("g04_v1_key_not_configured")

    def test_a_payment_without_attempts(self):
        assert to_json(v1_messages.payment(v1_order(), None)) == golden("g05_v1_status_pending")

    def test_a_payment_that_was_paid(self):
        order = v1_order(state=State.COMPLETED)
        assert to_json(v1_messages.payment(order, v1_attempt(order))) == golden("g06_v1_status_success")

    def test_a_payment_that_failed(self):
        order = v1_order(state=State.FAILED, error_code="PAYMENT_ERROR")
        assert to_json(v1_messages.payment(order, None)) == golden("g07_v1_status_failed")

    def test_the_callback_of_a_paid_one_and_its_proof(self):
        order = v1_order(state=State.COMPLETED)
        said = v1_messages.callback(v1_messages.payment(order, v1_attempt(order)))
        assert to_json(said) == golden("g08_v1_callback")
        proof = "e6a5a126bea3100aa2d080dcf7e31554ffba88f6e00e413df20ea977bf00a166###1"
        assert v1_messages.checksum(said["response"], V1) == proof

    def test_a_refund_that_was_accepted(self):
        refund = Refund(
            merchant=V1,
            merchant_refund_id="OKPRF20260611A0001",
            provider_id="P2606111201009000000007",
            amount_paise=149_900,
        )
        assert to_json(v1_messages.refund(refund)) == golden("g09_v1_refund_answer")

    def test_an_id_used_twice(self):
        assert to_json(v1_messages.duplicate_id()) == golden("g10_v1_duplicate")

    @pytest.mark.parametrize(
        ("text", "digest"),
        [
            pytest.param(
                "/pg/v1/status/PGTESTPAYUAT/MT7850590068188104",
                "95c6d60f014b7190aa417083aca2489bb5b0a729d0421c17dea19f5913e6d741",
                id="status",
            ),
            pytest.param(
                "/pg/v1/status/PGTESTPAYUAT/OKP20260611A0001",
                "7a73f689bbf0b834d5aa6db6ea887545d999ac8a659648147bd68d0fe9769fbb",
                id="status of the golden order",
            ),
            pytest.param(
                "eyJtZXJjaGFudElkIjoiUEdURVNUUEFZVUFUIiwidnBhIjoic3VjY2Vzc0B5YmwifQ==/pg/v1/vpa/validate",
                "aac1ebbc56e38495dec849c0969d12246046a55fda224850981c5ea19c5106c2",
                id="address check",
            ),
        ],
    )
    def test_the_worked_checksums(self, text, digest):
        assert v1_messages.checksum(text, V1) == f"{digest}###1"

    def test_the_worked_checksum_of_a_payment_indented_like_the_documentation(self):
        text = base64.b64encode(golden_indented().encode()).decode()
        proof = "d7a8e4458caa6fcd781166bbdc85fec76740c18cb9baa9a4c48cf2387d554180###1"
        assert v1_messages.checksum(text + "/pg/v1/pay", V1) == proof

    def test_the_worked_checksum_of_the_same_payment_on_one_line(self):
        text = base64.b64encode(one_line().encode()).decode()
        proof = "ebe7e2b6d6f4881c56263e48b90870852097d9ee9b895054827ab1f76b6970fb###1"
        assert v1_messages.checksum(text + "/pg/v1/pay", V1) == proof

    def test_the_worked_checksum_of_a_callback(self):
        said = {
            "success": True,
            "code": "PAYMENT_SUCCESS",
            "message": "Your payment is successful.",
            "data": {
                "merchantId": "PGTESTPAYUAT",
                "merchantTransactionId": "MT7850590068188104",
                "transactionId": "T2111221437456190170379",
                "amount": 10000,
                "state": "COMPLETED",
                "responseCode": "SUCCESS",
                "paymentInstrument": {"type": "UPI", "utr": "206378866112"},
            },
        }
        proof = "73f849becf43c8640991323c08e5c9c7f061813593ffd1a0e4d163192b99980a###1"
        assert v1_messages.checksum(v1_messages.callback(said)["response"], V1) == proof

    def test_the_worked_checksum_of_a_refund(self):
        payload = (
            '{"merchantId":"PGTESTPAYUAT","merchantUserId":"MUID123","originalTransactionId":"MT7850590068188104",'
            '"merchantTransactionId":"RF7850590068188104","amount":10000,'
            '"callbackUrl":"https://webhook.site/callback-url"}'
        )
        text = base64.b64encode(payload.encode()).decode()
        proof = "5f88b8caffc84af32d2736481ba4b4e23a9909788dadbb878f394ab0b6a00e1c###1"
        assert v1_messages.checksum(text + "/pg/v1/refund", V1) == proof

    def test_the_golden_request_carries_the_golden_payload_and_its_proof(self):
        text = base64.b64encode(golden("g01_v1_pay_payload")).decode()
        assert to_json({"request": text}) == golden("g02_v1_pay_request")
        proof = "195a36d3202f9bbd751a64d266fa60746bed27a4a65980279e6f5edddd52d8ad###1"
        assert v1_messages.checksum(text + "/pg/v1/pay", V1) == proof

    def test_the_worked_checksum_of_the_form_the_browser_posts(self):
        order = Order(
            merchant=V1, merchant_order_id="MT7850590068188104", amount_paise=10_000, state=State.COMPLETED
        )
        fields = v1_messages.build_return_form(order, Attempt(provider_id="T2111221437456190170379"))
        assert fields["checksum"] == "550362c1153bd17a8cffc091e9bf0b3249e381ffd3dd98deeb49a59fe29da368###1"


class TestV2:
    def test_a_token(self):
        row = Token(
            value="eyJhbGciOiJIUzI1NiJ9.made-up.signature",
            issued_at=at(1781150400000),
            expires_at=at(1781775000000),
        )
        assert to_json(v2_messages.token(row)) == golden("g11_v2_token")

    def test_a_client_that_is_refused(self):
        said = v2_messages.invalid_client("OIM004", "Unauthorized", "00ab12cd34ef5678")
        assert to_json(said) == golden("g12_v2_token_refused")

    def test_an_order_that_was_opened(self):
        order = paid_order()
        order.state = State.PENDING
        page = "https://mercury-uat.phonepe.com/transact/uat_v2?token=eyJhbGciOiJIUzI1NiJ9.made-up.token"
        assert to_json(v2_messages.order_created(order, {"redirectUrl": page})) == golden("g14_v2_pay_answer")

    def test_an_order_without_attempts(self):
        order = paid_order()
        order.state = State.PENDING
        assert to_json(v2_messages.order_status(order, [])) == golden("g15_v2_status_pending")

    def test_an_order_that_was_paid(self):
        said = v2_messages.order_status(paid_order(), [paid_attempt()])
        assert to_json(said) == golden("g16_v2_status_completed")

    def test_an_order_that_failed_and_why(self):
        said = v2_messages.order_status(failed_order(), [failed_attempt("INVALID_MPIN")], explain=True)
        assert to_json(said) == golden("g17_v2_status_failed")

    def test_an_unknown_order(self):
        assert to_json(v2_messages.order_not_found()) == golden("g18_v2_order_unknown")

    def test_a_token_that_is_refused(self):
        assert to_json(v2_messages.unauthorized()) == golden("g19_v2_unauthorized")

    def test_an_id_used_twice(self):
        assert to_json(v2_messages.duplicate_id()) == golden("g20_v2_duplicate")

    def test_a_refund_that_was_accepted(self):
        refund = returned_money()
        refund.state = State.PENDING
        assert to_json(v2_messages.refund_accepted(refund)) == golden("g21_v2_refund_answer")

    def test_a_refund_that_arrived(self):
        assert to_json(v2_messages.refund_status(returned_money(), paid_attempt())) == golden(
            "g22_v2_refund_status"
        )

    def test_the_webhook_of_a_paid_order(self):
        said = v2_messages.order_event("order.completed", paid_order(), [paid_attempt()])
        assert to_json(said) == golden("g23_v2_webhook_order_completed")

    def test_the_webhook_of_a_failed_order(self):
        said = v2_messages.order_event(
            "order.failed", failed_order(), [failed_attempt("AUTHORIZATION_ERROR")]
        )
        assert to_json(said) == golden("g24_v2_webhook_order_failed")

    def test_the_webhook_of_a_refund_that_arrived(self):
        said = v2_messages.refund_event("completed", returned_money(), "UPI_QR")
        assert to_json(said) == golden("g25_v2_webhook_refund_completed")

    @pytest.mark.parametrize(
        ("username", "password", "digest"),
        [
            ("user", "pass", "ef4c914c591698b268db3c64163eafda7209a630f236ebf0eebf045460df723a"),
            ("username", "password", "bc842c31a9e54efe320d30d948be61291f3ceee4766e36ab25fa65243cd76e0e"),
            ("okpuja_hook", "Passw0rd9", "9129466c98367c608d28f042dbbf8305ed89c4755288c46a500752d052f6808c"),
        ],
    )
    def test_the_constant_that_stands_in_the_authorization_header(self, username, password, digest):
        assert v2_messages.shared_secret(username, password) == digest

    def test_a_signed_webhook_is_signed_over_its_bytes(self):
        body = (
            b'{"event":"checkout.order.completed","payload":'
            b'{"merchantOrderId":"ORD-20260611-0001","state":"COMPLETED","amount":10000}}'
        )
        signature = "2863dd1bfb58df942506696a4786e2796261e9f64657587d92d0feacf5f2907c"
        signing = Merchant(webhook_scheme="hmac", webhook_secret="whsec-example-0001", webhook_key_id="CF-1")
        assert v2_messages.webhook_headers(signing, body) == {
            "x-phonepe-checksum-key-id": "CF-1",
            "x-phonepe-checksum-signature": signature,
        }


SAMPLE = (
    '"merchantId": "PGTESTPAYUAT"',
    '"merchantTransactionId": "MT7850590068188104"',
    '"merchantUserId": "MUID123"',
    '"amount": 10000',
    '"redirectUrl": "https://webhook.site/redirect-url"',
    '"redirectMode": "REDIRECT"',
    '"callbackUrl": "https://webhook.site/callback-url"',
    '"mobileNumber": "9999999999"',
)


def golden_indented():
    members = ",\n  ".join(SAMPLE)
    return "{\n  " + members + ',\n  "paymentInstrument": {\n    "type": "PAY_PAGE"\n  }\n}'


def one_line():
    return "{" + ",".join(SAMPLE).replace('": ', '":') + ',"paymentInstrument":{"type":"PAY_PAGE"}}'
