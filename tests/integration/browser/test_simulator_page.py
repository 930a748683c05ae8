"""PhonePe's page as a customer meets it: with the means they like, and whatever may go wrong. No scripts."""

from functools import partial

import pytest
import requests
from playwright.sync_api import expect

from tests.harness.processes import eventually
from tests.integration.browser.donations import start_donation
from tests.integration.browser.looks import assert_readable, control, press

pytestmark = [pytest.mark.browser, pytest.mark.sockets, pytest.mark.proof(every=2)]  # on a phone, or on both


@pytest.fixture
def paying(page, shop):
    """The browser stands before the page of a fresh donation."""
    started = start_donation(shop)
    page.goto(started["payment_url"])
    return started


@pytest.mark.proof(every=8)
@pytest.mark.parametrize("means", ["UPI app", "Credit card", "Debit card", "Net banking"])
def test_a_donation_is_paid_by_any_means(page, paying, shot, means):
    page.get_by_label(means).check()
    shot(means)
    assert_readable(page)
    press(page, "Pay ₹1,501.50")
    expect(page.get_by_role("heading")).to_have_text("Payment received")


@pytest.mark.proof
def test_a_upi_id_is_asked_for_only_where_it_is_needed(page, paying, shot):
    address = page.get_by_label("Your UPI id")
    expect(address).to_be_hidden()
    page.get_by_label("UPI id", exact=True).check()
    expect(address).to_be_visible()
    address.fill("not an address")
    press(page, "Pay ₹1,501.50")
    expect(page.get_by_role("alert")).to_contain_text("Incorrect UPI details")
    expect(page.get_by_label("UPI id", exact=True)).to_be_checked()
    shot("upi-id")
    assert_readable(page)
    address.fill("radhika@ybl")
    press(page, "Pay ₹1,501.50")
    expect(page.get_by_role("heading")).to_have_text("Payment received")


@pytest.mark.proof
@pytest.mark.parametrize("trouble", ["Wrong PIN", "Insufficient balance"])
def test_a_try_that_fails_can_be_repeated(page, paying, shot, trouble):
    press(page, trouble)
    expect(page.get_by_role("alert")).to_have_text(f"{trouble}. No money was taken; you can try again.")
    shot(trouble)
    assert_readable(page)
    press(page, "Pay ₹1,501.50")
    expect(page.get_by_role("heading")).to_have_text("Payment received")


@pytest.mark.proof
def test_a_slow_bank_lets_the_customer_wait_and_then_pays(page, paying, shop, shot):
    press(page, "Bank is slow")
    expect(page.get_by_role("status")).to_contain_text("The bank has not answered yet")
    shot("slow")
    assert_readable(page)
    control(shop, "clock/", {"advance": 30})
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("status")).to_have_text("This order is paid.")
    shot("paid-by-a-slow-bank")
    assert_readable(page)
    press(page, "Back to the shop")
    expect(page.get_by_role("heading")).to_have_text("Payment received")


@pytest.mark.proof
def test_money_can_come_after_the_time_is_up(page, paying, shop, shot):
    control(shop, f"orders/{paying['merchant_transaction_id']}/decide/", {"outcome": "expire"})
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("its time is up")
    shot("expired")
    assert_readable(page)
    press(page, "Pay after expiry")
    told = partial(requests.get, paying["status_url"], timeout=10)
    eventually(lambda: "Payment received" in told().text, "the shop has heard of the late money")
    page.reload()
    expect(page.get_by_role("heading")).to_have_text("Payment received")


def test_the_page_works_without_scripts_and_from_the_keyboard(chromium, shop):
    started = start_donation(shop)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(started["payment_url"])
    for _ in range(2):  # past the means of payment
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Pay ₹1,501.50")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading")).to_have_text("Payment received")
    context.close()
