"""A browser with the frontend's HTTP client in it: what axios and its interceptors do, and what CORS lets through."""

from dataclasses import dataclass, field
from typing import Any

import requests

from tests.harness.customers import FRONTEND

TIMEOUT = 30
NETWORK = "Network connection issue"
LOGIN = "/login"


class NoAnswer(Exception):
    """What a script sees when a call failed, or when its answer may not be read."""


@dataclass
class Browser:
    """`local_storage` is shared by all tabs, and outlives them."""

    server: str
    local_storage: dict[str, str] = field(default_factory=dict)

    def tab(self) -> "Tab":
        return Tab(self)


class Tab:
    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.location = "/"
        self.toasts: list[str] = []
        self._allowed: set[tuple[str, str]] = set()

    @property
    def storage(self) -> dict[str, str]:
        return self.browser.local_storage

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        """With one refresh on 401, after which the call is made again. Raises NoAnswer."""
        answer = self.send(method, path, body)
        if answer.status_code != 401:
            return answer
        if not self.refresh():
            self.storage.clear()
            self.location = LOGIN
            return answer
        return self.send(method, path, body)

    def refresh(self) -> bool:
        if "refresh" not in self.storage:
            return False
        answer = self.send("POST", "/auth/refresh/", {"refresh": self.storage["refresh"]})
        if answer.status_code != 200:
            return False
        self.storage["access"] = answer.json()["access"]
        self.storage["refresh"] = answer.json().get("refresh") or self.storage["refresh"]
        return True

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        """The token goes along with every call, also with those that need none."""
        headers = {"Origin": FRONTEND, "Accept": "application/json, text/plain, */*"}
        if access := self.storage.get("access"):
            headers["Authorization"] = f"Bearer {access}"
        self._ask_leave(method, path, headers)
        return self._send(method, path, headers, json=body)

    def _ask_leave(self, method: str, path: str, headers: dict[str, str]) -> None:
        """The preflight, once for each kind of call: JSON and a token make none of them simple."""
        if (method, path) in self._allowed:
            return
        wanted = {name.lower() for name in headers} & {"authorization"} | {"content-type"}
        asked = {
            "Origin": FRONTEND,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": ",".join(sorted(wanted)),
        }
        leave = self._send("OPTIONS", path, asked).headers
        methods = leave.get("Access-Control-Allow-Methods", "").replace(" ", "").split(",")
        names = leave.get("Access-Control-Allow-Headers", "").lower().replace(" ", "").split(",")
        if method not in methods or not wanted <= set(names):
            raise NoAnswer(f"CORS refuses {method} {path}")
        self._allowed.add((method, path))

    def _send(self, method: str, path: str, headers: dict[str, str], **body: Any) -> requests.Response:
        url = f"{self.browser.server}/api{path}"
        try:
            answer = requests.request(
                method, url, headers=headers, timeout=TIMEOUT, allow_redirects=False, **body
            )
        except requests.RequestException as error:
            raise NoAnswer(str(error)) from error
        if answer.headers.get("Access-Control-Allow-Origin") != FRONTEND:
            raise NoAnswer(f"CORS hides the answer to {method} {path}")
        return answer


def first_value(answer: requests.Response) -> str:
    """What the frontend shows of a refusal: the first value of the object, a string or a list of strings."""
    try:
        told = answer.json()
    except requests.JSONDecodeError:
        return ""
    value = next(iter(told.values()), "") if isinstance(told, dict) else told
    if isinstance(value, list):
        value = value[0] if value else ""
    return value if isinstance(value, str) else ""
