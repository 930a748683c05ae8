import base64
import json
from dataclasses import replace

import pytest

from payment.phonepe import v1
from payment.phonepe.enums import Channel, Operation, ProviderStatus
from payment.phonepe.schemas import Order, RefundOrder, RequestOutcome, Unreadable
from tests.unit.payment import wire
from tests.unit.payment.wire import TEST_SALT, golden, golden_bytes

MERCHANT = wire.merchant("v1")
ORDER = Order(
    merchant_order_id="OKP20260611A0001",
    amount_paise=149900,
    redirect_url="https://shop.example/pay/return/OKP20260611A0001",
    callback_url="https://shop.example/pay/phonepe/callback",
    user_reference="U1042",
    mobile="9000000001",
)


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def test_an_order_is_written_byte_for_byte_as_phonepe_expects_it():
    request = v1.pay(MERCHANT, ORDER)
    assert (request.method, request.path) == ("POST", "/pg/v1/pay")
    assert request.body == golden_bytes("g02_v1_pay_request")
    assert base64.b64decode(json.loads(request.body)["request"]) == golden_bytes("g01_v1_pay_payload")
    assert (
        request.headers["X-VERIFY"] == "195a36d3202f9bbd751a64d266fa60746bed27a4a65980279e6f5edddd52d8ad###1"
    )


@pytest.mark.parametrize("mobile", [None, "", "+919876543210", "+447911123456", "12345", "९८७६५४३२१०"])
def test_an_order_without_a_mobile_number_carries_none(mobile):
    order = Order("OKP1234567", 100, "https://a", "https://b", "U1", mobile=mobile)
    payload = json.loads(base64.b64decode(json.loads(v1.pay(MERCHANT, order).body)["request"]))
    assert "mobileNumber" not in payload
    assert payload["amount"] == 100


def test_a_upi_intent_is_written_byte_for_byte_in_paise():
    intent = replace(ORDER, channel=Channel.UPI_INTENT, target_app="com.phonepe.app", device_os="ANDROID")
    request = v1.pay(MERCHANT, intent)
    encoded = json.loads(request.body)["request"]
    assert (request.operation, request.path) == (Operation.PAY, "/pg/v1/pay")
    assert base64.b64decode(encoded) == golden_bytes("g32_v1_upi_intent_payload")
    assert request.headers["X-VERIFY"] == v1.checksum(encoded + "/pg/v1/pay", TEST_SALT, 1)


def test_phonepes_app_on_an_iphone_is_told_by_which_scheme_to_return():
    intent = replace(
        ORDER,
        channel=Channel.UPI_INTENT,
        target_app="PHONEPE",
        device_os="IOS",
        callback_scheme="com.okpuja.app",
    )
    payload = json.loads(base64.b64decode(json.loads(v1.pay(MERCHANT, intent).body)["request"]))
    assert payload["deviceContext"] == {"deviceOS": "IOS", "merchantCallBackScheme": "com.okpuja.app"}


def test_the_link_of_a_upi_intent_is_read():
    page = v1.read_page(Channel.UPI_INTENT, golden("g33_v1_upi_intent_answer"))
    assert page.intent_url.startswith("upi://pay?pa=PGTESTPAYUAT@ybl&pn=OkPuja&am=1499.00&")
    assert (page.url, page.order_token) == ("", "")


@pytest.mark.parametrize(
    "link",
    [
        None,
        "",
        7,
        "upi",
        "https://evil.example/pay",
        "HTTP://evil.example",
        "upi://pay?pn=a b",
        "javascript:x",
    ],
)
def test_what_opens_no_app_is_no_link(link):
    answer = {"success": True, "data": {"instrumentResponse": {"intentUrl": link}}}
    with pytest.raises(Unreadable):
        v1.read_page(Channel.UPI_INTENT, answer)


@pytest.mark.parametrize(
    "link", ["upi://pay?pa=a@b", "ppe://mandate", "phonepe://pay?am=1.00", "tez://upi/pay?a=1"]
)
def test_an_app_may_have_a_scheme_of_its_own(link):
    answer = {"success": True, "data": {"instrumentResponse": {"intentUrl": link}}}
    assert v1.read_page(Channel.UPI_INTENT, answer).intent_url == link


def test_the_answer_of_the_other_channel_is_unreadable():
    with pytest.raises(Unreadable):
        v1.read_page(Channel.UPI_INTENT, golden("g03_v1_pay_answer"))
    with pytest.raises(Unreadable):
        v1.read_page(Channel.PAGE, golden("g33_v1_upi_intent_answer"))


