"""Takes the pictures of README.md again: a page of the shop on a phone, and the Today page of the desk.

`make pictures` needs /usr/bin/chromium. The pages are those of a fresh installation with its demo day.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Page, sync_playwright

from tests.harness.databases import PASSWORD
from tests.harness.installation import Installation

PICTURES = Path("docs/pictures")
CHROMIUM = "/usr/bin/chromium"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def shop_page(page: Page, shop: Installation) -> None:
    """The times of the first puja that has any."""
    services = requests.get(f"{shop.url}/api/puja/services/", timeout=30).json()["results"]
    for service in services:
        slots = requests.get(f"{shop.url}/api/puja/services/{service['id']}/slots/", timeout=30).json()
        if slots:
            page.goto(f"{shop.url}/pujas/{service['id']}/")
            page.screenshot(path=PICTURES / "shop-phone.png")
            return
    raise SystemExit("no puja of the demo has a free time")


def desk_page(page: Page, shop: Installation) -> None:
    page.goto(f"{shop.url}/admin/login/")
    page.fill("#id_username", "staff@example.com")
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_load_state()
    page.screenshot(path=PICTURES / "desk-today.png")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with Installation(FRONTEND_BASE_URL="", STOREFRONT="True") as shop, sync_playwright() as playwright:
        shop.serve()
        command = [sys.executable, "manage.py", "seed_demo_day"]
        subprocess.run(command, env=shop.environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        how: dict[str, Any] = {"locale": "en-IN", "timezone_id": "Asia/Kolkata"}
        phone = browser.new_context(viewport=PHONE, device_scale_factor=2, **how).new_page()
        shop_page(phone, shop)
        desk_page(browser.new_context(viewport=DESK, **how).new_page(), shop)
        browser.close()
    sys.stdout.write("docs/pictures: shop-phone.png, desk-today.png\n")


if __name__ == "__main__":
    main()
