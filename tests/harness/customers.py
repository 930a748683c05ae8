"""Customers over HTTP: the calls of the real frontend, and what a browser does between two sites."""

import itertools
from typing import Any

import requests

from tests.harness.databases import PASSWORD

API = "/api/"
FRONTEND = "http://frontend.example"


class Customer:
    """Goes to each of the servers in turn, as a load balancer would send them. They wait as long as the frontend."""

    def __init__(self, addresses: list[str], token: str = "") -> None:
        self._addresses = itertools.cycle(addresses)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        return self.call("POST", path, body or {})

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        return self.request(method, next(self._addresses) + API + path, body)

    def request(
        self, method: str, url: str, body: dict[str, Any] | None = None, **how: Any
    ) -> requests.Response:
        return requests.request(method, url, json=body, headers=self._headers, timeout=30, **how)

    def log_in(self, email: str, password: str = PASSWORD) -> None:
        answer = self.post("auth/login/", {"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        self._headers = {"Authorization": f"Bearer {answer.json()['access']}"}

    def choose(self, title: str = "Satyanarayan Puja") -> dict[str, Any]:
        """A cart with the smallest package of this puja, at the next time with a free place."""
        service = next(
            one for one in self.get(f"puja/services/?search={title}")["results"] if one["title"] == title
        )
        package = self.get(f"puja/packages/?puja_service={service['id']}")[0]
        slots = self.get(f"puja/services/{service['id']}/slots/")
        wanted = next(slot for slot in slots if slot["available"])
        choice = {
            "service_type": "PUJA",
            "puja_service": service["id"],
            "package_id": package["id"],
            "selected_date": wanted["date"],
            "selected_time": wanted["time"],
        }
        made = self.post("cart/carts/", choice)
        assert made.status_code == 201, made.text
        return made.json()

    def check_out(self, cart: dict[str, Any]) -> requests.Response:
        return self.post("payments/payments/process-cart/", {"cart_id": cart["id"], "method": "PHONEPE"})

    def start(self) -> dict[str, Any]:
        """Up to PhonePe's page: the answer of process-cart."""
        answer = self.check_out(self.choose())
        assert answer.status_code == 201, answer.text
        return answer.json()

    def start_in_app(self, **more: Any) -> dict[str, Any]:
        """Up to what PhonePe's SDK needs: the answer of app-order."""
        answer = self.post("payments/payments/app-order/", {"cart_id": self.choose()["id"], **more})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def check_booking(self, payment_id: int) -> dict[str, Any]:
        return self.get(f"payments/payments/{payment_id}/check-booking/")


def pay(page: str, choice: str = "success") -> str:
    """Presses a button on PhonePe's page; where the browser is sent then."""
    answer = requests.post(page, data={"choice": choice}, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def arrive(address: str) -> str:
    """Follows redirects as a browser does: to the frontend, outside of this machine, or to our own page for waiting."""
    for _ in range(5):
        if address.startswith(FRONTEND):
            return address
        answer = requests.get(address, allow_redirects=False, timeout=30)
        if answer.ok and "/pay/" in address and not answer.is_redirect:
            return address
        assert answer.is_redirect, answer.text
        address = answer.headers["Location"]
    raise AssertionError(f"sent round in circles, last to {address}")
