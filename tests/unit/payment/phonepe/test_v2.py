import json
from dataclasses import replace
from datetime import datetime, timezone
from urllib.parse import parse_qs

import pytest

from payment.phonepe import v2
from payment.phonepe.enums import Channel, Operation, ProviderStatus
from payment.phonepe.schemas import Order, RefundOrder, RequestOutcome, Unreadable
from tests.unit.payment import wire
from tests.unit.payment.wire import golden, golden_bytes

MERCHANT = wire.merchant("v2")
ORDER = Order(
    merchant_order_id="OKP-20260611-0001",
    amount_paise=149900,
    redirect_url="https://shop.example/pay/return/OKP-20260611-0001",
    callback_url="https://shop.example/unused",
    user_reference="U1042",
    message="Booking 1042",
    udf=(("udf1", "booking-1042"), ("udf11", "web_2.4")),
)


def test_an_order_is_written_byte_for_byte_as_phonepe_expects_it():
    request = v2.pay(MERCHANT, ORDER)
    assert (request.method, request.path) == ("POST", "/checkout/v2/pay")
    assert request.body == golden_bytes("g13_v2_pay_request")


def test_an_order_for_an_app_goes_to_the_address_of_mobile_sdks():
    request = v2.pay(MERCHANT, replace(ORDER, channel=Channel.SDK, mobile="9000000001"))
    assert (request.operation, request.method, request.path) == (
        Operation.PAY,
        "POST",
        "/checkout/v2/sdk/order",
    )
    assert request.body == golden_bytes("g29_v2_sdk_order_request")


def test_the_token_of_an_order_for_an_app_is_read():
    page = v2.read_page(Channel.SDK, golden("g30_v2_sdk_order_answer"))
    assert (page.order_token, page.provider_order_id) == (
        "eyJhbGciOiJIUzI1NiJ9.made-up.order-token",
        "OMO2606111012345678909999",
    )
    assert (page.url, page.intent_url) == ("", "")
    assert page.expires_at == datetime(2026, 6, 11, 4, 57, 34, tzinfo=timezone.utc)


@pytest.mark.parametrize("missing", ["token", "orderId"])
def test_the_sdk_can_do_nothing_without_token_and_order_id(missing):
    answer = golden("g30_v2_sdk_order_answer") | {missing: None}
    with pytest.raises(Unreadable):
        v2.read_page(Channel.SDK, answer)


def test_the_answer_of_the_other_channel_is_unreadable():
    with pytest.raises(Unreadable):
        v2.read_page(Channel.SDK, golden("g14_v2_pay_answer"))
    with pytest.raises(Unreadable):
        v2.read_page(Channel.PAGE, golden("g30_v2_sdk_order_answer"))


def test_a_known_indian_mobile_number_is_filled_in_on_the_page():
    assert v2.pay(MERCHANT, replace(ORDER, mobile="9000000001")).body == golden_bytes(
        "g31_v2_pay_request_prefilled"
    )


@pytest.mark.parametrize("mobile", [None, "", "+919876543210", "+447911123456", "12345", "९८७६५४३२१०"])
def test_no_other_number_is_sent(mobile):
    assert v2.pay(MERCHANT, replace(ORDER, mobile=mobile)).body == golden_bytes("g13_v2_pay_request")


@pytest.mark.parametrize(("wanted", "sent"), [(60, 300), (900, 900), (86_400, 3600)])
def test_the_life_of_a_page_stays_within_what_phonepe_allows(wanted, sent):
    order = Order("OKP1234567", 100, "https://a", "https://b", "U1", expire_after=wanted)
    assert json.loads(v2.pay(MERCHANT, order).body)["expireAfter"] == sent


def test_a_refund_is_written_byte_for_byte_as_phonepe_expects_it():
    refund = RefundOrder(
        "OKPR-20260611-0001", "OKP-20260611-0001", 149900, "U1042", "https://shop.example/unused"
    )
    request = v2.refund(MERCHANT, refund)
    assert (request.path, request.body) == ("/payments/v2/refund", golden_bytes("g21_v2_refund_request"))


def test_a_token_is_asked_for_as_a_form():
    request = v2.token_request(MERCHANT)
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode()) == {
        "client_id": ["CLIENT-1"],
        "client_version": ["1"],
        "client_secret": ["a-secret-of-ours"],
        "grant_type": ["client_credentials"],
    }


def test_a_token_is_spelt_o_bearer_and_never_shown():
    grant = v2.read_access_token(golden("g11_v2_token"))
    assert v2.authorization(grant) == {"Authorization": "O-Bearer eyJhbGciOiJIUzI1NiJ9.made-up.signature"}
    assert "made-up" not in repr(grant)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": None, "issued_at": 1, "expires_at": 2},
        {"access_token": "line\r\nbreak", "issued_at": 1, "expires_at": 2},
        {"access_token": "t", "issued_at": 2, "expires_at": 1},
        {"access_token": "t", "issued_at": 1, "expires_at": None},
    ],
)
def test_a_token_without_text_or_lifetime_is_no_token(answer):
    with pytest.raises(Unreadable):
        v2.read_access_token(answer)


def test_the_page_of_a_new_order_is_read():
    page = v2.read_page(Channel.PAGE, golden("g14_v2_pay_answer"))
    assert page.url.startswith("https://mercury-uat.phonepe.com/transact/uat_v2?token=")
    assert page.provider_order_id == "OMO2606111012345678901234"
    assert page.expires_at == datetime(2026, 6, 11, 4, 57, 34, tzinfo=timezone.utc)


