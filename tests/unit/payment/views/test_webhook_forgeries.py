"""Who is believed at the door for PhonePe: every slip of the pen and every forgery we could think of.

The proofs are made here by the formulas PhonePe publishes, not by our own code.
"""

import base64
import hashlib
import hmac
import json
from functools import partial

import pytest
from django.test import Client

from booking.models import Booking
from payment.models import LedgerEntry, Payment, WebhookEvent
from payment.services.checkout import start_payment
from payment.services.webhooks import receive_webhook
from simulator.webhook_deliveries import authentication_headers
from tests.harness.races import at_once
from worker.jobs import run_due

pytestmark = [pytest.mark.proof(every=7), pytest.mark.django_db(transaction=True)]

WEBHOOK = "/api/payments/webhook/phonepe/"
# What the simulated PhonePe signs with: published, and worth nothing.
SALT, LOGIN, SECRET = "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399", b"sim_hook:Sim-pass-9", b"sim-hmac-secret"


def post(headers, body, content_type="application/json"):
    return Client().post(WEBHOOK, body, content_type=content_type, headers=headers)


def sha256(text):
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


def hmac_of(body, secret=SECRET):
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def sealed(body):
    return json.loads(body)["response"]


def opened(body):
    return base64.b64decode(sealed(body))


def resealed(encode):
    """The callback with its base64 text spelt in another way, and the header that would fit the usual spelling."""

    def forge(body):
        text = encode(opened(body))
        assert text != sealed(body)
        return {"X-VERIFY": f"{sha256(sealed(body) + SALT)}###1"}, json.dumps({"response": text}).encode()

    return forge


def x_verify(formula):
    return lambda body: ({"X-VERIFY": formula(body)}, body)


def signature(formula):
    return lambda body: ({"x-phonepe-checksum-signature": formula(body)}, body)


def authorization(value):
    return lambda body: ({"Authorization": value}, body)


V1_FORGERIES = {
    "the outer JSON is hashed": x_verify(lambda body: f"{sha256(body + SALT.encode())}###1"),
    "the decoded JSON is hashed": x_verify(lambda body: f"{sha256(opened(body) + SALT.encode())}###1"),
    "the formula of a request": x_verify(lambda body: f"{sha256(sealed(body) + '/pg/v1/pay' + SALT)}###1"),
    "our own path in it": x_verify(lambda body: f"{sha256(sealed(body) + WEBHOOK + SALT)}###1"),
    "an unknown salt index": x_verify(lambda body: f"{sha256(sealed(body) + SALT)}###2"),
    "no salt index": x_verify(lambda body: sha256(sealed(body) + SALT)),
    "the index as salt": x_verify(lambda body: f"{sha256(sealed(body) + '1')}###1"),
    "an empty salt": x_verify(lambda body: f"{sha256(sealed(body))}###1"),
    "cut short": x_verify(lambda body: f"{sha256(sealed(body) + SALT)[:-1]}###1"),
    "cut to nothing": x_verify(lambda body: "###1"),
    "an HMAC": x_verify(lambda body: f"{hmac_of(sealed(body).encode(), SALT.encode())}###1"),
    "wrapped lines": resealed(lambda text: base64.encodebytes(text).decode()),
    "no padding": resealed(
        lambda text: base64.b64encode(text + b" " * (1 - len(text) % 3)).decode().rstrip("=")
    ),
    "another answer": resealed(lambda text: base64.b64encode(text.replace(b"COMPLETED", b"FAILED")).decode()),
    "the login of V2, cut": authorization(sha256(LOGIN)[:-1]),
}
V2_FORGERIES = {
    "cut short": authorization(sha256(LOGIN)[:-1]),
    "twice": authorization(sha256(LOGIN) * 2),
    "with a word before it": authorization(f"SHA256({sha256(LOGIN)})"),
    "as Basic": authorization("Basic " + base64.b64encode(LOGIN).decode()),
    "the login in clear": authorization(LOGIN.decode()),
    "an empty login": authorization(sha256(":")),
    "a user without password": authorization(sha256("sim_hook:")),
    "an HMAC as Authorization": lambda body: ({"Authorization": hmac_of(body)}, body),
    "the login as a signature": signature(lambda body: sha256(LOGIN)),
    "an HMAC with an empty key": signature(lambda body: hmac_of(body, b"")),
    "an HMAC of another body": signature(
        lambda body: hmac_of(json.dumps(json.loads(body), indent=1).encode())
    ),
    "an HMAC cut short": signature(lambda body: hmac_of(body)[:-1]),
    "a plain hash": signature(lambda body: sha256(body + SECRET)),
}
FORGERIES = [("v1", name) for name in V1_FORGERIES] + [("v2", name) for name in V2_FORGERIES]


