"""What the person at the machine sees of the simulated PhonePe, and its buttons."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.integration.browser.donations import start_donation

pytestmark = [pytest.mark.browser, pytest.mark.sockets]


def test_an_order_is_paid_and_given_back_by_buttons(page, shop, shot):
    order = start_donation(shop)["merchant_transaction_id"]
    page.goto(f"{shop.url}/simulator/")
    page.get_by_role("button", name=f"Pay {order}").click()
    article = page.get_by_role("article").filter(has=page.get_by_role("heading", name=order, exact=True))
    expect(article).to_contain_text("COMPLETED")
    page.get_by_role("button", name=f"Refund in the dashboard {order}").click()
    expect(article).to_contain_text("from the dashboard")
    shot("overview")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.proof
def test_the_clock_stops_and_goes_on(page, shop):
    page.goto(f"{shop.url}/simulator/")
    page.get_by_role("button", name="Stop it").click()
    expect(page.get_by_text("(stopped)")).to_be_visible()
    page.get_by_role("button", name="Let it go on").click()
    expect(page.get_by_text("(stopped)")).to_be_hidden()
