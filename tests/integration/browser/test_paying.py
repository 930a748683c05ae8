"""What a guest sees who pays: PhonePe's page, the way back, what became of it. On a telephone and on a desk."""

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.integration.browser.donations import start_donation
from tests.integration.browser.looks import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.sockets, pytest.mark.proof(every=2)]  # on a phone, or on both


@pytest.fixture
def started(shop):
    return start_donation(shop)


def test_a_guest_pays_and_reads_that_their_money_has_arrived(page, started, shot):
    page.goto(started["payment_url"])
    expect(page.get_by_text("This is not PhonePe, and no money moves.")).to_be_visible()
    expect(page.get_by_role("heading")).to_have_text("OkPuja (simulated)")
    expect(page.get_by_text("₹1,501.50").first).to_be_visible()
    shot("pay")
    assert_readable(page)
    page.get_by_role("button", name="Pay ₹1,501.50").click()
    expect(page.get_by_role("heading")).to_have_text("Payment received")
    expect(page.get_by_text("₹1,501.50")).to_be_visible()
    expect(page.get_by_text(started["transaction_id"])).to_be_visible()
    expect(page.get_by_text("Simulation: no money moves.")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    shot("paid")
    assert_readable(page)


@pytest.mark.proof
def test_a_guest_whose_payment_fails_reads_that_they_were_not_charged(page, started, shot):
    page.goto(started["payment_url"])
    page.get_by_role("button", name="Let the payment fail").click()
    expect(page.get_by_role("heading")).to_have_text("Not paid")
    expect(page.get_by_role("status")).to_contain_text("You have not been charged")
    expect(page.get_by_role("button")).to_have_text(["Try again"])
    shot("failed")
    assert_readable(page)


@pytest.mark.proof
def test_a_wrong_pin_can_be_mended_on_the_same_page(page, started, shot):
    page.goto(started["payment_url"])
    page.get_by_role("button", name="Wrong PIN").click()
    expect(page.get_by_role("alert")).to_contain_text("you can try again")
    shot("wrong-pin")
    assert_readable(page)
    page.get_by_role("button", name="Pay ₹1,501.50").click()
    expect(page.get_by_role("heading")).to_have_text("Payment received")


@pytest.mark.proof
def test_who_closes_the_page_finds_the_way_back_to_it(page, started, shot):
    page.goto(started["payment_url"])
    page.get_by_role("button", name="Close without paying").click()
    expect(page.get_by_role("heading")).to_have_text("Waiting for your payment")
    shot("waiting")
    assert_readable(page)
    page.get_by_role("button", name="Go to the payment page").click()
    expect(page).to_have_url(started["payment_url"])
    page.get_by_role("button", name=re.compile("Pay")).click()
    expect(page.get_by_role("heading")).to_have_text("Payment received")


def test_a_page_that_waits_sees_by_itself_that_the_money_has_come(page, started, shop):
    page.goto(started["status_url"])
    expect(page.get_by_role("heading")).to_have_text("Waiting for your payment")
    requests.post(started["payment_url"], data={"choice": "success"}, allow_redirects=False, timeout=10)
    expect(page.get_by_role("heading")).to_have_text("Payment received")


@pytest.mark.proof
def test_who_reads_hindi_reads_in_hindi_what_became_of_their_money(chromium, started, tmp_path):
    page = chromium.new_page(
        viewport={"width": 390, "height": 844}, locale="hi-IN", timezone_id="Asia/Kolkata"
    )
    page.goto(started["payment_url"])
    page.get_by_role("button", name="Let the payment fail").click()

    expect(page).to_have_title(re.compile("^भुगतान "))
    expect(page.get_by_role("heading")).to_have_text("भुगतान नहीं हुआ")
    expect(page.get_by_role("status")).to_contain_text("आपसे कोई राशि नहीं ली गई है")
    assert page.locator("html").get_attribute("lang") == "hi"
    page.screenshot(path=tmp_path / "failed-hindi.png", full_page=True)
    assert_readable(page)
    page.close()
