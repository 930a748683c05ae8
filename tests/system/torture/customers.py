"""Customers who click twice, leave, come back late and change their minds; staff who give money back.

Each has dice of their own, so that a seed throws the same for everybody; what the machine makes of it differs.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from random import Random
from typing import Any

import psycopg
import requests

from tests.harness.customers import API, Customer
from tests.system.torture.installation import RestartedInstallation, Scale

TRIES = 6
PAGE_LIVES = 900 / Scale.time  # seconds
BUSY = (429, 502, 503, 504)
SCARCE, PLENTY = "Ganesh Puja", "Rudrabhishek"
ANY_TIME = "Griha Pravesh"
# What becomes of a page: the buttons pressed one after the other, and how often somebody does that.
WAYS = {
    ("success",): 40,
    ("attempt_failed", "success"): 10,
    ("insufficient_balance",): 5,
    ("failure",): 6,
    ("slow",): 8,
    ("late_success",): 12,
    ("close", "success"): 6,
    ("close",): 5,
    (): 8,
}

WAITED, TOOK_PLACE = "waits for a place", "took a place of the waiting list"
CANCELLED, MOVED, TRIED_AGAIN = "cancelled a booking", "moved a booking", "tried again"
# What must happen, or the laws say nothing about it.
EXPECTED_DEEDS = (WAITED, TOOK_PLACE, CANCELLED, MOVED, TRIED_AGAIN)


@dataclass
class Diary:
    """What was done and what was answered, by everybody together."""

    answers: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, what: str) -> None:
        with self._lock:
            self.answers[what] += 1

    def did(self, what: str) -> None:
        with self._lock:
            self.deeds[what] += 1

    def violated(self, what: str) -> None:
        with self._lock:
            self.violations.append(what)


@dataclass
class Catalogue:
    """Read once, as a browser keeps it."""

    services: dict[str, dict[str, Any]]
    slots: dict[str, list[dict[str, Any]]]

    @classmethod
    def of(cls, installation: RestartedInstallation) -> "Catalogue":
        def get(path: str) -> Any:
            answer = requests.get(installation.urls[0] + API + path, timeout=30)
            assert answer.status_code == 200, answer.text
            return answer.json()

        found = {one["title"]: one for one in get("puja/services/?page_size=50")["results"]}
        services = {
            title: {
                "id": found[title]["id"],
                "packages": get(f"puja/packages/?puja_service={found[title]['id']}"),
            }
            for title in (SCARCE, PLENTY, ANY_TIME)
        }
        slots = {title: get(f"puja/services/{services[title]['id']}/slots/") for title in (SCARCE, PLENTY)}
        return cls(services, slots)

    def choice(self, dice: Random) -> dict[str, Any]:
        title = dice.choices((SCARCE, PLENTY, ANY_TIME), (50, 20, 30))[0]
        service = self.services[title]
        if title == ANY_TIME:
            day = self.slots[SCARCE][-1]["date"]
            moment = {"date": day, "time": f"{dice.randint(8, 18):02}:00"}
        else:
            moment = dice.choice(self.slots[title])
        return {
            "service_type": "PUJA",
            "puja_service": service["id"],
            "package_id": dice.choice(service["packages"])["id"],
            "selected_date": moment["date"],
            "selected_time": moment["time"],
        }

    def slot_of(self, choice: dict[str, Any]) -> int | None:
        """None for a puja without slots."""
        moment = (choice["selected_date"], choice["selected_time"])
        title = next(
            name for name, service in self.services.items() if service["id"] == choice["puja_service"]
        )
        slots = self.slots.get(title, ())
        return next((slot["id"] for slot in slots if (slot["date"], slot["time"]) == moment), None)


class RetryingCustomer(Customer):
    """Somebody with a browser and a bad connection: retries for a while, then gives up."""

    def __init__(self, installation: RestartedInstallation, token: str, diary: Diary, dice: Random) -> None:
        super().__init__(installation.urls, token)
        self.diary, self.dice, self._urls = diary, dice, installation.urls

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response | None:
        """The first answer that is neither "busy" nor a broken connection; None for somebody who has given up."""
        for turn in range(TRIES):
            answer = self.visit(method, self.dice.choice(self._urls) + API + path, body)
            if answer is not None and answer.status_code not in BUSY:
                return answer
            time.sleep(min(0.3 * 2**turn, 4))
        return None

    def visit(
        self, method: str, url: str, body: dict[str, Any] | None = None, **how: Any
    ) -> requests.Response | None:
        try:
            answer = self.request(method, url, body, allow_redirects=False, **how)
        except requests.RequestException as error:
            self.diary.answered(type(error).__name__)
            return None
        self.diary.answered(str(answer.status_code))
        if answer.status_code == 500:
            self.diary.violated(f"500 for {method} {url}: {answer.text[:300]}")
        return answer

    def json(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The body of a good answer, else nothing."""
        answer = self.call(method, path, body)
        return answer.json() if answer is not None and answer.status_code < 300 else None


