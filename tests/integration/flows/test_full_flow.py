"""From the login to the booking over real sockets: two servers, a worker, PostgreSQL, PhonePe beside them."""

import pytest
import requests

from tests.harness.customers import FRONTEND, Customer, arrive, pay
from tests.harness.installation import start_installation
from tests.harness.processes import eventually

pytestmark = [pytest.mark.sockets, pytest.mark.only_postgresql, pytest.mark.proof(every=2)]


@pytest.fixture(scope="module", params=["v1", "v2"])
def shop(request):
    with start_installation(request.param, servers=2, workers=1) as shop:
        yield shop


@pytest.fixture(scope="module", params=["v1", "v2"])
def hurried_shop(request):
    """Asks PhonePe after a second where others wait for half a minute."""
    with start_installation(request.param, servers=1, workers=1, PAYMENT_TIME_SCALE=20) as shop:
        yield shop


def test_a_devotee_logs_in_chooses_pays_and_finds_their_booking(shop):
    devotee = Customer(shop.urls)
    devotee.log_in("devotee@example.com")
    cart = devotee.choose("Satyanarayan Puja")

    answer = devotee.check_out(cart)
    started = answer.json()
    assert (answer.status_code, started["amount"], started["simulated"]) == (201, cart["total_price"], True)
    page = requests.get(started["payment_url"], timeout=10).text
    assert "₹2,100.00" in page
    payment_id = started["payment_id"]
    landed = arrive(pay(started["payment_url"]))

    checked = devotee.check_booking(payment_id)
    book_id = checked["booking"]["book_id"]
    assert landed.startswith(f"{FRONTEND}/confirmbooking?payment_id={payment_id}&booking_id={book_id}&")
    assert (checked["success"], checked["payment_status"], checked["booking_created"]) == (
        True,
        "SUCCESS",
        True,
    )
    assert checked["booking"]["total_amount"] == "2100.00"
    assert checked["booking"]["selected_date"] == cart["selected_date"]
    assert [booking["book_id"] for booking in devotee.get("booking/bookings/")] == [
        checked["booking"]["book_id"]
    ]
    paid = devotee.get("payments/payments/")[0]
    assert (paid["id"], paid["status"], paid["booking_id"]) == (
        payment_id,
        "SUCCESS",
        checked["booking"]["book_id"],
    )
    assert_paid_once(shop, payment_id)


def test_a_customer_who_closes_their_browser_after_paying_is_booked_by_the_webhook(shop):
    customer = shop.customer(1)
    started = customer.start()
    pay(started["payment_url"])
    eventually(lambda: customer.get("booking/bookings/"), "the webhook has made the booking")
    assert shop.decided_by(started["payment_id"]) == "webhook"
    assert_paid_once(shop, started["payment_id"])


def test_a_webhook_that_is_sent_three_times_makes_one_booking(shop):
    customer = shop.customer(2)
    started = customer.start()
    shop.phonepe.inject_fault(
        "webhook", "reset_after"
    )  # it arrives, but PhonePe does not hear our answer and says it again:
    shop.phonepe.inject_fault("webhook", "duplicate")  # twice
    pay(started["payment_url"])
    eventually(lambda: deliveries(shop, started["payment_id"]) == 3, "three webhooks have come")
    assert_paid_once(shop, started["payment_id"])
    assert len(customer.get("booking/bookings/")) == 1


@pytest.mark.proof
def test_a_payment_is_confirmed_though_the_webhook_is_lost_and_nobody_comes_back(hurried_shop):
    shop = hurried_shop
    customer = shop.customer()
    shop.phonepe.inject_fault("webhook", "drop")
    started = customer.start()
    pay(started["payment_url"])
    eventually(lambda: customer.get("booking/bookings/"), "the worker has asked PhonePe")
    assert shop.decided_by(started["payment_id"]) == "worker"
    assert_paid_once(shop, started["payment_id"])


def test_a_customer_who_fails_to_pay_gets_their_cart_back(shop):
    customer = shop.customer(3)
    started = customer.start()
    back = arrive(pay(started["payment_url"], "failure"))
    reference = started["transaction_id"]
    assert back.startswith(f"{FRONTEND}/failedbooking?code=PAYMENT_FAILED&bookingId={reference}&")
    assert customer.check_booking(started["payment_id"])["payment_status"] == "FAILED"
    again = customer.check_out({"id": started["cart_id"]})
    assert again.status_code == 201
    assert again.json()["payment_id"] != started["payment_id"]


def test_a_customer_who_closes_the_page_is_sent_to_wait_and_may_pay_on_the_same_page(shop):
    customer = shop.customer(4)
    started = customer.start()
    back = arrive(pay(started["payment_url"], "close"))
    assert "Waiting for your payment" in requests.get(back, timeout=10).text
    again = customer.check_out({"id": started["cart_id"]})
    assert (again.status_code, again.json()["payment_url"]) == (200, started["payment_url"])
    arrive(pay(started["payment_url"]))
    assert customer.check_booking(started["payment_id"])["booking_created"]


def deliveries(shop, payment_id):
    return sum(event["deliveries"] for event in shop.timeline(payment_id, "webhook"))


def assert_paid_once(shop, payment_id):
    """What PhonePe has taken stands in our accounts once, and every webhook is dealt with in the end."""
    money = [entry["text"] for entry in shop.timeline(payment_id, "money")]
    assert len(money) == 1
    assert money[0].endswith("₹2,100.00")
    eventually(
        lambda: all(event["state"] == "HANDLED" for event in shop.timeline(payment_id, "webhook")),
        "every webhook is handled",
    )