def test_a_question_is_signed_over_its_path_alone():
    request = v1.order_status(MERCHANT, "OKP20260611A0001")
    assert (request.method, request.body) == ("GET", b"")
    assert request.path == "/pg/v1/status/PGTESTPAYUAT/OKP20260611A0001"
    assert (
        request.headers["X-VERIFY"] == "7a73f689bbf0b834d5aa6db6ea887545d999ac8a659648147bd68d0fe9769fbb###1"
    )
    assert request.headers["X-MERCHANT-ID"] == "PGTESTPAYUAT"


def test_a_refund_is_asked_about_at_the_address_of_payments_under_its_own_id():
    assert v1.refund_status(MERCHANT, "RF1").path == "/pg/v1/status/PGTESTPAYUAT/RF1"


def test_a_refund_is_written_as_in_the_worked_example():
    refund = RefundOrder(
        "RF7850590068188104", "MT7850590068188104", 10000, "MUID123", "https://webhook.site/callback-url"
    )
    request = v1.refund(MERCHANT, refund)
    assert request.path == "/pg/v1/refund"
    assert (
        request.headers["X-VERIFY"] == "5f88b8caffc84af32d2736481ba4b4e23a9909788dadbb878f394ab0b6a00e1c###1"
    )


SAMPLE_PRINTED_BY_PHONEPE = """{
  "merchantId": "PGTESTPAYUAT",
  "merchantTransactionId": "MT7850590068188104",
  "merchantUserId": "MUID123",
  "amount": 10000,
  "redirectUrl": "https://webhook.site/redirect-url",
  "redirectMode": "REDIRECT",
  "callbackUrl": "https://webhook.site/callback-url",
  "mobileNumber": "9999999999",
  "paymentInstrument": {
    "type": "PAY_PAGE"
  }
}"""
MINIFIED = json.dumps(json.loads(SAMPLE_PRINTED_BY_PHONEPE), separators=(",", ":"))
CALLBACK = (
    '{"success":true,"code":"PAYMENT_SUCCESS","message":"Your payment is successful.","data":'
    '{"merchantId":"PGTESTPAYUAT","merchantTransactionId":"MT7850590068188104","transactionId":"T2111221437456190170379","amount":10000,'
    '"state":"COMPLETED","responseCode":"SUCCESS","paymentInstrument":{"type":"UPI","utr":"206378866112"}}}'
)


@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        (
            b64(SAMPLE_PRINTED_BY_PHONEPE) + "/pg/v1/pay",
            "d7a8e4458caa6fcd781166bbdc85fec76740c18cb9baa9a4c48cf2387d554180",
        ),
        (b64(MINIFIED) + "/pg/v1/pay", "ebe7e2b6d6f4881c56263e48b90870852097d9ee9b895054827ab1f76b6970fb"),
        (
            "/pg/v1/status/PGTESTPAYUAT/MT7850590068188104",
            "95c6d60f014b7190aa417083aca2489bb5b0a729d0421c17dea19f5913e6d741",
        ),
        (b64(CALLBACK), "73f849becf43c8640991323c08e5c9c7f061813593ffd1a0e4d163192b99980a"),
        (
            b64('{"merchantId":"PGTESTPAYUAT","vpa":"success@ybl"}') + "/pg/v1/vpa/validate",
            "aac1ebbc56e38495dec849c0969d12246046a55fda224850981c5ea19c5106c2",
        ),
        (
            "PAYMENT_SUCCESSPGTESTPAYUATMT785059006818810410000T2111221437456190170379",
            "550362c1153bd17a8cffc091e9bf0b3249e381ffd3dd98deeb49a59fe29da368",
        ),
    ],
    ids=["printed-sample", "minified-pay", "status", "callback", "vpa", "browser-form"],
)
def test_checksums_agree_with_the_worked_examples(signed, expected):
    assert v1.checksum(signed, TEST_SALT, 1) == f"{expected}###1"


def test_the_page_of_a_new_order_is_read():
    page = v1.read_page(Channel.PAGE, golden("g03_v1_pay_answer"))
    assert page.url == "https://mercury-uat.phonepe.com/transact/simulator?token=q7Zr1mVtExampleToken"
    assert page.expires_at is None


@pytest.mark.parametrize(
    "answer", [{}, {"success": True}, {"success": True, "data": {"instrumentResponse": []}}]
)
def test_an_answer_without_a_page_is_no_page(answer):
    with pytest.raises(Unreadable):
        v1.read_page(Channel.PAGE, answer)


def test_a_paid_order_is_completed_with_its_amount_and_bank_reference():
    status = v1.read_order_status(golden("g06_v1_status_success"))
    assert (status.state, status.amount_paise, status.utr) == (
        ProviderStatus.COMPLETED,
        149900,
        "616200000042",
    )
    assert (status.merchant_id, status.merchant_order_id) == ("PGTESTPAYUAT", "OKP20260611A0001")
    assert status.provider_transaction_id == "T2606111042169000000042"


