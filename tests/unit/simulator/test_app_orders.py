"""The simulated PhonePe plays the app: PhonePe's SDK with an order token, or a UPI app with a link."""

import pytest

from simulator.models import Order

pytestmark = pytest.mark.django_db(transaction=True)

WANTED = {"merchantOrderId": "app-1", "amount": 110_000, "paymentFlow": {"type": "PG_CHECKOUT"}}


@pytest.fixture
def order(v2):
    return v2.authorized("POST", "/checkout/v2/sdk/order", json=WANTED).json()


def act(v2, action, token, reference="app-1"):
    return v2.control(f"orders/{reference}/app/", {"action": action, "token": token})


@pytest.mark.parametrize(
    ("action", "told", "state"),
    [
        ("pays", "SUCCESS", "COMPLETED"),
        ("cancels", "INTERRUPTED", "PENDING"),
        ("fails", "FAILURE", "FAILED"),
        ("pays_slowly", "INTERRUPTED", "PENDING"),
        ("is_killed", None, "PENDING"),
        ("pays_and_is_killed", None, "COMPLETED"),
        ("fails_but_reports_success", "SUCCESS", "FAILED"),
    ],
)
def test_what_the_app_hears_and_what_is_so(v2, order, action, told, state):
    answer = act(v2, action, order["token"]).json()
    assert (answer["told"], answer["order"]["state"]) == (told, state)
    assert v2.status("app-1").json()["state"] == state


def test_the_sdk_does_not_start_with_another_token(v2, order):
    for token in ("", "another", order["orderId"]):
        answer = act(v2, "pays", token)
        assert (answer.status_code, answer.json()["errorCode"]) == (401, "PR004")
    assert v2.status("app-1").json()["state"] == "PENDING"


def test_the_sdk_does_not_start_after_the_order_has_ended(v2, order):
    v2.control("clock/", {"advance": 601})
    assert act(v2, "pays", order["token"]).status_code == 401


def test_no_browser_opens_the_order_of_an_app(v2, order, client):
    assert client.get(f"/simulator/transact/{order['token']}/").status_code == 404
    shown = v2.control("orders/app-1/").json()
    assert (shown["page_url"], shown["for_app"]) == (None, True)


def test_no_app_opens_an_order_that_has_a_page(v2):
    v2.pay(merchantOrderId="page-1")
    token = Order.objects.get().page_token
    assert act(v2, "pays", token, "page-1").status_code == 409


def test_a_upi_app_pays_what_its_link_names(v1):
    v1.pay(
        paymentInstrument={"type": "UPI_INTENT", "targetApp": "com.phonepe.app"},
        deviceContext={"deviceOS": "ANDROID"},
    )
    reference = Order.objects.get().merchant_order_id
    answer = v1.control(f"orders/{reference}/app/", {"action": "pays"}).json()
    assert (answer["told"], answer["order"]["state"]) == ("SUCCESS", "COMPLETED")
    assert v1.status(reference).json()["code"] == "PAYMENT_SUCCESS"


def test_an_action_that_nobody_knows_is_refused(v2, order):
    answer = act(v2, "dances", order["token"])
    assert answer.status_code == 400
    assert "pays_and_is_killed" in answer.json()["error"]


def test_faults_strike_orders_of_apps_too(v2):
    v2.control("faults/", {"operation": "pay", "fault": "status_500"})
    assert v2.authorized("POST", "/checkout/v2/sdk/order", json=WANTED).status_code == 500
    assert not Order.objects.exists()


@pytest.mark.parametrize(("number", "shown"), [("9876543210", "3210"), ("+919876543210", "3210")])
def test_a_number_given_before_is_shown_on_the_page_in_part(v2, client, number, shown):
    v2.pay(prefillUserLoginDetails={"phoneNumber": number})
    page = client.get(f"/simulator/transact/{Order.objects.get().page_token}/").content.decode()
    assert shown in page
    assert number not in page
