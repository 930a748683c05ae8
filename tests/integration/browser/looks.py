"""What the browser's tests do on every page: press, look, and pull the strings behind the simulated PhonePe."""

from typing import Any

import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.harness.installation import Installation

LARGEST_PAINT = """() => new Promise((resolve) => {
    new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime))
        .observe({type: "largest-contentful-paint", buffered: true});
})"""
LOADED = """() => performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
    .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
SLOWER = 4  # times: a cheap telephone beside this machine


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def control(shop: Installation, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The strings of the simulator inside the shop's own server."""
    answer = requests.post(f"{shop.url}/simulator/control/{path}", json=body, timeout=10)
    answer.raise_for_status()
    return answer.json()


def assert_readable(page: Page) -> None:
    """No violation of the accessibility rules; nothing to be scrolled sideways."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def assert_nothing_serious(page: Page) -> None:
    """As `assert_readable`, for pages in the frame of unfold, which has findings of its own that hinder nobody."""
    found = Axe().run(page)
    grave = [each["id"] for each in found.response["violations"] if each["impact"] in ("serious", "critical")]
    assert grave == [], found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def largest_paint(page: Page, url: str) -> float:
    """Seconds until it, on a processor that is SLOWER."""
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(url)
    return float(page.evaluate(LARGEST_PAINT)) / 1_000


def loaded_bytes(page: Page) -> int:
    """Of the page with everything that it has loaded."""
    return int(page.evaluate(LOADED))
