import base64
import hashlib
import hmac
import json

import pytest

from payment.gateways import NotAuthentic, authenticate_webhook
from payment.phonepe.credentials import Identity
from payment.phonepe.enums import ProviderStatus
from tests.unit.payment.wire import TEST_SALT, golden_bytes

HOOK = hashlib.sha256(b"okpuja_hook:Passw0rd9").hexdigest()
V2_IDENTITY = Identity("v2", "UAT", "SU123", False)
COMPLETED = golden_bytes("g23_v2_webhook_order_completed")


@pytest.fixture(autouse=True)
def shop(settings):
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_MERCHANT_ID, settings.PHONEPE_SALT_KEY = "M2OURS", TEST_SALT
    settings.PHONEPE_CLIENT_ID, settings.PHONEPE_CLIENT_SECRET = "SU123", "a-secret"
    settings.PHONEPE_WEBHOOK_USERNAME, settings.PHONEPE_WEBHOOK_PASSWORD = "okpuja_hook", "Passw0rd9"
    settings.PHONEPE_WEBHOOK_SECRET = "whsec-example-0001"
    return settings


def hmac_of(body, key="whsec-example-0001"):
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def v1_callback(answer, salt=TEST_SALT, index="1"):
    """Headers and body as PhonePe sends them: only the base64 text is signed."""
    text = base64.b64encode(answer if isinstance(answer, bytes) else json.dumps(answer).encode()).decode()
    digest = hashlib.sha256((text + salt).encode()).hexdigest()
    return {"X-VERIFY": f"{digest}###{index}"}, json.dumps({"response": text}).encode()


# --- V2, the login ---


def test_the_login_in_the_golden_header_is_ours():
    assert HOOK == "9129466c98367c608d28f042dbbf8305ed89c4755288c46a500752d052f6808c"


@pytest.mark.parametrize("value", [HOOK, HOOK.upper(), f" {HOOK} "])
@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_a_paid_order_is_announced(name, value):
    claim = authenticate_webhook({name: value}, COMPLETED)
    assert (claim.identity, claim.scheme) == (V2_IDENTITY, "authorization")
    assert (claim.event, claim.state) == ("checkout.order.completed", ProviderStatus.COMPLETED)
    assert (claim.merchant_order_id, claim.merchant_refund_id) == ("OKP-20260611-0001", "")
    assert (claim.amount_paise, claim.merchant_id) == (149900, "M2EXAMPLE0001")


def test_a_failed_order_is_announced():
    claim = authenticate_webhook({"Authorization": HOOK}, golden_bytes("g24_v2_webhook_order_failed"))
    assert (claim.event, claim.state) == ("checkout.order.failed", ProviderStatus.FAILED)


def test_a_refund_is_announced_with_both_ids():
    claim = authenticate_webhook({"Authorization": HOOK}, golden_bytes("g25_v2_webhook_refund_completed"))
    assert (claim.merchant_refund_id, claim.merchant_order_id) == ("OKPR-20260611-0001", "OKP-20260611-0001")
    assert (claim.event, claim.state) == ("pg.refund.completed", ProviderStatus.COMPLETED)


def test_the_older_type_names_an_event_that_carries_no_newer_name():
    body = json.dumps({"type": "CHECKOUT_ORDER_COMPLETED", "payload": {"merchantOrderId": "A1"}}).encode()
    assert authenticate_webhook({"Authorization": HOOK}, body).event == "CHECKOUT_ORDER_COMPLETED"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer x",
        HOOK[:-1],
        f"Basic {HOOK}",
        hashlib.sha256(b":").hexdigest(),
        hashlib.sha256(b"okpuja_hook:wrong").hexdigest(),
        "é" * 64,
    ],
)
def test_a_stranger_announces_nothing(value):
    with pytest.raises(NotAuthentic) as caught:
        authenticate_webhook({"Authorization": value}, COMPLETED)
    assert caught.value.status_code == 401


def test_a_login_that_is_not_set_opens_to_nobody(shop):
    shop.PHONEPE_WEBHOOK_USERNAME = shop.PHONEPE_WEBHOOK_PASSWORD = ""
    for value in ("", hashlib.sha256(b":").hexdigest()):
        with pytest.raises(NotAuthentic):
            authenticate_webhook({"Authorization": value}, COMPLETED)


# --- V2, the HMAC pair ---


def test_the_hmac_of_the_worked_example_is_ours():
    body = (
        b'{"event":"checkout.order.completed","payload":{"merchantOrderId":"ORD-20260611-0001",'
        b'"state":"COMPLETED","amount":10000}}'
    )
    assert hmac_of(body) == "2863dd1bfb58df942506696a4786e2796261e9f64657587d92d0feacf5f2907c"
    claim = authenticate_webhook({"x-phonepe-checksum-signature": hmac_of(body)}, body)
    assert (claim.scheme, claim.merchant_order_id, claim.amount_paise) == ("hmac", "ORD-20260611-0001", 10000)


def test_one_changed_byte_breaks_the_hmac():
    with pytest.raises(NotAuthentic):
        authenticate_webhook({"X-PhonePe-Checksum-Signature": hmac_of(COMPLETED)}, COMPLETED + b" ")


def test_an_hmac_secret_that_is_not_set_is_a_key_for_nobody(shop):
    shop.PHONEPE_WEBHOOK_SECRET = ""
    with pytest.raises(NotAuthentic):
        authenticate_webhook({"X-PhonePe-Checksum-Signature": hmac_of(COMPLETED, "")}, COMPLETED)


# --- V1 ---


