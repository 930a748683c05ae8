"""The pages of the frontend, one function each: the calls it makes, in its order, and what a person sees of them.

Every answer is held against its shape on the way. `tab.toasts` and `tab.location` are what becomes visible.
"""

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import requests

from tests.integration.frontend import shapes
from tests.integration.frontend.browser import NETWORK, NoAnswer, Tab, first_value
from tests.integration.frontend.shapes import fitting

PAY = "/payments/payments/"
PAY_TROUBLE = {
    502: "Payment gateway is unreachable.",
    503: "Service is unavailable.",
    504: "Payment gateway is unreachable.",
}


def log_in(tab: Tab, email: str, password: str) -> None:
    answer = tab.call("POST", "/auth/login/", {"email": email, "password": password})
    if answer.status_code in (400, 401):
        tab.toasts.append("Invalid email or password.")
        return
    session = fitting(answer.json(), shapes.LOGIN)
    tab.storage.update(access=session["access"], refresh=session["refresh"])
    tab.location = "/"


def register(tab: Tab, **form: str) -> None:
    answer = tab.call("POST", "/auth/register/", {"role": "USER", **form})
    if answer.status_code < 300:
        tab.location = f"/verify-otp?email={quote(form['email'])}"
        return
    told = answer.json()
    fields = (told[name][0] for name in ("email", "phone") if name in told)
    tab.toasts.append(next(fields, told.get("detail", "")))


def service_list(tab: Tab, **filters: Any) -> list[dict[str, Any]]:
    """The cards, each with how many packages it has: one call for every card."""
    fitting(tab.call("GET", "/puja/categories/").json(), [shapes.CATEGORY])
    query = {"page": 1, "page_size": 10, **filters}
    listed = tab.call(
        "GET", "/puja/services/?" + "&".join(f"{name}={value}" for name, value in query.items())
    )
    cards = fitting(listed.json()["results"], [shapes.SERVICE])
    assert type(listed.json()["count"]) is int
    return [card | {"packages": packages(tab, card["id"])} for card in cards]


def packages(tab: Tab, service_id: int) -> list[dict[str, Any]]:
    return fitting(tab.call("GET", f"/puja/packages/?puja_service={service_id}").json(), [shapes.PACKAGE])


def service_detail(tab: Tab, service_id: int) -> dict[str, Any] | None:
    """A hard reload: nothing is left of the list."""
    answer = tab.call("GET", f"/puja/services/{service_id}/")
    if answer.status_code != 200:
        tab.toasts.append("Service not found")
        tab.location = "/pujaservice"
        return None
    return fitting(answer.json(), shapes.SERVICE)


def add_to_cart(tab: Tab, service_id: int, package_id: int, date: str, time: str) -> None:
    choice = {
        "service_type": "PUJA",
        "puja_service": service_id,
        "package_id": package_id,
        "selected_date": date,
        "selected_time": time,
    }
    answer = tab.call("POST", "/cart/carts/", choice)
    if answer.status_code != 201:
        tab.toasts.append(toast(answer))


def cart(tab: Tab) -> dict[str, Any] | None:
    """No active one is no error: then the list is asked for, and the first that still costs something is shown."""
    answer = tab.call("GET", "/cart/carts/active/")
    if answer.status_code == 200:
        return fitting(answer.json(), shapes.CART)
    assert answer.status_code == 404, answer.text
    carts = fitting(tab.call("GET", "/cart/carts/").json(), [shapes.CART])
    return next((one for one in carts if one["status"] == "ACTIVE" and one["total_price"]), None)


def apply_promo(tab: Tab, code: str) -> None:
    answer = tab.call("POST", f"/cart/carts/{cart(tab)['id']}/apply_promo/", {"promo_code": code})
    if answer.status_code == 400:
        told = answer.json()
        tab.toasts.append(told.get("detail") or told["promo_code"][0])
    elif answer.status_code == 404:
        tab.toasts.append("Invalid promo code")


def remove_promo(tab: Tab) -> None:
    assert tab.call("POST", f"/cart/carts/{cart(tab)['id']}/remove_promo/").status_code == 200


def delete_cart(tab: Tab) -> None:
    answer = tab.call("DELETE", f"/cart/carts/{cart(tab)['id']}/")
    if answer.status_code == 400:
        told = answer.json()
        wait = f" Wait {told['wait_minutes']} minutes" if type(told["wait_minutes"]) is int else ""
        tab.toasts.append(told["error"] + wait + (", or close the payment." if told["can_cleanup"] else ""))


def close_open_payment(tab: Tab) -> None:
    """The button of "Has pending payment"."""
    answer = tab.call("POST", f"/cart/carts/{cart(tab)['id']}/cleanup_old_payments/")
    if answer.status_code >= 400:
        tab.toasts.append(answer.json()["error"])


