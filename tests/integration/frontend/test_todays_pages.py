"""The pages of today's site against answers by hand: our client waits, asks and shows what the site does."""

from typing import Any

import pytest

from tests.integration.frontend import today
from tests.integration.frontend.browser import Browser, Tab

BOOKING = {"success": True, "data": {"book_id": "BK-OLDER123"}}
CONFIRM = "/confirmbooking?cart_id=7"


class ScriptedTab(Tab):
    """`answers` by the beginning of a path; what is not there is not found. `asked` is every path."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(Browser("", today.MAIN))
        self.answers, self.asked = answers, list[str]()

    def fetch(self, path: str) -> Any:
        self.asked.append(path)
        return next((told for name, told in self.answers.items() if f"/{name}/" in path), None)


def cart_status(word: str, booked: bool = False) -> dict[str, Any]:
    return {"success": True, "data": {"payment_status": word, "booking_created": booked}}


def test_an_open_payment_is_asked_for_eight_times_in_seven_minutes_and_then_the_buyer_is_asked():
    tab = ScriptedTab(status=cart_status("INITIATED"), latest=BOOKING)
    today.go(tab, CONFIRM)
    assert [screen.at for screen in tab.screens] == [0, 30, 70, 120, 180, 240, 300, 360, 420]
    assert tab.screen.says == "manual"


def test_money_without_a_booking_is_asked_for_three_times_and_then_an_older_booking_is_shown():
    tab = ScriptedTab(status=cart_status("SUCCESS"), latest=BOOKING)
    today.go(tab, CONFIRM)
    assert (tab.screen.at, tab.screen.book_id) == (15, "BK-OLDER123")


@pytest.mark.parametrize("answer", [None, {"success": False}])
def test_no_answer_about_the_cart_shows_an_older_booking_at_once(answer):
    tab = ScriptedTab(status=answer, latest=BOOKING)
    today.go(tab, CONFIRM)
    assert (tab.screen.at, tab.screen.book_id) == (0, "BK-OLDER123")


@pytest.mark.parametrize("body", [{}, {"success": False}])
def test_anything_with_200_is_a_booking_of_the_cart(body):
    tab = ScriptedTab(**{"by-cart": body})
    today.go(tab, CONFIRM)
    assert tab.screen.says == "confirmed"


def test_a_failed_payment_ends_the_search():
    tab = ScriptedTab(status=cart_status("FAILED"), latest=BOOKING)
    today.go(tab, CONFIRM)
    assert tab.screen.says == "failed"


def test_the_cart_of_this_tab_outranks_the_booking_of_an_invoice():
    tab = ScriptedTab(**{"by-cart": {"book_id": "BK-BOUGHT12"}, "by-id": BOOKING})
    tab.session["cart_id"] = "7"
    today.go(tab, "/confirmbooking?book_id=BK-OLDER123/")
    assert tab.screen.book_id == "BK-BOUGHT12"


def test_the_waiting_page_looks_twenty_times_in_ten_minutes():
    tab = ScriptedTab()
    today.go(tab, "/payment-pending?merchant_order_id=OKP1")
    assert len([path for path in tab.asked if path == "/payments/status/OKP1/"]) == 20
    assert (tab.screen.says, tab.screen.at) == ("manual", 600)


def test_the_waiting_page_without_an_order_asks_nothing():
    tab = ScriptedTab()
    today.go(tab, "/payment-pending")
    assert tab.asked == []


@pytest.mark.parametrize("address", ["/failedbooking?cart_id=7", "/failedbooking?merchant_order_id=OKP1"])
def test_the_failure_page_without_a_payment_or_booking_asks_nothing(address):
    tab = ScriptedTab()
    today.go(tab, address)
    assert (tab.screen.says, tab.asked) == ("error", [])


def test_a_page_that_the_site_does_not_have_is_seen():
    tab = ScriptedTab()
    today.go(tab, "/payment/callback?payment_id=7")
    assert tab.screen.says == "no such page"
