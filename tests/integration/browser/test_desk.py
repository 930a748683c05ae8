"""What those see who work with it: the documentation of the API and the admin."""

import pytest
from playwright.sync_api import expect

from tests.harness.databases import PASSWORD
from tests.integration.browser.donations import start_donation

pytestmark = [pytest.mark.browser, pytest.mark.sockets]


@pytest.mark.proof
def test_the_api_documentation_works_without_any_other_host(page, shop, shot):
    page.goto(f"{shop.url}/api/docs/")
    expect(page.get_by_role("heading", name="OkPuja payments")).to_be_visible()
    page.locator("#operations-tag-Payments").click()
    expect(page.get_by_text("/api/payments/payments/process-cart/")).to_be_visible()
    shot("docs")


def test_staff_log_in_and_look_into_a_payment(page, shop, shot):
    donation = start_donation(shop)
    page.goto(f"{shop.url}/admin/")
    expect(page.get_by_role("link", name="Return to site")).to_have_count(0)  # there is none
    shot("login")
    page.get_by_label("Email").fill("staff@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{shop.url}/admin/payment/payment/")
    shot("payments")
    expect(page.get_by_role("link", name=donation["transaction_id"])).to_be_visible()
    page.locator(".field-id a").first.click()
    page.locator("a[href='#attempts']").click()
    expect(page.get_by_text(donation["merchant_transaction_id"]).first).to_be_visible()
    shot("payment")