@pytest.mark.parametrize("type", ["CARD", "NETBANKING"])
def test_what_was_paid_by_card_or_netbanking_is_found_at_the_bank_by_its_arn(type):
    answer = golden("g06_v1_status_success")
    answer["data"]["paymentInstrument"] = {"type": type, "utr": None, "arn": "74332746162000000042"}

    for read in (v1.read_order_status, v1.read_refund_status):
        assert read(answer).utr == "74332746162000000042"


def test_an_order_nobody_has_tried_to_pay_is_pending():
    status = v1.read_order_status(golden("g05_v1_status_pending"))
    assert (status.state, status.provider_transaction_id) == (ProviderStatus.PENDING, "")


def test_a_declined_order_has_failed():
    assert v1.read_order_status(golden("g07_v1_status_failed")).state is ProviderStatus.FAILED


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("TIMED_OUT", ProviderStatus.FAILED),
        ("PAYMENT_DECLINED", ProviderStatus.FAILED),
        ("PAYMENT_CANCELLED", ProviderStatus.FAILED),
        ("TRANSACTION_NOT_FOUND", ProviderStatus.NOT_FOUND),
        ("INTERNAL_SERVER_ERROR", ProviderStatus.UNKNOWN),
        ("A_WORD_OF_NEXT_YEAR", ProviderStatus.UNKNOWN),
        (None, ProviderStatus.UNKNOWN),
        ({"nested": 1}, ProviderStatus.UNKNOWN),
    ],
)
def test_a_word_we_do_not_know_is_neither_success_nor_failure(word, state):
    assert v1.read_order_status({"success": False, "code": word}).state is state


@pytest.mark.parametrize("state", ["PENDING", "FAILED", "SOMETHING", 7])
def test_a_success_that_contradicts_its_own_state_is_unknown(state):
    answer = golden("g06_v1_status_success")
    answer["data"]["state"] = state
    assert v1.read_order_status(answer).state is ProviderStatus.UNKNOWN


@pytest.mark.parametrize("amount", [1499.5, "1499.00", True, None, -1, [149900], 10**30])
def test_an_amount_that_is_not_whole_paise_is_no_amount(amount):
    answer = golden("g06_v1_status_success")
    answer["data"]["amount"] = amount
    assert v1.read_order_status(answer).amount_paise is None


def test_an_accepted_refund_is_pending():
    status = v1.read_refund_status(golden("g09_v1_refund_answer"))
    assert (status.state, status.amount_paise) == (ProviderStatus.PENDING, 149900)
    assert (status.merchant_refund_id, status.provider_refund_id) == (
        "OKPRF20260611A0001",
        "P2606111201009000000007",
    )


@pytest.mark.parametrize(
    ("operation", "http_status", "answer", "outcome"),
    [
        (Operation.PAY, 200, {"success": True, "code": "PAYMENT_INITIATED"}, None),
        (Operation.PAY, 417, golden("g10_v1_duplicate"), RequestOutcome.DUPLICATE_ID),
        (Operation.PAY, 400, golden("g10_v1_duplicate"), RequestOutcome.DUPLICATE_ID),
        (Operation.PAY, 400, golden("g04_v1_key_not_configured"), RequestOutcome.REJECTED),
        (Operation.PAY, 200, golden("g04_v1_key_not_configured"), RequestOutcome.REJECTED),
        (
            Operation.PAY,
            200,
            {"success": False, "code": "INTERNAL_SECURITY_BLOCK_2"},
            RequestOutcome.REJECTED,
        ),
        (Operation.PAY, 200, {"success": False, "code": "INTERNAL_SERVER_ERROR"}, RequestOutcome.AMBIGUOUS),
        (Operation.STATUS, 200, golden("g04_v1_key_not_configured"), RequestOutcome.REJECTED),
        (Operation.STATUS, 404, {"success": False, "code": "TRANSACTION_NOT_FOUND"}, None),
        (Operation.STATUS, 404, {"success": False, "code": "404"}, RequestOutcome.REJECTED),
        (Operation.REFUND, 200, {"success": False, "code": "PAYMENT_ERROR"}, None),
        (Operation.REFUND, 400, {"success": False, "code": "BAD_REQUEST"}, RequestOutcome.REJECTED),
    ],
)
def test_an_answer_says_whether_the_same_may_be_said_again(operation, http_status, answer, outcome):
    assert v1.classify_answer(operation, http_status, answer) is outcome