class ImpatientCustomer(RetryingCustomer):
    def live(self, catalogue: Catalogue, until: float) -> None:
        while time.monotonic() < until:
            self.buy(catalogue)
            time.sleep(self.dice.uniform(0.5, 4))

    def buy(self, catalogue: Catalogue) -> None:
        started = self.give() if self.dice.random() < 0.12 else self.order(catalogue)
        if started is None:
            self.diary.did("left without a page")
            self.look_at_the_waiting_list()
            return
        way = self.dice.choices(list(WAYS), list(WAYS.values()))[0]
        self.diary.did(" then ".join(way) or "leave")
        back = self.use_page(started["payment_url"], way)
        if self.dice.random() < 0.2:
            time.sleep(self.dice.uniform(3, 15))  # somewhere else, meanwhile
        if back and self.dice.random() < 0.6:
            self.return_to_shop(back)
        self.look_after(started["payment_id"])

    def order(self, catalogue: Catalogue) -> dict[str, Any] | None:
        choice = catalogue.choice(self.dice)
        cart = self.json("POST", "cart/carts/", choice)
        if cart is None:
            if slot := catalogue.slot_of(choice):
                wanted = {"slot": slot, "package_id": choice["package_id"]}
                if self.json("POST", "booking/waiting/", wanted):
                    self.diary.did(WAITED)
            return None
        if self.dice.random() < 0.2:
            self.json("POST", f"cart/carts/{cart['id']}/apply_promo/", {"promo_code": "WELCOME10"})
        began = time.monotonic()
        click = {"cart_id": cart["id"], "method": "PHONEPE"}
        with ThreadPoolExecutor(3) as tabs:
            clicks = [
                tabs.submit(self.json, "POST", "payments/payments/process-cart/", click)
                for _ in range(self.dice.choices((1, 2, 3), (60, 30, 10))[0])
            ]
            pages = [one for one in (each.result() for each in clicks) if one]
        in_time = (
            time.monotonic() - began < PAGE_LIVES
        )  # else the second click came after the first page had ended
        if in_time and len({one["payment_id"] for one in pages}) > 1:
            self.diary.violated(f"one cart, several payments: {pages}")
        return pages[0] if pages else None

    def give(self) -> dict[str, Any] | None:
        amount = f"{self.dice.randint(11, 501)}.00"
        return self.json("POST", "payments/payments/process-cart/", {"amount": amount})

    def use_page(self, page: str, way: tuple[str, ...]) -> str:
        """Where the page sends the browser; empty for somebody who stays on it, or has left."""
        back = ""
        for button in way:
            time.sleep(self.dice.uniform(0, 1))
            answer = self.visit("POST", page, None, data={"choice": button})
            if answer is not None and answer.is_redirect:
                back = answer.headers["Location"]
        return back if "/payments/return/" in back else ""

    def return_to_shop(self, address: str) -> None:
        for _ in range(3):
            answer = self.visit("GET", address)
            if answer is not None and answer.is_redirect:
                return
            time.sleep(1)

    def look_after(self, payment_id: int) -> None:
        """Polls as the frontend does, then cancels, chooses another place, or leaves it."""
        told: dict[str, Any] = {}
        for _ in range(self.dice.randint(0, 3)):
            told = self.json("GET", f"payments/payments/{payment_id}/check-booking/") or {}
            if told.get("booking"):
                break
            time.sleep(self.dice.uniform(0.5, 3))
        booking = told.get("booking")
        if booking and self.dice.random() < 0.15:
            body = {"status": "CANCELLED", "cancellation_reason": "travelling"}
            if self.json("POST", f"booking/bookings/{booking['id']}/status/", body):
                self.diary.did(CANCELLED)
        if booking and self.dice.random() < 0.15:
            self.move(booking["id"])
        if not booking and self.dice.random() < 0.3:
            self.try_again(payment_id)
        if self.dice.random() < 0.2:
            self.clear_carts()
        self.look_at_the_waiting_list()

    def move(self, booking_id: int) -> None:
        changes = self.json("GET", f"booking/bookings/{booking_id}/changes/")
        if changes and changes["move"]["times"]:
            slot = self.dice.choice(changes["move"]["times"])["id"]
            if self.json("POST", f"booking/bookings/{booking_id}/move/", {"slot": slot}):
                self.diary.did(MOVED)

    def try_again(self, payment_id: int) -> None:
        started = self.json("POST", f"payments/payments/{payment_id}/try-again/", {})
        if started:
            self.diary.did(TRIED_AGAIN)
            self.use_page(started["payment_url"], ("success",))

    def look_at_the_waiting_list(self) -> None:
        for entry in self.json("GET", "booking/waiting/") or ():
            if entry["state"] == "OFFERED" and self.dice.random() < 0.6:
                cart = self.json("POST", f"booking/waiting/{entry['id']}/accept/")
                if cart and (started := self.click(cart["id"])):
                    self.diary.did(TOOK_PLACE)
                    self.use_page(started["payment_url"], ("success",))
            elif self.dice.random() < 0.1:
                self.call("DELETE", f"booking/waiting/{entry['id']}/")

    def click(self, cart_id: int) -> dict[str, Any] | None:
        return self.json("POST", "payments/payments/process-cart/", {"cart_id": cart_id, "method": "PHONEPE"})

    def clear_carts(self) -> None:
        for cart in self.json("GET", "cart/carts/") or ():
            if not cart["can_delete"]:
                self.json("POST", f"cart/carts/{cart['id']}/cleanup_old_payments/")


