"""Where a real browser ends up after PhonePe's page: at the address of the shop that it came from, or on our page."""

import itertools
import re

import pytest
import requests
from playwright.sync_api import expect

from tests.harness.customers import FRONTEND
from tests.harness.installation import Installation

pytestmark = [pytest.mark.browser, pytest.mark.sockets, pytest.mark.proof(every=2)]

numbers = itertools.count()


@pytest.fixture(scope="module")
def shop(site):
    """The site is one of two addresses of the shop."""
    allowed = f"{FRONTEND},{site.origin}"
    with Installation(
        FRONTEND_BASE_URL=FRONTEND, FRONTENDS=site.origin, CORS_ALLOWED_ORIGINS=allowed
    ) as shop:
        server = shop.serve()
        requests.get(f"{server.url}/api/puja/categories/", timeout=30).raise_for_status()
        yield shop


@pytest.fixture
def click(shop, site):
    """Pays for a cart of the next customer on a page of the site: the answer."""
    number = next(numbers)

    def pay_for(path, name):
        cart_id = shop.customer(number).choose()[name]
        headers = {"Authorization": f"Bearer {shop.tokens.customers[number]}", "Origin": site.origin}
        answer = requests.post(
            f"{shop.url}/api/{path}", json={"cart_id": cart_id}, headers=headers, timeout=30
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    return pay_for


@pytest.fixture
def of_july(click):
    return click("payments/payments/process-cart/", "id")


@pytest.fixture
def of_2026(click):
    return click("payments/cart/", "cart_id")["data"]["payment_order"]


def close(page, address):
    page.goto(address)
    page.get_by_role("button", name="Close without paying").click()


def pay(address):
    requests.post(address, data={"choice": "success"}, allow_redirects=False, timeout=10)


@pytest.mark.proof
def test_who_closes_the_page_waits_with_us_and_is_led_on_to_the_shop(page, site, of_july):
    close(page, of_july["payment_url"])
    expect(page.get_by_role("heading")).to_have_text("Waiting for your payment")
    pay(of_july["payment_url"])
    confirmed = rf"^{site.origin}/confirmbooking\?payment_id={of_july['payment_id']}&booking_id=BK-"
    expect(page).to_have_url(re.compile(confirmed))


@pytest.mark.proof
def test_a_browser_without_scripts_is_led_on_too(chromium, site, of_july):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    close(page, of_july["payment_url"])
    expect(page.get_by_role("heading")).to_have_text("Waiting for your payment")
    pay(of_july["payment_url"])
    expect(page).to_have_url(re.compile(rf"^{site.origin}/confirmbooking\?payment_id="))
    context.close()


@pytest.mark.proof
def test_who_closes_the_page_waits_on_the_page_of_the_site_of_2026(page, site, of_2026):
    close(page, of_2026["phonepe_payment_url"])
    order = of_2026["merchant_order_id"]
    waiting = (
        rf"^{site.origin}/payment-pending\?merchant_order_id={order}&payment_id={of_2026['id']}&cart_id="
    )
    expect(page).to_have_url(re.compile(waiting))


def test_who_pays_lands_on_their_booking(page, site, of_2026):
    page.goto(of_2026["phonepe_payment_url"])
    page.get_by_role("button", name=re.compile("^Pay")).click()
    expect(page).to_have_url(
        re.compile(rf"^{site.origin}/confirmbooking\?booking_id=BK-.*&book_id=BK-.*&cart_id=")
    )


@pytest.mark.proof
def test_who_fails_lands_on_the_page_of_failures(page, site, of_2026):
    page.goto(of_2026["phonepe_payment_url"])
    page.get_by_role("button", name="Let the payment fail").click()
    expect(page).to_have_url(re.compile(rf"^{site.origin}/failedbooking\?payment_id={of_2026['id']}&"))
