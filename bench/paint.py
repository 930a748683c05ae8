"""The largest paint of the shop's first page, on a telephone four times slower than this: `python -m bench.paint`.

Served by `manage.py serve`, as `make run` does, over SQLite and loopback. Each load has a fresh profile: nothing is
cached. The first load of each language is the first that this server answers in it.
"""

import os
import statistics
from contextlib import suppress

import requests
from playwright.sync_api import Browser, sync_playwright

from bench.figures import print_figure
from tests.harness import environment
from tests.harness.installation import Installation
from tests.harness.processes import eventually
from tests.integration.browser.conftest import CHROMIUM, QUIET, SIZES
from tests.integration.browser.looks import largest_paint, loaded_bytes

LOADS = 9
WAITED = "performance.getEntriesByType('navigation')[0].responseStart / 1000"


def main() -> None:
    with Installation(STOREFRONT="True", FRONTEND_BASE_URL="") as shop, sync_playwright() as playwright:
        shop.serve_and_work()
        eventually(lambda: is_ready(shop.url), "the server is ready")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        browser.new_page().goto("data:text/html,<h1>Bare</h1>")  # the browser itself has started
        for locale in ("en-IN", "hi-IN"):
            loads = [load(browser, shop.url, locale) for _ in range(LOADS)]
            paints = [paint for paint, _, _ in loads]
            first, waited, size = loads[0]
            print(
                f"{locale}: the first {first:.2f} s, of these {waited:.2f} s until its first byte; "
                f"median {statistics.median(paints):.2f} s, slowest {max(paints):.2f} s; {size} bytes; "
                f"load {os.getloadavg()[0]:.1f}"
            )
            print_figure(f"s until the largest paint, slowest of {LOADS}, {locale}", max(paints))
        browser.close()
    environment.end()


def is_ready(url: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(f"{url}/readyz", timeout=30).ok
    return False


def load(browser: Browser, url: str, locale: str) -> tuple[float, float, int]:
    """Seconds until the largest paint, and until the first byte; the size."""
    context = browser.new_context(viewport=SIZES["phone"], locale=locale)
    page = context.new_page()
    paint = largest_paint(page, url)
    found = paint, float(page.evaluate(WAITED)), loaded_bytes(page)
    context.close()
    return found


if __name__ == "__main__":
    main()