class Chooser(RetryingCustomer):
    """Whoever got a mail that their place is gone: chooses another time, declines, or does nothing."""

    def live(self, links: "SimpleQueue[str]", until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            with suppress(Empty):
                self.answer(links.get(timeout=left))

    def answer(self, link: str) -> None:
        if self.dice.random() < 0.3:
            self.diary.did("left an offer unanswered")
            return
        address = link.replace("/offer/", f"{API}payments/offers/")
        looked = self.visit("GET", address)
        places = looked.json()["places"] if looked is not None and looked.status_code == 200 else []
        if places and self.dice.random() < 0.8:
            self.visit("POST", address, {"slot": self.dice.choice(places)["id"]})
            self.diary.did("chose another time")
        else:
            self.visit("POST", address, {"decline": True})
            self.diary.did("declined an offer")


class Staff:
    """Two people: one gives money back, closes times and looks at cases, the other approves what is large."""

    REFUNDABLE = """
        SELECT id, amount_paise FROM payment_payment
        WHERE state = 'SUCCESS' AND fulfilment IN ('BOOKED', 'GIFT') ORDER BY random() LIMIT 1
    """
    HELD = "SELECT id FROM payment_payment WHERE fulfilment = 'HELD_FOR_STAFF' ORDER BY random() LIMIT 1"
    BOOKED = "SELECT id FROM booking_slot WHERE booked > 0 AND is_open ORDER BY random() LIMIT 1"

    def __init__(self, installation: RestartedInstallation, diary: Diary, dice: Random) -> None:
        self._installation, self._dice, self._diary = installation, dice, diary
        self._first, self._second = (
            RetryingCustomer(installation, token, diary, dice) for token in installation.tokens.staff
        )

    def live(self, until: float) -> None:
        duties = {self.refund: 80, self.decide: 15, self.close_a_time: 5}
        while time.monotonic() < until:
            duty = self._dice.choices(list(duties), list(duties.values()))[0]
            with suppress(psycopg.Error):  # restarted just now
                duty()
            time.sleep(self._dice.uniform(1, 4))

    def refund(self) -> None:
        found = self._installation.query(self.REFUNDABLE)
        if not found:
            return
        payment_id, paise = found[0]
        body = {"reason": "priest is ill"}
        if self._dice.random() < 0.6:
            body["amount"] = f"{self._dice.randint(1, max(paise // 200, 1))}.00"
        refund = self._first.json("POST", f"payments/payments/{payment_id}/refund/", body)
        if refund is None:
            return
        self._diary.did("refunded by staff")
        if self._dice.random() < 0.8:
            self._second.json("POST", f"payments/refunds/{refund['id']}/approve/")

    def decide(self) -> None:
        for (payment_id,) in self._installation.query(self.HELD):
            action = {"action": self._dice.choice(("book", "refund"))}
            if self._first.json("POST", f"payments/payments/{payment_id}/resolve/", action):
                self._diary.did(f"held money: {action['action']}")

    def close_a_time(self) -> None:
        for (slot_id,) in self._installation.query(self.BOOKED):
            body = {"reason": "the temple is closed", "then": self._dice.choice(("move", "refund"))}
            if self._first.json("POST", f"puja/slots/{slot_id}/close/", body) is not None:
                self._diary.did(f"closed a time: {body['then']}")


def crowd(
    installation: RestartedInstallation,
    links: "SimpleQueue[str]",
    diary: Diary,
    seed: int,
    size: int,
    until: float,
) -> list[Callable[[], None]]:
    """What everybody at this installation does until the end: each customer is one of the people with an account."""
    catalogue = Catalogue.of(installation)

    def dice(who: object) -> Random:
        return Random(f"{seed} {installation.generation} {who}")

    tokens = installation.tokens.customers
    customers = [
        ImpatientCustomer(installation, tokens[number % len(tokens)], diary, dice(number))
        for number in range(size)
    ]
    return [
        *(partial(customer.live, catalogue, until) for customer in customers),
        partial(Chooser(installation, "", diary, dice("chooser")).live, links, until),
        partial(Staff(installation, diary, dice("staff")).live, until),
    ]
