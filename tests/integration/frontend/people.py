"""A person before one of the two sites: what they read in their mails, and what they press on PhonePe's page."""

import email
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.policy import default
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from tests.harness.customers import FRONTEND
from tests.harness.databases import PASSWORD
from tests.harness.installation import InstallationWithPhonePe, start_installation
from tests.harness.processes import eventually
from tests.integration.frontend import account_pages, july, shop_pages, today
from tests.integration.frontend.browser import Browser, Tab

ERAS = {"july": july, "today": today}
HOME = {
    "address_line1": "12 Temple Road",
    "city": "Patna",
    "state": "Bihar",
    "postal_code": "800001",
    "is_default": True,
}
numbers = count(1)


class Person:
    """`tab` is the one that they look at; `era` the site that they are on."""

    def __init__(self, shop: InstallationWithPhonePe, era: str) -> None:
        self.shop, self.era = shop, era
        self.site: Any = ERAS[era]
        self.email = f"newcomer{next(numbers)}.{era}@example.com"
        self.tab: Tab = Browser(shop.url, self.site.MAIN).tab()
        self.landings: list[str] = []  # where PhonePe's page has sent the browser, on the site

    def join(self) -> None:
        """From the registration to the login, with the code of the mail; then an address."""
        account_pages.register(self.tab, self.email, "98765 43210", PASSWORD)
        account_pages.enter_code(self.tab, self.email, self.code())
        assert self.tab.toasts == []
        account_pages.add_address(self.tab, **HOME)

    def code(self, about: str = "registered") -> str:
        """Of the newest mail that has this word."""
        read = eventually(
            lambda: [mail for mail in mails_to(self.shop, self.email) if about in mail],
            "the mail has come",
            20,
        )
        return re.search(r"\b\d{6}\b", read[-1])[0]

    def fill_cart(self, number: int = 0, days: int = 0) -> dict[str, Any]:
        """A Satyanarayan Puja at the next free time, `days` after today at the earliest."""
        (service,) = shop_pages.service_list(self.tab, search="Satyanarayan")
        free = free_times(self.tab, service["id"])
        slot = next(slot for slot in free if slot["days"] >= days)
        package = service["packages"][number]["id"]
        shop_pages.add_to_cart(self.tab, service["id"], package, slot["date"], slot["time"])
        cart = shop_pages.cart(self.tab)
        assert cart, self.tab.toasts
        return cart

    def check_out(self) -> Any:
        """Up to PhonePe's page, which is the tab's location then."""
        started = self.site.checkout(self.tab)
        assert started, self.tab.toasts
        return started

    def press(self, choice: str) -> None:
        """On PhonePe's page; the tab goes where that sends it, and plays the page there."""
        self.arrive(self.press_and_leave(choice))

    def press_and_leave(self, choice: str = "success") -> str:
        """Where the browser would be sent, which is closed before it gets there."""
        page = self.tab.location
        answer = requests.post(page, data={"choice": choice}, allow_redirects=False, timeout=30)
        assert answer.status_code == 302, answer.text
        return urljoin(page, answer.headers["Location"])

    def pay_elsewhere(self, page: str) -> None:
        """On the telephone, while the site waits in this tab."""
        requests.post(page, data={"choice": "success"}, allow_redirects=False, timeout=30)

    def look_again(self) -> None:
        """Our page loads itself every five seconds; those of the site have waited by themselves."""
        for _ in range(12):
            if self.tab.screen != self.tab.screen._replace(says="our page", text="Waiting for your payment"):
                return
            self.tab.wait(5)
            self.arrive(self.tab.location)

    def states(self) -> list[str]:
        """What this tab has shown, in order."""
        return [screen.text if screen.says == "our page" else screen.says for screen in self.tab.screens]

    def history(self) -> list[dict[str, Any]]:
        return self.site.history(self.tab)

    def cancel(self, booking_id: int) -> dict[str, Any]:
        """By the call in the store of both sites. No page of July's makes it; today's page only says that it did."""
        body = {"status": "CANCELLED", "cancellation_reason": "schedule_conflict"}
        answer = self.tab.call("POST", f"/booking/bookings/{booking_id}/status/", body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pay_again(self, tab: Tab, cart: dict[str, Any]) -> Any:
        """In a tab that was loaded before, whose Pay button still names this cart."""
        if self.era == "july":
            return july.pay_for(tab, cart["id"])
        return today.pay_for(tab, cart["cart_id"], account_pages.addresses(tab)[0]["id"])

    def decide(self, order: str, outcome: str) -> None:
        """Somebody presses on PhonePe's page elsewhere, e.g. on their telephone."""
        self.shop.phonepe.decide(order, outcome)

    def arrive(self, address: str) -> None:
        """Follows redirects as a browser does, up to a page of the frontend, of PhonePe or of ours."""
        while not address.startswith(FRONTEND):
            answer = requests.get(address, allow_redirects=False, timeout=30)
            if not answer.is_redirect:
                assert answer.status_code == 200, answer.text
                self.tab.location = address
                heading = re.search(r"<h1[^>]*>\s*(.*?)\s*</h1>", answer.text, re.DOTALL)
                self.tab.show("our page" if address.startswith(self.shop.url) else "PhonePe", heading[1])
                return
            address = urljoin(address, answer.headers["Location"])
        self.landings.append(address.removeprefix(FRONTEND))
        self.site.go(self.tab, self.landings[-1])


def free_times(tab: Tab, service_id: int) -> list[dict[str, Any]]:
    """The pages have fixed times; a person tries until one is free. These are, with their `days` from the first."""
    slots = tab.call("GET", f"/puja/services/{service_id}/slots/").json()
    days = sorted({slot["date"] for slot in slots})
    return [slot | {"days": days.index(slot["date"])} for slot in slots if slot["available"]]


def mails_to(shop: InstallationWithPhonePe, address: str) -> list[str]:
    """The texts of the mails in the folder that `make run` writes, the oldest first."""
    folder = Path(shop.environment["EMAIL_URL"].removeprefix("file://"))
    mails = [
        email.message_from_bytes(file.read_bytes(), policy=default) for file in sorted(folder.glob("*.eml"))
    ]
    return [
        f"{mail['Subject']}\n{mail.get_body(('plain',)).get_content()}"
        for mail in mails
        if str(mail["To"]) == address
    ]


@contextmanager
def shop_with_mails(generation: str, **settings: Any) -> Iterator[InstallationWithPhonePe]:
    """Everything that `make run` starts, whose mails are files."""
    with (
        tempfile.TemporaryDirectory(prefix="okpuja-mail-") as folder,
        start_installation(generation, EMAIL_URL=f"file://{folder}", **settings) as shop,
    ):
        shop.work(interval=0.5)
        yield shop
