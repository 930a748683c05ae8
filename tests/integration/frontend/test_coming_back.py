"""The frontend from PhonePe's page back to the booking, its history and its end. Each page asks as often as it does."""

from datetime import date, timedelta

import pytest

from tests.harness.customers import FRONTEND, arrive, pay
from tests.harness.processes import eventually
from tests.integration.frontend import pages

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.proof(every=2),
    pytest.mark.parametrize("shop", ["v1", "v2"], indirect=True, scope="module"),
]


@pytest.fixture
def started(shopper):
    return pages.checkout(shopper)


def lose_webhook(shop):
    shop.phonepe.inject_fault("webhook", "drop")


def test_who_pays_sees_the_booking_and_finds_it_in_the_history(shopper, started):
    cart = pages.cart(shopper)
    back = arrive(pay(started["payment_url"]))
    assert back == f"{FRONTEND}/confirmbooking?payment_id={started['payment_id']}"
    booking = pages.confirm_booking(shopper, str(started["payment_id"]))
    assert (booking["total_amount"], booking["selected_date"], booking["selected_time"]) == (
        cart["total_price"],
        cart["selected_date"],
        cart["selected_time"],
    )
    assert booking["address"]["city"] == "Patna"
    pages.clear_cart(shopper)
    assert pages.cart(shopper) is None
    assert pages.bookings(shopper) == [booking]
    (paid,) = pages.payments(shopper)
    assert (paid["status"], paid["booking_id"]) == ("SUCCESS", booking["book_id"])
    assert shopper.toasts == []


def test_the_confirmation_page_asks_once_and_needs_no_webhook(shop, shopper, started):
    lose_webhook(shop)
    pay(started["payment_url"])
    assert pages.confirm_booking(shopper, str(started["payment_id"]))["status"] == "CONFIRMED"


def test_the_callback_page_leads_who_has_paid_to_their_booking(shop, shopper, started):
    lose_webhook(shop)
    pay(started["payment_url"])
    pages.follow(shopper, f"{FRONTEND}/payment/callback?payment_id={started['payment_id']}")
    booking = pages.bookings(shopper)[0]
    assert shopper.location == (
        f"/confirmbooking?payment_id={started['payment_id']}&booking_id={booking['id']}"
    )


def test_who_closes_the_page_is_told_that_nothing_is_confirmed_and_may_pay_again(shopper, started):
    back = arrive(pay(started["payment_url"], "close"))
    assert back == f"{FRONTEND}/payment/callback?payment_id={started['payment_id']}"
    pages.follow(shopper, back)
    where, _, message = shopper.location.partition("&message=")
    assert where == f"/failedbooking?payment_id={started['payment_id']}&status=PENDING"
    assert message
    assert pages.checkout(shopper)["payment_url"] == started["payment_url"]


def test_who_fails_to_pay_is_led_to_the_failure_page_and_from_there_to_a_new_payment(shopper, started):
    back = arrive(pay(started["payment_url"], "failure"))
    assert back == f"{FRONTEND}/failedbooking?code=PAYMENT_FAILED&bookingId={started['transaction_id']}"
    pages.follow(shopper, back)
    assert pages.checkout(shopper)["payment_id"] != started["payment_id"]


@pytest.mark.parametrize(("choice", "page"), [("success", "confirmbooking"), ("failure", "failedbooking")])
def test_the_redirect_page_tells_success_from_failure(shopper, started, choice, page):
    number = started["payment_id"]
    arrive(pay(started["payment_url"], choice))
    pages.follow(shopper, f"{FRONTEND}/payment/redirect?payment_id={number}")
    assert shopper.location.startswith(f"/{page}?payment_id={number}&status=")


def test_a_payment_with_a_promo_code_costs_what_the_cart_showed(shopper):
    pages.apply_promo(shopper, "WELCOME10")
    shown = pages.cart(shopper)["total_price"]
    started = pages.checkout(shopper)
    pay(started["payment_url"])
    booking = pages.confirm_booking(shopper, str(started["payment_id"]))
    assert started["amount"] == booking["total_amount"] == shown == "1890.00"


def test_a_booking_two_days_ahead_is_cancelled_and_its_refund_requested(member, offer):
    service, package, _, time = offer
    pages.add_to_cart(member, service, package, (date.today() + timedelta(days=5)).isoformat(), time)
    started = pages.checkout(member)
    pay(started["payment_url"])
    booking = pages.confirm_booking(member, str(started["payment_id"]))
    answer = pages.cancel(member, booking["id"], "travelling")
    assert answer.status_code == 200
    assert answer.json()["refund"]["amount"] == started["amount"]
    assert pages.bookings(member)[0]["status"] == "CANCELLED"
    again = pages.cancel(member, booking["id"], "travelling")
    assert (again.status_code, pages.toast(again)) == (409, "This booking is no longer confirmed.")


def test_the_test_page_plays_the_customer(shopper, started):
    assert pages.play_customer(shopper, started["payment_id"])["booking_created"] is True


def test_a_payment_of_somebody_else_is_not_found_by_any_page(shop, shopper, started):
    shopper.storage["access"] = shop.tokens.customers[1]
    number = started["payment_id"]
    for method, page in {
        "GET": ("", "check-booking/", "status/"),
        "POST": ("check-and-create-booking/", "create-booking/", "retry-webhook/", "simulate-success/"),
    }.items():
        for path in page:
            answer = shopper.call(method, f"{pages.PAY}{number}/{path}")
            assert answer.status_code == 404, path
    assert pages.payments(shopper) == []


def test_who_never_comes_back_has_a_booking_when_they_look(shopper, started):
    pay(started["payment_url"])
    eventually(lambda: pages.bookings(shopper), "the booking is made")
