"""Today's site: its pages from Pay to the history. They know a payment by its order id and its cart's uuid."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from tests.integration.frontend import shapes, shop_pages
from tests.integration.frontend.account_pages import addresses
from tests.integration.frontend.browser import Client, Tab, query_of
from tests.integration.frontend.shapes import fitting

MAIN = Client(30, exempt="/puja/services/")
SLIDER = Client(15)
FALLBACK = Client(10, sends_token=False)

BOOKING_WAITS = (5, 5, 5)
OPEN_WAITS = (30, 40, 50, 60, 60, 60, 60, 60)
PENDING_SECONDS, PENDING_CHECKS = 30, 20
BADGES = ("FAILED", "CANCELLED", "PENDING", "DECLINED")
REASONS = (
    *("PAYMENT_FAILED", "FAILED", "PAYMENT_DECLINED", "TRANSACTION_FAILED", "SERVER_ERROR", "TIMEOUT"),
    *("INSUFFICIENT_FUNDS", "NETWORK_ERROR", "INVALID_CARD", "CANCELLED", "PENDING"),
)


def checkout(tab: Tab) -> dict[str, Any] | None:
    wanted = shop_pages.cart(tab)
    rows = addresses(tab)
    chosen = next((row for row in rows if row["is_default"]), rows[0])
    return pay_for(tab, wanted["cart_id"], chosen["id"])


def pay_for(tab: Tab, cart_id: str, address_id: int) -> dict[str, Any] | None:
    """`payment_order`; the ids are kept in this tab before the browser leaves for PhonePe."""
    body = {"cart_id": cart_id, "address_id": address_id}
    started = shop_pages.click_pay(tab, "/payments/cart/", body, shapes.CART_PAYMENT)
    if started is None:
        return None
    order = started["data"]["payment_order"]
    kept = {"payment_id": order["id"], "merchant_order_id": order["merchant_order_id"], "cart_id": cart_id}
    tab.session |= {name: str(value) for name, value in kept.items()}
    tab.location = order["phonepe_payment_url"]
    return order


def go(tab: Tab, address: str) -> None:
    """Wherever the browser is sent on the site, until a page stays."""
    tab.location = address
    arrival = PAGES.get(urlsplit(address).path)
    if arrival is None:
        tab.show("no such page", address)
        return
    arrival(tab, query_of(address))


def confirm_booking(tab: Tab, query: dict[str, str]) -> None:
    """Round after round, until there is a booking, a failure, or nothing to wait for any more."""
    waits = {"SUCCESS": iter(BOOKING_WAITS), "INITIATED": iter(OPEN_WAITS)}
    cart = query.get("cart_id") or tab.session.get("cart_id", "")
    while (pause := _confirm_round(tab, query, cart, waits)) is not None:
        tab.show("waiting", "Booking not found. Your payment is being processed.")
        tab.wait(pause)


def _confirm_round(tab: Tab, query: dict[str, str], cart: str, waits: dict[str, Iterator[int]]) -> int | None:
    """Seconds until the next round; None when the page stays as it is."""
    if "booking_id" in query and _shows(tab, by_id(tab, query["booking_id"])):
        return None
    if cart:
        if _shows(tab, by_cart(tab, cart)):
            return None
        told = cart_status(tab, cart) or {"payment_status": ""}
        word = told["payment_status"]
        if word == "FAILED":
            tab.show("failed", "Payment failed")
            return None
        if word == "SUCCESS" and told["booking_created"]:
            if _shows(tab, by_cart(tab, cart)):
                return None
        elif (pause := next(waits.get(word, iter(())), None)) is not None:
            return pause
        elif word == "INITIATED":
            tab.show("manual", "Did you pay?")
            return None
    reference = query.get("book_id") or query.get("") or query.get("payment_id")
    if reference and _shows(tab, by_id(tab, reference)):
        return None
    if not _shows(tab, latest(tab)):
        tab.show("manual", "Did you pay?") if cart else tab.show("error", "No booking information found")
    return None


def _shows(tab: Tab, booking: Any) -> bool:
    """Whatever a script finds true is shown as a confirmed booking: `{}` too."""
    if booking is None:
        return False
    tab.show("confirmed", book_id=booking.get("book_id", ""))
    return True


def say_paid(tab: Tab, cart_id: str) -> None:
    """The manual button "Yes, I paid"."""
    answer = tab.call("POST", "/payments/verify-and-complete/", {"cart_id": cart_id})
    told = answer.json() if answer.ok else {}
    if (told.get("success") or "already_processed" in told) and told.get("booking"):
        _shows(tab, told["booking"])
    else:
        tab.show("manual", told.get("message") or "Verification failed")


def payment_pending(tab: Tab, query: dict[str, str]) -> None:
    """Without an order id it asks nothing. Else it looks 20 times, and leaves when somebody has decided."""
    number = query.get("payment_id", "")
    order = query.get("merchant_order_id") or number
    parts = number.split("_")
    cart = query.get("cart_id") or tab.session.get("cart_id") or (parts[1] if len(parts) > 1 else "")
    for _ in range(PENDING_CHECKS if order else 0):
        if page := _decided(tab, order, cart):
            tab.wait(2)
            go(tab, page)
            return
        tab.show("waiting", "Payment is being processed")
        tab.wait(PENDING_SECONDS)
    tab.show("manual", "Check the status yourself")


def _decided(tab: Tab, order: str, cart: str) -> str:
    told = payment_status(tab, order) or {"status": ""}
    if told["status"] == "SUCCESS":
        return f"/confirmbooking?payment_id={order}"
    if told["status"] == "FAILED":
        return f"/failedbooking?payment_id={order}&status=failed"
    status = (cart_status(tab, cart) if cart else None) or {"payment_status": ""}
    if status["payment_status"] == "SUCCESS" and status["booking_created"]:
        return f"/confirmbooking?cart_id={cart}"
    return f"/failedbooking?cart_id={cart}&status=failed" if status["payment_status"] == "FAILED" else ""


def failed_booking(tab: Tab, query: dict[str, str]) -> None:
    """Looks first whether the money came after all."""
    number, reference = query.get("payment_id"), query.get("book_id")
    if not number and not reference:
        tab.show("error", "No payment information found")
        return
    booking = by_id(tab, reference) if reference else None
    paid_for = (booking or {}).get("payment") or {}
    if paid_for.get("status") in ("SUCCESS", "COMPLETED"):
        go(tab, f"/confirmbooking?book_id={reference}")
        return
    order = query.get("merchant_order_id") or tab.session.get("merchant_order_id")
    told = payment_status(tab, order) if order else None
    if told and told["status"] == "SUCCESS":
        go(tab, f"/confirmbooking?merchant_order_id={order}")
        return
    shop_pages.cart(tab)
    code = query.get("error_code") or query.get("code") or query.get("status")
    reason = paid_for["status"] if paid_for.get("status") in BADGES else query.get("message")
    shown = reason or (code if code in REASONS else "unknown reason")
    tab.show("failed", f"{shown} {reference or 'OKPAY' + str(number)}")


def retry_payment(tab: Tab, query: dict[str, str]) -> None:
    """The Retry button of the failure page: parseInt makes NaN of an order id."""
    number = query["payment_id"] if query["payment_id"].isdecimal() else "NaN"
    answer = tab.call("POST", f"/payments/payments/{number}/retry-webhook/")
    if answer.ok and answer.json().get("success"):
        go(tab, f"/confirmbooking?payment_id={number}")
    else:
        tab.location = "/checkout"


PAGES = {
    "/confirmbooking": confirm_booking,
    "/payment-pending": payment_pending,
    "/failedbooking": failed_booking,
}


def by_id(tab: Tab, reference: str) -> dict[str, Any] | None:
    """The reference goes into the path as it is, a slash at its end included."""
    return _enveloped(tab.fetch(f"/booking/bookings/by-id/{reference}/"))


def latest(tab: Tab) -> dict[str, Any] | None:
    return _enveloped(tab.fetch("/booking/bookings/latest/"))


def _enveloped(told: Any) -> dict[str, Any] | None:
    return told["data"] if told and told.get("success") else None


def by_cart(tab: Tab, cart_id: str) -> Any:
    """Bare: a refusal with 200 would be shown as a booking."""
    return tab.fetch(f"/booking/bookings/by-cart/{cart_id}/")


def cart_status(tab: Tab, cart_id: str) -> dict[str, Any] | None:
    told = tab.fetch(f"/payments/cart/status/{cart_id}/")
    return fitting(told, shapes.CART_STATUS)["data"] if told and told.get("success") else None


def payment_status(tab: Tab, order: str) -> dict[str, Any] | None:
    told = tab.fetch(f"/payments/status/{order}/")
    return fitting(told, shapes.ORDER_STATUS) if told else None


def history(tab: Tab) -> list[dict[str, Any]]:
    """An answer that is no array reads as "no bookings"; astrology's must be there, too."""
    pujas, astrology = tab.fetch("/booking/bookings/"), tab.fetch("/astrology/bookings/")
    if not isinstance(astrology, list):
        tab.toasts.append("Failed to load astrology bookings")
    return fitting(pujas, [shapes.TODAYS_BOOKING])


def dashboard(tab: Tab) -> dict[str, Any]:
    """The figures that the page makes of the history."""
    rows = history(tab)
    now = datetime.now().astimezone()
    return {
        "spent": sum(float(row["total_amount"]) for row in rows),
        "upcoming": [row["book_id"] for row in rows if _starts(row) > now and row["status"] == "CONFIRMED"],
        "cancellable": [row["book_id"] for row in rows if _starts(row) > now + timedelta(hours=24)],
    }


def _starts(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(f"{row['selected_date']}T{row['selected_time']}+05:30")


def open_invoice(tab: Tab, book_id: str) -> Tab:
    """A new tab of the history: the slash is in the address, and the sessionStorage is copied."""
    invoice = tab.open_tab()
    go(invoice, f"/confirmbooking?book_id={book_id}/")
    return invoice