def clear_cart(tab: Tab) -> None:
    """After a success, and by a button."""
    assert tab.call("POST", "/cart/carts/clear_converted/").status_code == 200


def add_address(tab: Tab, **fields: Any) -> None:
    answer = tab.call("POST", "/auth/addresses/", {"country": "India", "address_line2": "", **fields})
    if answer.status_code == 400:
        tab.toasts.append(first_value(answer))


def addresses(tab: Tab) -> list[dict[str, Any]]:
    return fitting(tab.call("GET", "/auth/addresses/").json(), [shapes.ADDRESS])


def checkout(tab: Tab) -> dict[str, Any] | None:
    """The cart, the addresses, and "pay": the chosen address is not sent."""
    wanted = cart(tab)
    addresses(tab)
    return pay_for(tab, wanted["id"])


def pay_for(tab: Tab, cart_id: int) -> dict[str, Any] | None:
    try:
        answer = tab.call("POST", f"{PAY}process-cart/", {"cart_id": cart_id, "method": "PHONEPE"})
    except NoAnswer:
        tab.toasts.append(NETWORK)
        return None
    if answer.status_code >= 300:
        tab.toasts.append(PAY_TROUBLE.get(answer.status_code) or toast(answer))
        return None
    started = fitting(answer.json(), shapes.STARTED)
    assert started["success"]
    tab.location = started["payment_url"]
    return started


def follow(tab: Tab, address: str) -> None:
    """Wherever the browser was sent: one of the pages that look for a payment."""
    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    tab.location = address
    arrival = {
        "/confirmbooking": confirm_booking,
        "/payment/callback": payment_callback,
        "/payment/redirect": payment_redirect,
        "/failedbooking": lambda tab, **query: None,
    }[parts.path]
    arrival(tab, **query)


def confirm_booking(tab: Tab, payment_id: str, **_: str) -> dict[str, Any] | None:
    """Asks once, and never again."""
    checked = check_booking(tab, int(payment_id))
    if not checked["booking_created"]:
        tab.toasts.append("Booking Information Not Found")
        return None
    return checked["booking"]


def payment_callback(tab: Tab, payment_id: str, **_: str) -> None:
    number = int(payment_id)
    checked = check_booking(tab, number)
    if checked["payment_status"] == "SUCCESS" and not checked["booking_created"]:
        tab.call("POST", f"{PAY}{number}/check-and-create-booking/")
        checked = check_booking(tab, number)
    if checked["payment_status"] == "PENDING":
        fitting(tab.call("POST", f"{PAY}{number}/retry-webhook/").json(), {"success": bool})
        checked = check_booking(tab, number)
    tab.location = after_callback(number, checked)


def after_callback(number: int, checked: dict[str, Any]) -> str:
    if checked["booking_created"]:
        return f"/confirmbooking?payment_id={number}&booking_id={checked['booking']['id']}"
    if checked["payment_status"] == "SUCCESS":
        return f"/confirmbooking?payment_id={number}&status=processing"
    message = quote(checked["message"])
    return f"/failedbooking?payment_id={number}&status={checked['payment_status']}&message={message}"


def payment_redirect(tab: Tab, payment_id: str, **_: str) -> None:
    answer = tab.call("GET", f"{PAY}{int(payment_id)}/")
    status = fitting(answer.json(), {"status": shapes.PAYMENT_STATUS})["status"]
    page = "confirmbooking" if status == "SUCCESS" else "failedbooking"
    tab.location = f"/{page}?payment_id={payment_id}&status={status}"


def check_booking(tab: Tab, number: int) -> dict[str, Any]:
    answer = tab.call("GET", f"{PAY}{number}/check-booking/")
    assert answer.status_code == 200, answer.text
    checked = answer.json()
    return fitting(checked, shapes.BOOKED if checked["booking_created"] else shapes.UNPAID)


def bookings(tab: Tab) -> list[dict[str, Any]]:
    return fitting(tab.call("GET", "/booking/bookings/").json(), [shapes.BOOKING])


def payments(tab: Tab) -> list[dict[str, Any]]:
    return fitting(tab.call("GET", PAY).json(), [shapes.PAYMENT])


def cancel(tab: Tab, booking_id: int, reason: str) -> requests.Response:
    body = {"status": "CANCELLED", "cancellation_reason": reason}
    return tab.call("POST", f"/booking/bookings/{booking_id}/status/", body)


def play_customer(tab: Tab, number: int) -> dict[str, Any]:
    """The page that plays the customer."""
    assert tab.call("POST", f"{PAY}{number}/simulate-success/").json()
    return check_booking(tab, number)


def toast(answer: requests.Response) -> str:
    return first_value(answer) or "Something went wrong."
