"""A festival: new customers of many networks want places within minutes; their clock is simulated, our code is not."""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.test import Client

from accounts.models import User
from booking.models import Cart, Checkout, Package, Slot
from booking.services import HoldRefused, book, check_out, fill_cart, release
from core.errors import Conflict
from tests.harness import builders

PAGE = timedelta(minutes=15)
CARRIER = "106.208.1.1"
PASSWORD = "jai-ganesha-2026"
MOST_CLICKS = 60


# Of a hundred people, and the network of each: most of them are on a telephone, and share an address or have a /64.
SHARES: list[tuple[int, Callable[[int], str]]] = [
    (45, lambda number: f"2409:4000:{number // 65536:x}:{number % 65536:x}::/64"),
    (30, lambda number: f"49.36.{number // 30 // 256}.{number // 30 % 256}"),
    (5, lambda number: CARRIER),
    (15, lambda number: f"122.161.{number // 600}.{number * 2 // 5 % 256}"),
    (5, lambda number: f"14.139.1.{number // 40}"),
]
ONE_CARRIER: list[tuple[int, Callable[[int], str]]] = [(100, lambda number: CARRIER)]


def networks(count: int, random: random.Random, shares: Any) -> list[str]:
    """One for each of `count` people, as in India.

    Of a hundred: 45 with IPv6, 30 behind the IPv4 addresses of carriers (30 people behind each), 5 behind one single
    address of a carrier, 15 at home, two or three of them together, 5 in the Wi-Fi of a temple or an office.
    """
    found = [name(number) for percent, name in shares for number in range(count * percent // 100)]
    random.shuffle(found)
    return found


class Rush:
    """People arrive, half of them in the first three minutes of twenty. They pay in a minute or five, or do not pay.

    15 of 100 leave without paying, and their place is free again when PhonePe is asked after their page. Who is refused
    clicks again when the answer says so; who finds a time booked out chooses another one. Who is behind the one address
    of a carrier registers and logs in by the API first, under its rates.
    """

    def __init__(self, people: int, package: Package, start: datetime, *, shares: Any = SHARES) -> None:
        self.random = random.Random(11)
        self.now = start
        self.package = package
        seats = [people // 2, *[people // 10] * 5]
        self.slots = [
            builders.make_slot(package.puja_service, days=5 + day, capacity=capacity)
            for day, capacity in enumerate(seats)
        ]
        self.refusals = Counter[str]()
        self.first_click: dict[int, datetime] = {}
        self.waited: list[timedelta] = []
        self.lost: list[int] = []
        self._events: list[tuple[datetime, int, Callable[[], Any]]] = []
        self._order = itertools.count()
        for network in networks(people, self.random, shares):
            minutes = self.random.expovariate(1 / 4.3)  # half of them within three minutes
            self.at(min(minutes, 20), self.arrive, network, self.random.random() < 0.15)

    def at(self, minutes: float, act: Callable[..., Any], *arguments: Any) -> None:
        moment = self.now + timedelta(minutes=minutes)
        heapq.heappush(self._events, (moment, next(self._order), lambda: act(*arguments)))

    def run(self) -> None:
        while self._events:
            self.now, _, act = heapq.heappop(self._events)
            act()

    def arrive(self, network: str, leaves: bool) -> None:
        if network == CARRIER:
            self.register(f"person{next(self._order)}@example.com", leaves)
        else:
            self.come(builders.make_user(), network, leaves)

    def come(self, user: User, network: str, leaves: bool) -> None:
        self.first_click[user.pk] = self.now
        self.choose(user, network, leaves, 1)

    def register(self, email: str, leaves: bool) -> None:
        """One of twenty mistypes the password at the first login."""
        fields = {"email": email, "password": PASSWORD, "password2": PASSWORD}
        if self.post("register", fields, 201, self.register, email, leaves):
            self.log_in(email, leaves, mistyped=self.random.random() < 0.05)

    def log_in(self, email: str, leaves: bool, mistyped: bool = False) -> None:
        fields = {"email": email, "password": "mistyped" if mistyped else PASSWORD}
        expected = 400 if mistyped else 200
        if not self.post("login", fields, expected, self.log_in, email, leaves, mistyped):
            return
        if mistyped:
            self.at(0.1, self.log_in, email, leaves)
        else:
            self.come(User.objects.get(email=email), CARRIER, leaves)

    def post(self, path: str, fields: dict[str, str], expected: int, again: Any, *arguments: Any) -> bool:
        """Who is refused by a rate comes again when the answer says so."""
        answer = Client().post(f"/api/auth/{path}/", fields, headers={"X-Forwarded-For": CARRIER})
        if answer.status_code == 429:
            self.refusals[path] += 1
            self.at(int(answer["Retry-After"]) / 60, again, *arguments)
        else:
            assert answer.status_code == expected, answer.content
        return answer.status_code == expected

    def choose(self, user: Any, network: str, leaves: bool, clicks: int) -> None:
        """Half of them want the same hour."""
        wanted = [
            slot for slot in Slot.objects.filter(pk__in=[slot.pk for slot in self.slots]) if slot.available
        ]
        if not wanted:
            self.click_later(user, network, leaves, clicks, 1)
            return
        slot = self.random.choices(wanted, [slot.capacity for slot in wanted])[0]
        self.click(self.cart(user, slot), network, leaves, clicks)

    def cart(self, user: Any, slot: Slot) -> Cart:
        start = builders.timezone.localtime(slot.starts_at)
        return fill_cart(
            user,
            puja_service=self.package.puja_service_id,
            package_id=self.package.pk,
            selected_date=start.date(),
            selected_time=start.time(),
        )

    def click(self, cart: Cart, network: str, leaves: bool, clicks: int) -> None:
        try:
            checkout = check_out(cart, address_id=None, expires_at=self.now + PAGE, network=network)
        except HoldRefused as refusal:
            self.refusals[refusal.code] += 1
            minutes = (refusal.retry_after or 60) / 60
            if clicks == MOST_CLICKS:
                self.lost.append(cart.user_id)
            else:
                self.at(minutes, self.click, cart, network, leaves, clicks + 1)
        except Conflict:  # booked out meanwhile
            self.click_later(cart.user, network, leaves, clicks, 0.2)
        else:
            self.waited.append(self.now - self.first_click[cart.user_id])
            if leaves:
                self.at(20, release, checkout)
            else:
                self.at(min(self.random.lognormvariate(0, 0.7), 10), self.pay, checkout)

    def click_later(self, user: Any, network: str, leaves: bool, clicks: int, minutes: float) -> None:
        if clicks == MOST_CLICKS:
            self.lost.append(user.pk)
        else:
            self.at(minutes, self.choose, user, network, leaves, clicks + 1)

    def pay(self, checkout: Checkout) -> None:
        book(checkout)

    @property
    def report(self) -> str:
        """In one line."""
        waited = sorted(each.total_seconds() for each in self.waited)
        at_once = sum(each == 0 for each in waited)
        return (
            f"{len(self.first_click)} people, {at_once} got a place at once, {len(waited) - at_once} later "
            f"(95 of 100 within {waited[len(waited) * 95 // 100]:.0f} s, the last after {waited[-1]:.0f} s), "
            f"{len(self.lost)} got none; refusals: {dict(self.refusals)}"
        )