def test_a_paid_order_is_completed_with_its_amount_and_bank_reference():
    status = v2.read_order_status(golden("g16_v2_status_completed"))
    assert (status.state, status.amount_paise, status.utr) == (
        ProviderStatus.COMPLETED,
        149900,
        "616200000043",
    )
    assert status.provider_transaction_id == "OM2606111013456789012345"


@pytest.mark.parametrize("split", [True, False])
def test_what_was_paid_by_card_is_found_at_the_bank_by_its_arn(split):
    source = {"rail": {"type": "PG"}, "instrument": {"type": "CREDIT_CARD", "arn": "74332746162000000042"}}
    told = {"splitInstruments": [source]} if split else source

    order = {"state": "COMPLETED", "paymentDetails": [{"state": "COMPLETED", **told}]}
    assert v2.read_order_status(order).utr == "74332746162000000042"
    assert v2.read_refund_status({"state": "COMPLETED", **told}).utr == "74332746162000000042"


def test_of_several_attempts_the_paid_one_tells():
    answer = golden("g16_v2_status_completed")
    answer["paymentDetails"].insert(0, {"transactionId": "OMFIRST", "state": "FAILED"})
    assert v2.read_order_status(answer).provider_transaction_id == "OM2606111013456789012345"


def test_an_order_nobody_has_tried_to_pay_is_pending():
    status = v2.read_order_status(golden("g15_v2_status_pending"))
    assert (status.state, status.provider_transaction_id) == (ProviderStatus.PENDING, "")


@pytest.mark.parametrize(("of_try", "told"), [("PENDING", "OM1"), ("FAILED", "")])
def test_no_bank_is_deciding_about_an_open_order_whose_last_try_has_failed(of_try, told):
    answer = {"state": "PENDING", "paymentDetails": [{"transactionId": "OM1", "state": of_try}]}
    assert v2.read_order_status(answer).provider_transaction_id == told


def test_a_failed_order_tells_why():
    status = v2.read_order_status(golden("g17_v2_status_failed"))
    assert (status.state, status.code, status.message) == (
        ProviderStatus.FAILED,
        "ZM",
        "Wrong MPIN was entered",
    )


def test_an_order_phonepe_does_not_know_is_not_found():
    assert v2.read_order_status(golden("g18_v2_order_unknown")).state is ProviderStatus.NOT_FOUND


@pytest.mark.parametrize("state", ["EXPIRED", "FAILED"])
def test_an_expired_order_has_failed(state):
    assert v2.read_order_status({"state": state}).state is ProviderStatus.FAILED


@pytest.mark.parametrize("state", ["PAID_MAYBE", "completed", None, 1, ["COMPLETED"]])
def test_a_word_we_do_not_know_is_neither_success_nor_failure(state):
    assert v2.read_order_status({"state": state}).state is ProviderStatus.UNKNOWN


@pytest.mark.parametrize("details", [None, "x", [], [None], [{"rail": 5, "splitInstruments": [7]}], {"a": 1}])
def test_strange_payment_details_do_not_hide_the_state(details):
    status = v2.read_order_status({"state": "COMPLETED", "amount": 100, "paymentDetails": details})
    assert (status.state, status.utr) == (ProviderStatus.COMPLETED, "")


def test_a_refund_goes_through_confirmed_to_completed():
    assert v2.read_refund_status(golden("g21_v2_refund_answer")).state is ProviderStatus.PENDING
    assert v2.read_refund_status({"state": "CONFIRMED"}).state is ProviderStatus.CONFIRMED
    status = v2.read_refund_status(golden("g22_v2_refund_status"))
    assert (status.state, status.amount_paise, status.utr) == (
        ProviderStatus.COMPLETED,
        149900,
        "616200000043",
    )
    assert (status.merchant_order_id, status.provider_refund_id) == (
        "OKP-20260611-0001",
        "OMR2606111201234567890001",
    )


@pytest.mark.parametrize(
    ("operation", "http_status", "answer", "outcome"),
    [
        (Operation.PAY, 200, golden("g14_v2_pay_answer"), None),
        (Operation.PAY, 417, golden("g20_v2_duplicate"), RequestOutcome.DUPLICATE_ID),
        (Operation.PAY, 400, {"code": "INVALID_MERCHANT_ORDER_ID"}, RequestOutcome.DUPLICATE_ID),
        (Operation.PAY, 400, {"code": "ORDER_ALREADY_EXISTS"}, RequestOutcome.DUPLICATE_ID),
        (Operation.PAY, 400, {"code": "BAD_REQUEST"}, RequestOutcome.REJECTED),
        (Operation.STATUS, 400, golden("g18_v2_order_unknown"), None),
        (Operation.STATUS, 404, {"code": "ORDER_NOT_FOUND"}, None),
        (Operation.STATUS, 400, {"message": "Bad Request - Api Mapping Not Found"}, RequestOutcome.REJECTED),
        (Operation.STATUS, 401, golden("g19_v2_unauthorized"), RequestOutcome.REJECTED),
        (Operation.STATUS, 404, {"code": "A_WORD_OF_NEXT_YEAR"}, RequestOutcome.REJECTED),
        (Operation.TOKEN, 401, golden("g12_v2_token_refused"), RequestOutcome.REJECTED),
        (Operation.REFUND, 417, golden("g20_v2_duplicate"), RequestOutcome.DUPLICATE_ID),
        (Operation.REFUND, 400, {"code": "BAD_REQUEST"}, RequestOutcome.REJECTED),
    ],
)
def test_an_answer_says_whether_the_same_may_be_said_again(operation, http_status, answer, outcome):
    assert v2.classify_answer(operation, http_status, answer) is outcome