@pytest.fixture
def paid(settings, alice, cart, phonepe):
    """Pays an order of that generation: the body of the genuine webhook."""

    def pay(generation):
        settings.PHONEPE_API_VERSION = generation
        phonepe.decide(start_payment(alice, cart_id=cart.pk).attempt.merchant_order_id)
        return phonepe.webhooks[-1].body.encode()

    return pay


@pytest.mark.parametrize(("generation", "name"), FORGERIES)
def test_a_forgery_is_refused_and_leaves_no_trace(paid, generation, name):
    forge = (V1_FORGERIES if generation == "v1" else V2_FORGERIES)[name]
    answer = post(*forge(paid(generation)))

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authentic")
    assert not WebhookEvent.objects.exists()
    assert not LedgerEntry.objects.exists()
    assert Payment.objects.get().is_open


GENUINE = {
    "capital hexadecimal, V1": ("v1", x_verify(lambda body: f"{sha256(sealed(body) + SALT).upper()}###1")),
    "capital hexadecimal, V2": ("v2", authorization(sha256(LOGIN).upper())),
    "blanks around it": ("v2", authorization(f"  {sha256(LOGIN)} ")),
    "a signature of the body": ("v2", signature(hmac_of)),
    "a capital signature": ("v2", signature(lambda body: hmac_of(body).upper())),
}


@pytest.mark.parametrize(("generation", "sign"), GENUINE.values(), ids=GENUINE.keys())
def test_hexadecimal_is_hexadecimal_however_it_is_spelt(paid, generation, sign):
    assert post(*sign(paid(generation))).status_code == 200
    assert Payment.objects.get().fulfilment == "BOOKED"


@pytest.mark.parametrize("encode", [base64.encodebytes, lambda text: base64.b64encode(text * 2)[:-3]])
def test_a_callback_that_proves_itself_and_cannot_be_read_is_kept_and_asks_nothing(paid, encode):
    text = encode(opened(paid("v1"))).decode()
    answer = post({"X-VERIFY": f"{sha256(text + SALT)}###1"}, json.dumps({"response": text}).encode())

    assert answer.status_code == 200
    assert WebhookEvent.objects.values_list("event", "state").get() == ("unreadable", "NEEDS_REVIEW")
    assert Payment.objects.get().is_open


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_a_secret_that_is_not_set_opens_to_nobody(paid, settings, generation):
    body = paid(generation)
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_MERCHANT_ID, settings.PHONEPE_SALT_KEY = "PGTESTPAYUAT", ""
    settings.PHONEPE_CLIENT_ID, settings.PHONEPE_CLIENT_SECRET = "SIM-CLIENT", "a-secret"
    forgeries = [
        {"Authorization": sha256(":")},
        {"Authorization": sha256("")},
        {"Authorization": ""},
        {"x-phonepe-checksum-signature": hmac_of(body, b"")},
        {"x-phonepe-checksum-signature": ""},
    ]
    if generation == "v1":
        forgeries += [{"X-VERIFY": f"{sha256(sealed(body) + salt)}###1"} for salt in ("", "1")]

    assert {post(forgery, body).status_code for forgery in forgeries} == {401}
    assert not WebhookEvent.objects.exists()


# --- Genuine, and still not to be believed -------------------------------------------------------


def tell_v2(**payload):
    body = json.dumps({"event": "checkout.order.completed", "payload": payload}).encode()
    return post({"Authorization": sha256(LOGIN)}, body)


def tell_v1(code="PAYMENT_SUCCESS", **data):
    text = base64.b64encode(json.dumps({"success": True, "code": code, "data": data}).encode()).decode()
    return post({"X-VERIFY": f"{sha256(text + SALT)}###1"}, json.dumps({"response": text}).encode())


@pytest.fixture
def unpaid(settings, alice, cart):
    """Opens an order of that generation, which nobody pays: its id."""

    def open_order(generation):
        settings.PHONEPE_API_VERSION = generation
        return start_payment(alice, cart_id=cart.pk).attempt.merchant_order_id

    return open_order


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_nothing_is_confirmed_that_phonepe_does_not_confirm(unpaid, generation):
    order = unpaid(generation)
    if generation == "v1":
        answer = tell_v1(
            merchantId="PGTESTPAYUAT", merchantTransactionId=order, amount=110_000, state="COMPLETED"
        )
    else:
        answer = tell_v2(merchantOrderId=order, amount=110_000, state="COMPLETED")

    assert answer.status_code == 200
    assert Payment.objects.get().is_open
    assert not Booking.objects.exists()
    event = WebhookEvent.objects.get()
    assert (event.state, event.next_check_at is not None) == ("RECEIVED", True)


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_a_failure_that_phonepe_does_not_confirm_ends_nothing(unpaid, generation, cart):
    order = unpaid(generation)
    if generation == "v1":
        tell_v1("PAYMENT_ERROR", merchantTransactionId=order, state="FAILED")
    else:
        tell_v2(merchantOrderId=order, state="FAILED")

    cart.refresh_from_db()
    assert Payment.objects.get().is_open
    assert cart.status == "CHECKED_OUT"


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_another_amount_is_noted_for_staff(unpaid, generation):
    order = unpaid(generation)
    if generation == "v1":
        tell_v1(merchantId="PGTESTPAYUAT", merchantTransactionId=order, amount=100, state="COMPLETED")
    else:
        tell_v2(merchantOrderId=order, amount=100, state="COMPLETED")

    assert WebhookEvent.objects.get().differs == "it says 100 paise, the order is about 110000"
    assert Payment.objects.get().is_open


