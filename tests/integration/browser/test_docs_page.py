"""The description of the API as a page: the strict rules for browsers must let it work."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.sockets]


def test_the_api_is_described_and_tried_in_the_browser(shop, page):
    page.goto(f"{shop.servers[0].url}/api/docs/")
    page.locator("#operations-tag-Catalogue").click()
    route = page.locator(".opblock", has_text="/api/puja/categories/").first
    expect(route).to_be_visible()
    route.click()
    route.get_by_role("button", name="Try it out").click()
    route.get_by_role("button", name="Execute").click()
    expect(route.locator(".responses-inner").get_by_text("200").first).to_be_visible()
