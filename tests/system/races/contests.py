"""Six ways in which many requests meet at one moment. Each function plays one round, and says what must come of it.

What is left to chance (who, how many, in which order) comes from the round's own dice: the same seed throws the same.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import requests

from tests.harness.customers import Customer, pay
from tests.harness.installation import InstallationWithPhonePe
from tests.harness.processes import eventually
from tests.harness.webhooks import webhook

Answer = requests.Response
Action = Callable[[], Answer]

PEOPLE = 10
PROMO = "WELCOME10"
LATEST_SECONDS = 0.03  # how much later than the first of them the last one may set off
ONE_USE_LEFT = "UPDATE booking_promocode SET usage_limit = reserved_count + used_count + 1"
ONE_PLACE_LEFT = """
UPDATE booking_slot SET capacity = held + booked + 1 WHERE held + booked < capacity
AND service_id = (SELECT id FROM booking_pujaservice WHERE title = 'Ganesh Puja')
"""
# After a round, whatever became of it.
AS_IT_WAS = (
    "UPDATE booking_promocode SET usage_limit = NULL",
    "UPDATE booking_slot SET capacity = 3 WHERE capacity < 3",
)


@dataclass
class Round:
    shop: InstallationWithPhonePe
    dice: Random
    sql: Callable[[str], list[Any]]
    answers: list[Answer] = field(default_factory=list)
    customers: list[Customer] = field(default_factory=list)

    def people(self, count: int) -> list[Customer]:
        self.customers = [self.shop.customer(number) for number in self.dice.sample(range(PEOPLE), count)]
        return self.customers

    def at_once(self, *actions: Action) -> list[Answer]:
        """What came of each action, in the order given; they set off in any order."""
        gate = threading.Barrier(len(actions))
        pauses = [self.dice.uniform(0, LATEST_SECONDS) for _ in actions]
        with ThreadPoolExecutor(len(actions)) as crowd:
            answers = list(crowd.map(partial(_set_off, gate), actions, pauses))
        self.answers += answers
        return answers


def _set_off(gate: threading.Barrier, action: Action, pause: float) -> Answer:
    gate.wait(timeout=30)
    time.sleep(pause)
    return action()


def many_clicks(scene: Round) -> None:
    """Somebody clicks "pay" many times: one payment, one order at PhonePe."""
    (customer,) = scene.people(1)
    cart = customer.choose()
    before = len(scene.shop.phonepe.orders())
    clicks = scene.at_once(*[partial(customer.check_out, cart)] * scene.dice.randint(3, 10))
    expect(clicks, {200, 201}, "payment_under_way")
    assert len({one["payment_id"] for one in bodies(clicks, 200, 201)}) == 1, "one payment was opened"
    assert len(bodies(clicks, 201)) == 1, "one click was the first"
    assert len(scene.shop.phonepe.orders()) - before == 1, "PhonePe knows one order"


def much_news(scene: Round) -> None:
    """Webhooks, return pages, questions and the workers all learn of the same money: one booking."""
    (customer,) = scene.people(1)
    started = customer.start()
    payment = f"payments/payments/{started['payment_id']}"
    if scene.dice.random() < 0.5:
        scene.shop.phonepe.inject_fault("webhook", "drop")
    back = pay(started["payment_url"])
    news = scene.at_once(
        *[partial(webhook, scene.shop, started)] * scene.dice.randint(1, 5),
        *[partial(visit, back)] * scene.dice.randint(1, 3),
        *[partial(customer.call, "GET", f"{payment}/status/")] * scene.dice.randint(1, 3),
        *[partial(customer.call, "GET", f"{payment}/check-booking/")] * scene.dice.randint(1, 3),
        *[partial(customer.call, "POST", f"{payment}/retry-webhook/")] * scene.dice.randint(0, 2),
    )
    expect(news, {200, 303})
    assert_booked(customer, started)


def many_cancellations(scene: Round) -> None:
    """A booking is cancelled several times while its owner pays for another one and begins a third."""
    (customer,) = scene.people(1)
    first = customer.start()
    pay(first["payment_url"])
    booking = assert_booked(customer, first)
    second = customer.start()
    third = customer.choose()
    back = pay(second["payment_url"])
    times = scene.dice.randint(2, 4)
    answers = scene.at_once(
        *[partial(cancel, customer, booking)] * times,
        partial(webhook, scene.shop, first),
        partial(webhook, scene.shop, second),
        partial(visit, back),
        partial(customer.call, "GET", f"payments/payments/{second['payment_id']}/check-booking/"),
        partial(customer.check_out, third),
    )
    expect(answers[:times], {200}, "not_confirmed")
    expect(answers[times:], {200, 201, 303})
    assert len(bodies(answers[:times], 200)) == 1, "one of the cancellations was the first"
    refunds = scene.sql(
        f"SELECT amount_paise FROM payment_refund WHERE payment_id = {first['payment_id']}"  # noqa: S608
    )
    assert refunds == [(paise(first),)], f"the money was promised back once, not {refunds}"
    assert_booked(customer, second)


def changing_minds(scene: Round) -> None:
    """A cart is changed, replaced, deleted and discounted while it is being checked out."""
    (customer,) = scene.people(1)
    cart = customer.choose()
    edits = [
        partial(customer.call, "PATCH", path(cart), {"package_id": other_package(customer, cart)}),
        partial(customer.call, "POST", "cart/carts/", choice(cart)),
        partial(customer.call, "DELETE", path(cart)),
        partial(customer.call, "POST", f"{path(cart)}apply_promo/", {"promo_code": PROMO}),
        partial(customer.call, "POST", f"{path(cart)}remove_promo/"),
        partial(customer.call, "POST", f"{path(cart)}cleanup_old_payments/"),
        partial(customer.call, "GET", "cart/carts/active/"),
    ]
    chosen = scene.dice.sample(edits, scene.dice.randint(2, len(edits)))
    clicks = [partial(customer.check_out, cart)] * 2
    answers = scene.at_once(*clicks, *chosen)
    expect(answers, {200, 201, 404}, *SORRY)
    for started in {one["payment_id"]: one for one in bodies(answers[:2], 200, 201)}.values():
        assert_sold_as_agreed(scene, started)


# What a person is told whose other tab was faster.
SORRY = (
    *("payment_under_way", "cart_not_active", "payment_open", "payment_closed", "not_found"),
    "price_changed",  # the other tab has made the cart dearer than what this one has shown
)


def last_use(scene: Round) -> None:
    """The last use of a promo code goes to one of several carts that all show it."""
    customers = scene.people(scene.dice.randint(3, 8))
    carts = [customer.choose() for customer in customers]
    for customer, cart in zip(customers, carts, strict=True):
        applied = customer.post(f"{path(cart)}apply_promo/", {"promo_code": PROMO})
        assert applied.status_code == 200, applied.text
    scene.sql(ONE_USE_LEFT)
    answers = scene.at_once(*map(partial, [customer.check_out for customer in customers], carts))
    expect(answers, {201}, "price_changed")
    sorry = {one["promo_code"][0] for one in bodies(answers, 409)}
    assert sorry <= {"This promo code has been used up."}, f"the others are told why, not {sorry}"
    assert_one_winner(scene, customers, answers)


def last_place(scene: Round) -> None:
    """The last place of a slot goes to one of several people."""
    scene.sql(ONE_PLACE_LEFT)
    customers = scene.people(scene.dice.randint(3, 8))
    carts = [customer.choose("Ganesh Puja") for customer in customers]
    answers = scene.at_once(*map(partial, [customer.check_out for customer in customers], carts))
    expect(answers, {201}, "slot_full")
    assert_one_winner(scene, customers, answers)


CONTESTS = {
    "process-cart": many_clicks,
    "settle": much_news,
    "cancel": many_cancellations,
    "cart edits": changing_minds,
    "promo": last_use,
    "slot": last_place,
}


def expect(answers: list[Answer], welcome: set[int], *codes: str) -> None:
    """Each answer is one of the welcome ones, a "no" with one of these codes, or "busy" with a time to come back."""
    for answer in answers:
        if answer.status_code in welcome:
            continue
        told = answer.json()
        if answer.status_code == 503:
            assert (told["code"], answer.headers.get("Retry-After")) == ("busy", "2"), answer.text
        else:
            assert told["code"] in codes, f"{answer.request.method} {answer.url}: {answer.status_code} {told}"


def bodies(answers: list[Answer], *statuses: int) -> list[dict[str, Any]]:
    return [answer.json() for answer in answers if answer.status_code in statuses]


def assert_one_winner(scene: Round, customers: list[Customer], answers: list[Answer]) -> None:
    winners = [
        (customer, answer.json())
        for customer, answer in zip(customers, answers, strict=True)
        if answer.status_code == 201
    ]
    assert len(winners) == 1, f"{len(winners)} of {len(answers)} came first"
    customer, started = winners[0]
    if scene.dice.random() < 0.5:
        pay(started["payment_url"])
        assert_booked(customer, started)


def assert_booked(customer: Customer, started: dict[str, Any]) -> dict[str, Any]:
    """This payment became one booking, for what it cost."""
    look = partial(customer.check_booking, started["payment_id"])
    booking = eventually(lambda: look().get("booking"), "the booking is made")
    assert booking["total_amount"] == started["amount"], f"{booking['total_amount']} {started['amount']}"
    return booking


def assert_sold_as_agreed(scene: Round, started: dict[str, Any]) -> None:
    """Whatever the cart says by now: PhonePe is to take what the checkout was frozen at, for what was chosen then."""
    frozen = scene.sql(f"""
        SELECT checkout.total_paise, checkout.package_id, cart.package_id
        FROM payment_payment payment JOIN booking_checkout checkout ON checkout.id = payment.checkout_id
        JOIN booking_cart cart ON cart.id = checkout.cart_id WHERE payment.id = {started["payment_id"]}
    """)  # noqa: S608
    ((total, frozen_package, package),) = frozen
    assert (total, frozen_package) == (paise(started), package), f"{frozen} {started}"
    order = next(
        order
        for order in scene.shop.phonepe.orders()
        if order["merchant_order_id"] == started["merchant_transaction_id"]
    )
    assert order["amount_paise"] == total, f"PhonePe was told {order['amount_paise']}, not {total}"


def paise(started: dict[str, Any]) -> int:
    return int(started["amount"].replace(".", ""))


def path(cart: dict[str, Any]) -> str:
    return f"cart/carts/{cart['id']}/"


def choice(cart: dict[str, Any]) -> dict[str, Any]:
    """What was asked for to get this cart."""
    return {
        "service_type": "PUJA",
        "puja_service": cart["puja_service"]["id"],
        "package_id": cart["package"]["id"],
        "selected_date": cart["selected_date"],
        "selected_time": cart["selected_time"],
    }


def other_package(customer: Customer, cart: dict[str, Any]) -> int:
    packages = customer.get(f"puja/packages/?puja_service={cart['puja_service']['id']}")
    return next(package["id"] for package in packages if package["id"] != cart["package"]["id"])


def cancel(customer: Customer, booking: dict[str, Any]) -> Answer:
    body = {"status": "CANCELLED", "cancellation_reason": "travelling"}
    return customer.post(f"booking/bookings/{booking['id']}/status/", body)


def visit(address: str) -> Answer:
    return requests.get(address, allow_redirects=False, timeout=30)