def test_a_v1_callback_may_be_about_a_payment_or_a_refund(settings):
    settings.PHONEPE_MERCHANT_ID = "PGTESTPAYUAT"
    header = {"X-VERIFY": "e6a5a126bea3100aa2d080dcf7e31554ffba88f6e00e413df20ea977bf00a166###1"}
    claim = authenticate_webhook(header, golden_bytes("g08_v1_callback"))
    assert (claim.scheme, claim.event, claim.state) == (
        "x-verify",
        "PAYMENT_SUCCESS",
        ProviderStatus.COMPLETED,
    )
    assert claim.merchant_order_id == claim.merchant_refund_id == "OKP20260611A0001"
    assert (claim.amount_paise, claim.merchant_id) == (149900, "PGTESTPAYUAT")


@pytest.mark.parametrize("index", ["", "2", "one", "²", "-1", "1" * 5000])
def test_a_v1_callback_under_an_unknown_salt_index_is_refused(index):
    headers, body = v1_callback({"code": "PAYMENT_SUCCESS"}, index=index)
    with pytest.raises(NotAuthentic):
        authenticate_webhook(headers, body)


@pytest.mark.parametrize("salt", ["", "another-salt", TEST_SALT + "/pg/v1/pay"])
def test_a_v1_callback_signed_with_another_salt_is_refused(salt):
    with pytest.raises(NotAuthentic):
        authenticate_webhook(*v1_callback({"code": "PAYMENT_SUCCESS"}, salt=salt))


def test_callbacks_for_former_credentials_are_still_understood(shop):
    shop.PHONEPE_PREVIOUS = [{"merchant_id": "M1OLD", "salt_key": "old-salt", "salt_index": 3}]
    claim = authenticate_webhook(*v1_callback({"code": "PAYMENT_ERROR"}, salt="old-salt", index="3"))
    assert claim.identity == Identity("v1", "UAT", "M1OLD", False)


def test_a_changed_salt_and_a_changed_login_are_both_still_understood(shop):
    shop.PHONEPE_PREVIOUS = [
        {"merchant_id": "M2OURS", "salt_key": "old-salt", "salt_index": 2},
        {"client_id": "SU123", "webhook_username": "old_hook", "webhook_password": "Old-pass-1"},
    ]
    assert authenticate_webhook(*v1_callback({"code": "PAYMENT_ERROR"}, salt="old-salt", index="2"))
    old_login = hashlib.sha256(b"old_hook:Old-pass-1").hexdigest()
    assert authenticate_webhook({"Authorization": old_login}, COMPLETED).identity == V2_IDENTITY


def test_a_v1_callback_without_base64_is_unreadable_but_authentic():
    text = "not base64!"
    digest = hashlib.sha256((text + TEST_SALT).encode()).hexdigest()
    claim = authenticate_webhook({"X-VERIFY": f"{digest}###1"}, json.dumps({"response": text}).encode())
    assert (claim.event, claim.state) == ("unreadable", ProviderStatus.UNKNOWN)


# --- bodies that nobody should send ---

STRANGE = {
    "nothing": b"",
    "no JSON": b"hello",
    "not UTF-8": b"\xff\xfe\x00",
    "a list": b"[]",
    "a number": b"7",
    "no payload": b'{"event": "checkout.order.completed"}',
    "payload is a list": b'{"payload": [1]}',
    "nested too deep": b'{"payload":' * 10_000,
    "nested too deep, closed": b"[" * 10_000 + b"]" * 10_000,
    "a number too long": b'{"payload": {"amount": ' + b"9" * 10_000 + b"}}",
    "response is a number": b'{"response": 7}',
}


@pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE.keys())
def test_an_authentic_call_that_cannot_be_read_is_kept_as_such(body):
    claim = authenticate_webhook({"Authorization": HOOK}, body)
    assert (claim.event, claim.state, claim.merchant_order_id) == ("unreadable", ProviderStatus.UNKNOWN, "")


@pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE.keys())
def test_a_strange_body_proves_nothing(body):
    for headers in ({}, {"X-VERIFY": "0" * 64 + "###1"}, {"Authorization": "x"}):
        with pytest.raises(NotAuthentic):
            authenticate_webhook(headers, body)


@pytest.mark.parametrize(
    "payload",
    [
        {"merchantOrderId": 7, "state": [], "amount": "many", "merchantId": {}},
        {"merchantOrderId": "A\u0000B", "state": "COMPLETED\u0000", "amount": 1499.5, "merchantId": "\ud800"},
        {"merchantOrderId": "../../etc", "state": {}, "amount": True, "merchantId": "x" * 10_000},
    ],
)
def test_members_of_the_wrong_type_say_nothing(payload):
    body = json.dumps({"event": "e\u0000" + "x" * 500, "payload": {**payload, "orderId": "OMO1"}}).encode()
    claim = authenticate_webhook({"Authorization": HOOK}, body)
    assert (claim.merchant_order_id, claim.amount_paise, claim.merchant_id) == ("", None, None)
    assert claim.state is ProviderStatus.UNKNOWN
    assert "\0" not in claim.event
    assert len(claim.event) <= 64


def test_the_simulator_is_believed_only_while_simulation_is_on(shop):
    headers = {"Authorization": hashlib.sha256(b"sim_hook:Sim-pass-9").hexdigest()}
    with pytest.raises(NotAuthentic):
        authenticate_webhook(headers, COMPLETED)
    shop.PHONEPE_SIMULATION_MODE = True
    assert authenticate_webhook(headers, COMPLETED).identity == Identity("v2", "UAT", "SIM-CLIENT", True)
