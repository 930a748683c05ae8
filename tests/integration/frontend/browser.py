"""A browser with the frontend's HTTP clients in it: what axios and its interceptors do, and what CORS lets through.

No wait of a page is a real second: `Clock` says what happens meanwhile.
"""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import requests

from tests.harness.customers import FRONTEND

LOGIN = "/login"
NETWORK = "Network connection issue"
SOMETHING = "Something went wrong."


class NoAnswer(Exception):
    """What a script sees when a call failed, or when its answer may not be read."""


class Client(NamedTuple):
    """One axios instance of the site: `exempt` is in the paths whose GET never leads to the login."""

    seconds: float
    sends_token: bool = True
    exempt: str = ""


class Screen(NamedTuple):
    """What a page shows at one moment, in seconds since the browser was opened."""

    at: float
    says: str
    text: str = ""
    book_id: str = ""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self._planned: list[tuple[float, Callable[[], object]]] = []

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Plans what the world does while a page waits."""
        self._planned.append((self.now + seconds, act))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [plan for plan in self._planned if plan[0] <= end]:
            plan = min(due, key=lambda one: one[0])
            self._planned.remove(plan)
            self.now = plan[0]
            plan[1]()
        self.now = end


@dataclass
class Browser:
    """`local` is the localStorage: all tabs share it, and it outlives them. `looks` judges each screen at once."""

    server: str
    main: Client
    local: dict[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    looks: Callable[[Screen], None] = lambda screen: None

    def tab(self) -> "Tab":
        return Tab(self)


class Tab:
    """`session` is the sessionStorage. `toasts`, `screens` and `location` are what a person sees."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.session: dict[str, str] = {}
        self.location = "/"
        self.toasts: list[str] = []
        self.screens: list[Screen] = []
        self._allowed: set[tuple[str, str, str]] = set()
        self._refreshing: dict[Client, threading.Lock] = {}

    @property
    def storage(self) -> dict[str, str]:
        return self.browser.local

    def open_tab(self) -> "Tab":
        """By a script of the page: the new tab begins with a copy of the sessionStorage."""
        tab = Tab(self.browser)
        tab.session = dict(self.session)
        return tab

    def wait(self, seconds: float) -> None:
        self.browser.clock.wait(seconds)

    def show(self, says: str, text: str = "", book_id: str = "") -> None:
        screen = Screen(self.browser.clock.now, says, text, book_id)
        self.screens.append(screen)
        self.browser.looks(screen)

    @property
    def screen(self) -> Screen:
        return self.screens[-1]

    def call(
        self, method: str, path: str, body: Any = None, client: Client | None = None, **how: Any
    ) -> requests.Response:
        """With one refresh on 401, for which other calls of the tab wait; then the call is made again.

        `files` in `how` makes it multipart. Raises NoAnswer.
        """
        client = client or self.browser.main
        used = self.storage.get("access")
        answer = self.send(client, method, path, body, **how)
        if answer.status_code != 401 or not client.sends_token:
            return answer
        if method == "GET" and client.exempt and client.exempt in path:
            return answer
        with self._refreshing.setdefault(client, threading.Lock()):
            if self.storage.get("access") in (used, None) and not self.refresh(client):
                self.storage.clear()
                self.location = LOGIN
                return answer
        return self.send(client, method, path, body, **how)

    def refresh(self, client: Client) -> bool:
        if "refresh" not in self.storage:
            return False
        answer = self.send(client, "POST", "/auth/refresh/", {"refresh": self.storage["refresh"]})
        if answer.status_code != 200:
            return False
        self.storage["access"] = answer.json()["access"]
        self.storage["refresh"] = answer.json().get("refresh") or self.storage["refresh"]
        return True

    def fetch(self, path: str) -> Any:
        """For the pages that take every trouble for "not answered": None."""
        try:
            answer = self.call("GET", path)
        except NoAnswer:
            return None
        return answer.json() if answer.ok else None

    def send(self, client: Client, method: str, path: str, body: Any = None, **how: Any) -> requests.Response:
        """The token goes along with every call, also where none is needed."""
        headers = {"Origin": FRONTEND, "Accept": "application/json, text/plain, */*"}
        if client.sends_token and (access := self.storage.get("access")):
            headers["Authorization"] = f"Bearer {access}"
        if "files" not in how and body is not None:
            headers["Content-Type"] = "application/json"
            how["data"] = json.dumps(body)  # a bare number too, which `json=` of requests would leave out
        headers |= how.pop("headers", {})
        self._preflight(client, method, path, headers)
        return self._send(client, method, path, headers, **how)

    def _preflight(self, client: Client, method: str, path: str, headers: dict[str, str]) -> None:
        """Once for each kind of call: JSON and a token make none of them simple."""
        wanted = {name.lower() for name in headers} - {"origin", "accept"}
        question = (method, path.partition("?")[0], ",".join(sorted(wanted)))
        if question in self._allowed or (method in ("GET", "POST") and not wanted):
            return
        asked = {
            "Origin": FRONTEND,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": question[2],
        }
        leave = self._send(client, "OPTIONS", path, asked).headers
        methods = leave.get("Access-Control-Allow-Methods", "").replace(" ", "").split(",")
        names = leave.get("Access-Control-Allow-Headers", "").lower().replace(" ", "").split(",")
        if method not in methods or not wanted <= set(names):
            raise NoAnswer(f"CORS refuses {method} {path}")
        self._allowed.add(question)

    def _send(
        self, client: Client, method: str, path: str, headers: dict[str, str], **how: Any
    ) -> requests.Response:
        url = f"{self.browser.server}/api{path}"
        try:
            answer = requests.request(
                method, url, headers=headers, timeout=client.seconds, allow_redirects=False, **how
            )
        except requests.RequestException as error:
            raise NoAnswer(str(error)) from error
        if answer.headers.get("Access-Control-Allow-Origin") != FRONTEND:
            raise NoAnswer(f"CORS hides the answer to {method} {path}")
        return answer


def side_by_side(*calls: Callable[[], Any]) -> list[Any]:
    """As `Promise.all`: what each of them returns."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [one.result() for one in [pool.submit(call) for call in calls]]


def query_of(address: str) -> dict[str, str]:
    """The parameters as URLSearchParams reads them: an empty key counts, a missing value is empty."""
    return dict(reversed(parse_qsl(urlsplit(address).query, keep_blank_values=True)))


def first(answer: requests.Response) -> str:
    """The first value of the object, if it is a string or a list of strings; else a text of the page's own."""
    told = _json(answer)
    value = next(iter(told.values()), "") if isinstance(told, dict) else told
    return _sentence(value) or SOMETHING


def reader(*keys: str) -> Callable[[requests.Response], str]:
    """`a -> b`: the first of the keys that says something; else a text of the page's own."""

    def read(answer: requests.Response) -> str:
        told = _json(answer)
        if not isinstance(told, dict):
            return SOMETHING
        return next((said for key in keys if (said := _sentence(told.get(key)))), SOMETHING)

    return read


def _json(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except requests.JSONDecodeError:
        return None


def _sentence(value: Any) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    return value if isinstance(value, str) else ""
