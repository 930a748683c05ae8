"""The catalogue and the cart, which both sites share: the calls of each page, and what a person sees of them."""

from typing import Any
from urllib.parse import urlencode

import requests

from tests.integration.frontend import shapes
from tests.integration.frontend.browser import NETWORK, SOMETHING, Client, NoAnswer, Tab, first, reader
from tests.integration.frontend.shapes import fitting

PAY_TROUBLE = {
    502: "Payment gateway is unreachable.",
    503: "Service is unavailable.",
    504: "Payment gateway is unreachable.",
}
TODAYS_PAY_TROUBLE = PAY_TROUBLE | {
    401: "Please log in again.",
    404: "Cart not found.",
    500: "The server has a problem.",
}
promo_error = reader("detail", "promo_code")


def service_list(tab: Tab, client: Client | None = None, **filters: Any) -> list[dict[str, Any]]:
    """The cards, each with its packages: one call for every card."""
    fitting(tab.call("GET", "/puja/categories/").json(), [shapes.CATEGORY])
    query = {"page": 1, "page_size": 10, **filters}
    listed = tab.call("GET", f"/puja/services/?{urlencode(query)}", client=client).json()
    assert type(listed["count"]) is int
    cards = fitting(listed["results"], [shapes.SERVICE])
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
    if not answer.ok:
        tab.toasts.append(first(answer) if answer.status_code == 400 else SOMETHING)


def cart(tab: Tab) -> dict[str, Any] | None:
    """No active one is no error: then the list is asked for, and the first that still costs something is shown."""
    answer = tab.call("GET", "/cart/carts/active/")
    if answer.status_code == 404:
        answer = tab.call("GET", "/cart/carts/")
    told = answer.json()
    rows = told if isinstance(told, list) else told.get("results", [told])
    shown = [row for row in rows if row.get("id") and row["status"] == "ACTIVE" and row["total_price"]]
    return fitting(shown[0], shapes.CART) if shown else None


def apply_promo(tab: Tab, code: str) -> None:
    answer = tab.call("POST", f"/cart/carts/{cart(tab)['id']}/apply_promo/", {"promo_code": code})
    if answer.status_code == 404:
        tab.toasts.append("Invalid promo code")
    elif not answer.ok:
        tab.toasts.append(promo_error(answer))


def remove_promo(tab: Tab) -> None:
    assert tab.call("POST", f"/cart/carts/{cart(tab)['id']}/remove_promo/").ok


def delete_cart(tab: Tab) -> None:
    answer = tab.call("DELETE", f"/cart/carts/{cart(tab)['id']}/")
    if answer.status_code == 400:
        told = answer.json()
        wait = f" Wait {told['wait_minutes']} minutes" if type(told["wait_minutes"]) is int else ""
        tab.toasts.append(told["error"] + wait + (", or close the payment." if told["can_cleanup"] else ""))


def close_open_payment(tab: Tab) -> None:
    """The button of "Has pending payment"."""
    answer = tab.call("POST", f"/cart/carts/{cart(tab)['id']}/cleanup_old_payments/")
    if not answer.ok:
        tab.toasts.append(reader("error", "detail")(answer))


def clear_cart(tab: Tab) -> None:
    """After a success, and by a button. On an error each row is deleted."""
    answer = tab.call("POST", "/cart/carts/clear_converted/")
    if not answer.ok:
        tab.toasts.append(reader("error", "detail", "message")(answer))
        delete_cart(tab)


def click_pay(tab: Tab, path: str, body: dict[str, Any], shape: Any) -> dict[str, Any] | None:
    """What the Pay button of both sites does with its answer; None with a toast when there is no page to go to."""
    try:
        answer = tab.call("POST", path, body)
    except NoAnswer:
        tab.toasts.append(NETWORK)
        return None
    if not answer.ok:
        tab.toasts.append(pay_trouble(path, answer))
        return None
    started = fitting(answer.json(), shape)
    assert started["success"]
    return started


def pay_trouble(path: str, answer: requests.Response) -> str:
    """July's page shows the first value of any other status; today's of 400 alone."""
    if path.startswith("/payments/payments/"):
        return PAY_TROUBLE.get(answer.status_code) or first(answer)
    return (
        first(answer) if answer.status_code == 400 else TODAYS_PAY_TROUBLE.get(answer.status_code, SOMETHING)
    )
