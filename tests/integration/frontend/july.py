"""The site of July 2025: its pages from Pay to the history. They know a payment by its number and ask once."""

from typing import Any
from urllib.parse import quote, urlsplit

from tests.integration.frontend import shapes, shop_pages
from tests.integration.frontend.account_pages import addresses
from tests.integration.frontend.browser import Client, Tab, query_of
from tests.integration.frontend.shapes import fitting

MAIN = Client(30)
PAY = "/payments/payments/"
REASONS = ("PAYMENT_FAILED", "TRANSACTION_FAILED", "SERVER_ERROR", "TIMEOUT", "INSUFFICIENT_FUNDS")
PAID = ("SUCCESS", "PAYMENT_SUCCESS")


def checkout(tab: Tab) -> dict[str, Any] | None:
    """The cart, the addresses, and Pay: the chosen address is not sent."""
    wanted = shop_pages.cart(tab)
    addresses(tab)
    return pay_for(tab, wanted["id"])


def pay_for(tab: Tab, cart_id: int) -> dict[str, Any] | None:
    body = {"cart_id": cart_id, "method": "PHONEPE"}
    started = shop_pages.click_pay(tab, f"{PAY}process-cart/", body, shapes.STARTED)
    if started is not None:
        tab.session["payment_id"] = str(started["payment_id"])
        tab.location = started["payment_url"]
    return started


def go(tab: Tab, address: str) -> None:
    """Wherever the browser is sent on the site, until a page stays."""
    tab.location = address
    arrival = PAGES.get(urlsplit(address).path)
    if arrival is None:
        tab.show("no such page", address)
        return
    arrival(tab, query_of(address))


def confirm_booking(tab: Tab, query: dict[str, str]) -> None:
    """Asks once, and never again."""
    checked = check_booking(tab, int(query["payment_id"]))
    if checked is None:
        tab.show("error", "Unable to fetch booking status")
    elif checked["booking_created"]:
        tab.show("confirmed", book_id=checked["booking"]["book_id"])
    else:
        tab.show("nothing", "Booking Information Not Found")


def payment_callback(tab: Tab, query: dict[str, str]) -> None:
    number = query.get("payment_id") or tab.session.get("payment_id", "")
    if not number:
        go(tab, "/failedbooking?status=INVALID_CALLBACK")
        return
    checked = check_booking(tab, int(number))
    if checked and checked["payment_status"] == "SUCCESS" and not checked["booking_created"]:
        tab.call("POST", f"{PAY}{number}/check-and-create-booking/")
        checked = check_booking(tab, int(number))
    if checked and checked["payment_status"] == "PENDING":
        tab.call("POST", f"{PAY}{number}/retry-webhook/")
        checked = check_booking(tab, int(number))
    tab.wait(3)
    go(tab, _after_callback(number, checked))


def _after_callback(number: str, checked: dict[str, Any] | None) -> str:
    if checked is None:
        return "/failedbooking?status=UNKNOWN"
    if checked["booking_created"]:
        return f"/confirmbooking?payment_id={number}&booking_id={checked['booking']['id']}"
    if checked["payment_status"] == "SUCCESS":
        return f"/confirmbooking?payment_id={number}&status=processing"
    status, message = checked["payment_status"], quote(checked["message"])
    return f"/failedbooking?payment_id={number}&status={status}&message={message}"


def payment_redirect(tab: Tab, query: dict[str, str]) -> None:
    """A status in the address is believed; else the payment is asked for."""
    number = query.get("payment_id", "")
    payment = {"status": query["status"]} if "status" in query else tab.fetch(f"{PAY}{int(number)}/")
    tab.wait(2)
    if payment is None:
        go(tab, "/failedbooking?status=PAYMENT_NOT_FOUND")
    elif payment["status"] in PAID:
        go(tab, f"/confirmbooking?payment_id={number}")
    else:
        go(tab, f"/failedbooking?payment_id={number}&status={payment['status']}")


def failed_booking(tab: Tab, query: dict[str, str]) -> None:
    """It knows five codes; everything else reads as a failed transaction of order OK123456."""
    reason = query.get("code") if query.get("code") in REASONS else "TRANSACTION_FAILED"
    tab.show("failed", f"{reason} {query.get('bookingId', 'OK123456')}")


PAGES = {
    "/confirmbooking": confirm_booking,
    "/payment/callback": payment_callback,
    "/payment/redirect": payment_redirect,
    "/failedbooking": failed_booking,
}


def check_booking(tab: Tab, number: int) -> dict[str, Any] | None:
    checked = tab.fetch(f"{PAY}{number}/check-booking/")
    if checked is None:
        return None
    return fitting(checked, shapes.CHECKED_WITH_BOOKING if checked["booking_created"] else shapes.CHECKED)


def history(tab: Tab) -> list[dict[str, Any]]:
    return fitting(tab.call("GET", "/booking/bookings/").json(), [shapes.BOOKING])


def payments(tab: Tab) -> list[dict[str, Any]]:
    return fitting(tab.call("GET", PAY).json(), [shapes.PAYMENT])


def simulate_success(tab: Tab, number: int) -> None:
    """The test page, which plays the customer."""
    if tab.call("POST", f"{PAY}{number}/simulate-success/").ok:
        tab.wait(1)
        confirm_booking(tab, {"payment_id": str(number)})