def test_another_merchant_in_the_body_is_noted_for_staff(unpaid):
    tell_v1(merchantId="SOMEBODYELSE", merchantTransactionId=unpaid("v1"), amount=110_000, state="COMPLETED")

    assert "SOMEBODYELSE" in WebhookEvent.objects.get().differs
    assert Payment.objects.get().is_open


@pytest.mark.parametrize(
    "change", [{"merchant": "ANOTHER"}, {"environment": "PRODUCTION"}, {"generation": "v1"}]
)
def test_an_order_of_another_merchant_or_environment_is_another_order(unpaid, change):
    order = unpaid("v2")
    Payment.objects.get().attempts.update(**change)

    assert tell_v2(merchantOrderId=order, amount=110_000, state="COMPLETED").status_code == 200

    assert WebhookEvent.objects.get().state == "UNMATCHED"
    assert Payment.objects.get().is_open


def test_two_merchants_may_share_the_login_of_their_webhooks(unpaid, settings):
    """After a change of client id the old orders' webhooks look like those of the new client."""
    order = unpaid("v2")
    Payment.objects.get().attempts.update(merchant="SU-OLD", simulated=False)
    login = {"webhook_username": "sim_hook", "webhook_password": "Sim-pass-9"}
    settings.PHONEPE_PREVIOUS = [{"client_id": "SU-OLD", "client_secret": "a-secret", **login}]
    body = json.dumps({"event": "checkout.order.completed", "payload": {"merchantOrderId": order}})

    event = receive_webhook({"Authorization": sha256(LOGIN)}, body.encode())

    assert event.attempt == Payment.objects.get().attempts.get()


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_an_older_state_that_comes_late_changes_nothing(paid, generation, phonepe):
    body = paid(generation)
    order = Payment.objects.get().attempts.get().merchant_order_id
    post(authentication_headers(phonepe.webhooks[-1]), body)
    assert Payment.objects.get().fulfilment == "BOOKED"

    if generation == "v1":
        answers = [
            tell_v1("PAYMENT_ERROR", merchantTransactionId=order, state="FAILED"),
            tell_v1("PAYMENT_PENDING", merchantTransactionId=order, state="PENDING"),
        ]
    else:
        answers = [tell_v2(merchantOrderId=order, state=state) for state in ("FAILED", "PENDING")]

    assert {answer.status_code for answer in answers} == {200}
    run_due(["events"])
    assert Payment.objects.get().fulfilment == "BOOKED"
    assert set(WebhookEvent.objects.values_list("state", flat=True)) == {"HANDLED"}
    assert LedgerEntry.objects.count() == 1


# --- Shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type", ["", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "image/png"]
)
def test_a_wrong_content_type_hides_nothing(paid, phonepe, content_type):
    body = paid("v2")

    assert post(authentication_headers(phonepe.webhooks[-1]), body, content_type).status_code == 200
    assert Payment.objects.get().fulfilment == "BOOKED"


def test_almost_a_megabyte_is_kept_and_read(unpaid):
    order = unpaid("v2")
    answer = tell_v2(merchantOrderId=order, state="PENDING", metaInfo={"udf1": "x" * 1_000_000})

    assert answer.status_code == 200
    event = WebhookEvent.objects.get()
    assert (event.merchant_order_id, len(event.body) > 1_000_000) == (order, True)


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_a_hundred_deliveries_of_one_event_are_one_event_and_one_booking(paid, generation, phonepe):
    body = paid(generation)
    headers = authentication_headers(phonepe.webhooks[-1])

    def ten_calls():
        return [post(headers, body).status_code for _ in range(10)]

    answered = at_once(*[partial(ten_calls)] * 10)

    assert answered == [[200] * 10] * 10
    assert WebhookEvent.objects.get().deliveries == 100
    assert Payment.objects.get().fulfilment == "BOOKED"
    assert Booking.objects.count() == LedgerEntry.objects.count() == 1
