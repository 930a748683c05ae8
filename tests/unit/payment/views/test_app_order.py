"""`app-order`: what a native app gets to start PhonePe's SDK, or a UPI app, and what it is told afterwards."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from core.throttling import CallerThrottle
from payment.models import IdempotencyKey, Payment, PaymentAttempt
from payment.services.links import status_url
from simulator.models import Order as SimulatedOrder
from tests.unit.payment.scripted_gateway import ACCESS_TOKEN

pytestmark = pytest.mark.django_db(transaction=True)

PAYMENTS = "/api/payments/payments/"
APP_ORDER = f"{PAYMENTS}app-order/"
INTENT = {"flow": "upi_intent", "target_app": "com.phonepe.app", "device_os": "ANDROID"}

ON_IPHONE = {
    "flow": "upi_intent",
    "target_app": "PHONEPE",
    "device_os": "IOS",
    "callback_scheme": "com.okpuja.app+pay",
}


@pytest.fixture
def client(api, alice):
    return api(alice)


@pytest.fixture
def v1(settings):
    settings.PHONEPE_API_VERSION = "v1"


@pytest.fixture
def v2(settings):
    settings.PHONEPE_API_VERSION = "v2"


def test_the_sdk_gets_all_that_it_asks_for(v2, client, cart):
    answer = client.post(APP_ORDER, {"cart_id": cart.pk})

    said, order = answer.json(), SimulatedOrder.objects.get()
    assert (answer.status_code, said["success"], said["flow"]) == (201, True, "sdk")
    assert (said["token"], said["order_id"]) == (order.page_token, order.provider_id)
    assert (said["merchant_id"], said["environment"]) == (order.merchant.merchant_id, "SANDBOX")
    assert said["merchant_transaction_id"] == order.merchant_order_id
    assert (said["amount"], said["total"], said["status"], said["cart_id"]) == (
        "1100.00",
        "1100.00",
        "PENDING",
        cart.pk,
    )
    assert said["expires_at"]
    assert said["check_booking_url"] == f"{PAYMENTS}{said['payment_id']}/check-booking/"
    nothing = ("payment_url", "checkout_url", "intent_url", "target_app", "device_os")
    assert [said[name] for name in nothing] == [None] * 5


def test_a_upi_app_gets_its_link(v1, client, cart):
    answer = client.post(APP_ORDER, {"cart_id": cart.pk, **INTENT})

    said = answer.json()
    assert (answer.status_code, said["flow"], said["token"], said["order_id"]) == (
        201,
        "upi_intent",
        None,
        None,
    )
    assert said["intent_url"].startswith("upi://pay?pa=")
    assert (said["target_app"], said["device_os"]) == ("com.phonepe.app", "ANDROID")
    assert (said["payment_url"], said["checkout_url"]) == (None, None)


def test_phonepes_app_on_an_iphone_is_told_how_to_return(v1, client, cart, phonepe):
    answer = client.post(APP_ORDER, {"cart_id": cart.pk, **ON_IPHONE})

    assert answer.status_code == 201, answer.content
    assert (answer.json()["target_app"], answer.json()["device_os"]) == ("PHONEPE", "IOS")


@pytest.mark.parametrize("app", ["GPAY", "PAYTM"])
def test_other_apps_on_an_iphone_need_no_scheme(v1, client, cart, app):
    wanted = {"cart_id": cart.pk, "flow": "upi_intent", "target_app": app, "device_os": "IOS"}
    assert client.post(APP_ORDER, wanted).status_code == 201


def test_a_key_whose_token_has_expired_gets_a_new_one(v2, client, cart, phonepe):
    """The stored answer would be a token that PhonePe's SDK refuses."""
    key = {"Idempotency-Key": "tap-12345678"}
    first = client.post(APP_ORDER, {"cart_id": cart.pk}, headers=key).json()
    phonepe.advance_clock(1201)
    past = timezone.now() - timedelta(seconds=1)
    PaymentAttempt.objects.update(expires_at=past)
    row = IdempotencyKey.objects.get()
    row.answer["expires_at"] = past.isoformat()
    row.save()

    answers = [client.post(APP_ORDER, {"cart_id": cart.pk}, headers=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["token"] == answers[1].json()["token"] != first["token"]
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true"]


def test_two_taps_get_the_same_order(v2, client, cart):
    first, second = (client.post(APP_ORDER, {"cart_id": cart.pk}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["token"] == first.json()["token"]
    assert SimulatedOrder.objects.count() == 1


def test_the_same_key_gets_the_stored_answer(v2, client, cart):
    answers = [
        client.post(APP_ORDER, {"cart_id": cart.pk}, headers={"Idempotency-Key": "tap-12345678"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "cart_id"),
        ({"cart_id": 0}, "cart_id"),
        ({"flow": "page"}, "flow"),
        ({"flow": "upi_intent"}, "target_app"),
        (INTENT | {"device_os": "WINDOWS"}, "device_os"),
        (INTENT | {"target_app": "a b"}, "target_app"),
        (INTENT | {"target_app": "x" * 101}, "target_app"),
        (INTENT | {"target_app": "com\napp"}, "target_app"),
        ({"target_app": "com.phonepe.app"}, "target_app"),
        ({"device_os": "IOS"}, "device_os"),
        (INTENT | {"device_os": "IOS"}, "target_app"),
        (ON_IPHONE | {"target_app": "phonepe"}, "target_app"),
        (INTENT | {"device_os": "IOS", "target_app": "PHONEPE"}, "callback_scheme"),
        (ON_IPHONE | {"callback_scheme": "1app"}, "callback_scheme"),
        (ON_IPHONE | {"callback_scheme": "our app"}, "callback_scheme"),
        (ON_IPHONE | {"callback_scheme": "okpuja://"}, "callback_scheme"),
        (ON_IPHONE | {"callback_scheme": "x" * 51}, "callback_scheme"),
        (ON_IPHONE | {"callback_scheme": ""}, "callback_scheme"),
        (INTENT | {"callback_scheme": "okpuja"}, "callback_scheme"),
        ({"callback_scheme": "okpuja"}, "callback_scheme"),
    ],
)
def test_what_cannot_be_is_named(v1, client, cart, wanted, field):
    body = {"cart_id": cart.pk, **wanted} if wanted else {}
    answer = client.post(APP_ORDER, body, format="json")
    assert answer.status_code == 400, answer.content
    assert field in answer.json()
    assert not Payment.objects.exists()


def test_a_flow_that_the_account_does_not_have_is_said_clearly(v1, client, cart):
    answer = client.post(APP_ORDER, {"cart_id": cart.pk})
    said = answer.json()
    assert (answer.status_code, said["code"]) == (409, "not_offered")
    assert "(V1)" in said["error"]
    assert not Payment.objects.exists()


def test_a_cart_of_another_person_is_not_found(v2, api, charlie, cart):
    assert api(charlie).post(APP_ORDER, {"cart_id": cart.pk}).status_code == 404


def test_it_is_stopped_with_all_other_payments(v2, client, cart, settings):
    settings.PAYMENT_ENABLED = False
    answer = client.post(APP_ORDER, {"cart_id": cart.pk})
    assert (answer.status_code, answer.json()["code"]) == (503, "payments_disabled")


def test_it_shares_the_rate_of_process_cart(v2, client, cart, monkeypatch):
    monkeypatch.setitem(CallerThrottle.THROTTLE_RATES, "payment", "1/day")
    client.post(f"{PAYMENTS}process-cart/", {"cart_id": cart.pk})
    assert client.post(APP_ORDER, {"cart_id": cart.pk}).status_code == 429


def test_an_amount_that_rose_is_told_first(v2, client, cart):
    answer = client.post(APP_ORDER, {"cart_id": cart.pk, "expected_total": "1000.00"})
    assert (answer.status_code, answer.json()["code"]) == (409, "price_changed")


# --- afterwards ---


def test_the_success_of_the_app_is_never_believed(v2, client, cart, phonepe):
    started = client.post(APP_ORDER, {"cart_id": cart.pk}).json()
    order = started["merchant_transaction_id"]
    assert phonepe.act_in_app(order, "fails_but_reports_success", started["token"]) == "SUCCESS"

    said = client.get(started["check_booking_url"]).json()

    assert (said["success"], said["payment_status"], said["booking_created"]) == (False, "FAILED", False)
    assert client.get("/api/booking/bookings/").json() == []


def test_what_the_app_paid_is_told_with_its_booking(v2, client, cart, phonepe):
    started = client.post(APP_ORDER, {"cart_id": cart.pk}).json()
    phonepe.act_in_app(started["merchant_transaction_id"], "pays", started["token"])
    said = client.get(started["check_booking_url"]).json()
    assert (said["payment_status"], said["booking_created"]) == ("SUCCESS", True)


def test_an_open_order_of_an_app_has_no_page(v2, client, cart):
    started = client.post(APP_ORDER, {"cart_id": cart.pk}).json()
    payment = client.get(f"{PAYMENTS}{started['payment_id']}/").json()
    assert (payment["status"], payment["payment_url"]) == ("PENDING", None)


def test_the_web_page_is_told_where_the_payment_is_open(v2, client, cart):
    started = client.post(APP_ORDER, {"cart_id": cart.pk}).json()

    answer = client.post(f"{PAYMENTS}process-cart/", {"cart_id": cart.pk})

    said = answer.json()
    assert (answer.status_code, said["code"], said["channel"]) == (409, "open_elsewhere", "sdk")
    assert said["payment_id"] == started["payment_id"]
    assert SimulatedOrder.objects.count() == 1


def test_the_app_is_told_of_the_page_and_may_open_it(v2, client, cart):
    page = client.post(f"{PAYMENTS}process-cart/", {"cart_id": cart.pk}).json()["payment_url"]
    answer = client.post(APP_ORDER, {"cart_id": cart.pk})
    assert (answer.status_code, answer.json()["payment_url"]) == (409, page)


def test_our_status_page_has_no_button_beside_an_open_order_of_the_app(v2, client, cart):
    client.post(APP_ORDER, {"cart_id": cart.pk})
    url = status_url(Payment.objects.get()).removeprefix("http://testserver")

    page = Client().get(url).content.decode()
    assert "open in our app" in page
    assert "Go to the payment page" not in page
    assert Client().post(url).status_code == 409
    assert PaymentAttempt.objects.count() == 1


def test_the_timeline_tells_the_owner_that_it_was_opened_in_the_app(v2, client, cart):
    started = client.post(APP_ORDER, {"cart_id": cart.pk}).json()
    entries = client.get(f"{PAYMENTS}{started['payment_id']}/timeline/").json()["entries"]
    assert "The payment was opened in the app." in [entry["text"] for entry in entries]


def test_staff_do_not_read_the_token(v2, api, staff, client, cart):
    """Whoever has it can pay; nobody else needs it."""
    started = client.post(APP_ORDER, {"cart_id": cart.pk}).json()
    told = json.dumps(api(staff).get(f"{PAYMENTS}{started['payment_id']}/timeline/").json())
    assert started["token"] not in told
    assert ACCESS_TOKEN.value not in told
