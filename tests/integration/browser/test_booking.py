"""From a cart to the booking, in a browser: whatever happens on PhonePe's page, the shop's page tells the truth.

There is no frontend beside this shop, so its own page confirms the booking. On a telephone and on a desk.
"""

import itertools

import pytest
from playwright.sync_api import expect

from tests.harness.customers import Customer
from tests.integration.browser.looks import assert_readable, control, press

pytestmark = [pytest.mark.browser, pytest.mark.sockets, pytest.mark.proof(every=2)]  # on a phone, or on both

PAY = "Pay ₹2,100.00"
people = itertools.cycle(range(10))


@pytest.fixture
def customer(shop):
    return Customer([shop.url], shop.tokens.customers[next(people)])


@pytest.fixture
def started(customer):
    """A Satyanarayan Puja in the cart, and the way to PhonePe's page."""
    return customer.start()


@pytest.fixture
def paying(page, started):
    """The browser stands before PhonePe's page."""
    page.goto(started["payment_url"])
    return started


@pytest.fixture
def no_place_is_free(shop):
    """Closes every time at which the temple could begin, until the test is over."""
    yield lambda: shop.query("UPDATE booking_slot SET is_open = FALSE")
    shop.query("UPDATE booking_slot SET is_open = TRUE")


@pytest.fixture
def its_place_is_gone(shop):
    """Closes the time that was held last, until the test is over."""
    yield lambda: shop.query(
        "UPDATE booking_slot SET is_open = FALSE"
        " WHERE id = (SELECT slot_id FROM booking_slothold ORDER BY id DESC LIMIT 1)"
    )
    shop.query("UPDATE booking_slot SET is_open = TRUE")


def expire(shop, started):
    control(shop, f"orders/{started['merchant_transaction_id']}/decide/", {"outcome": "expire"})


def expect_booked(page, customer, started):
    """The page names the booking that the customer has."""
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment received")
    booking = customer.check_booking(started["payment_id"])["booking"]
    expect(page.get_by_text(booking["book_id"])).to_be_visible()
    expect(page.get_by_text("Satyanarayan Puja")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    assert_readable(page)


def test_a_cart_is_paid_and_the_page_names_the_booking(page, customer, paying, shot):
    shot("cart-to-pay")
    press(page, PAY)
    expect_booked(page, customer, paying)
    shot("booked")


@pytest.mark.parametrize("trouble", ["Wrong PIN", "Insufficient balance"])
def test_a_try_that_fails_costs_nothing_and_the_next_one_books(page, customer, paying, shot, trouble):
    press(page, trouble)
    expect(page.get_by_role("alert")).to_have_text(f"{trouble}. No money was taken; you can try again.")
    shot(trouble)
    press(page, PAY)
    expect_booked(page, customer, paying)


@pytest.mark.proof
def test_who_closes_the_tab_comes_back_through_their_cart_and_pays(page, customer, paying, started, shot):
    page.close()
    again = customer.check_out({"id": started["cart_id"]})
    assert (again.status_code, again.json()["payment_id"]) == (200, started["payment_id"])
    tab = page.context.new_page()
    tab.goto(again.json()["payment_url"])
    press(tab, "Close without paying")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Waiting for your payment")
    press(tab, "Go to the payment page")
    press(tab, PAY)
    expect_booked(tab, customer, started)


@pytest.mark.proof
def test_a_slow_bank_is_waited_for_and_then_there_is_a_booking(page, customer, paying, shop, shot):
    press(page, "Bank is slow")
    expect(page.get_by_role("status")).to_contain_text("The bank has not answered yet")
    press(page, "Close without paying")
    expect(page.get_by_role("heading", level=1)).to_have_text("Waiting for your payment")
    shot("bank-is-slow")
    assert_readable(page)
    control(shop, "clock/", {"advance": 30})
    expect_booked(page, customer, paying)


@pytest.mark.proof
def test_money_that_comes_after_expiry_is_booked_while_the_place_is_free(page, customer, paying, shop, shot):
    expire(shop, paying)
    page.reload()
    press(page, "Back to the shop")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not paid")
    shot("expired")
    assert_readable(page)
    page.goto(paying["payment_url"])
    press(page, "Pay after expiry")
    expect_booked(page, customer, paying)


@pytest.mark.proof
def test_money_that_comes_when_the_place_is_gone_is_not_called_a_booking(
    page, paying, customer, shop, no_place_is_free, shot
):
    """Somebody else has it meanwhile. What becomes of the money, the page says."""
    expire(shop, paying)
    page.reload()
    press(page, "Back to the shop")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not paid")
    no_place_is_free()
    page.goto(paying["payment_url"])
    press(page, "Pay after expiry")
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment received")
    expect(page.get_by_role("status")).not_to_have_text("Payment is confirmed.")
    shot("place-is-gone")
    assert not customer.check_booking(paying["payment_id"])["booking_created"]
    assert_readable(page)


@pytest.mark.proof
def test_late_money_whose_place_is_gone_lets_its_owner_choose_another_time(
    page, paying, customer, shop, its_place_is_gone, shot
):
    expire(shop, paying)
    page.reload()
    press(page, "Back to the shop")
    its_place_is_gone()
    page.goto(paying["payment_url"])
    press(page, "Pay after expiry")
    expect(page.get_by_role("status")).to_contain_text("Please choose another time.")
    shot("offered")
    assert_readable(page)
    page.get_by_role("link", name="Choose another time").click()
    shot("places")
    assert_readable(page)
    page.get_by_role("button").first.click()
    booking = customer.check_booking(paying["payment_id"])["booking"]
    expect(page.get_by_text(booking["book_id"])).to_be_visible()
    shot("chosen")


def test_the_whole_way_needs_no_scripts(chromium, customer, started):
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(started["payment_url"])
    press(page, "Wrong PIN")
    press(page, "Close without paying")
    press(page, "Go to the payment page")
    press(page, PAY)
    booking = customer.check_booking(started["payment_id"])["booking"]
    expect(page.get_by_text(booking["book_id"])).to_be_visible()
    context.close()
