"""How many payments a second can be opened: `python -m bench.process_cart`, with TEST_DATABASE=postgresql on one.

First over HTTP: donations, beside how many rows a second a bare Django view can insert, by the same callers at the same
server. Then, on PostgreSQL, carts of people who are logged in, in one process, beside the same rows by plain psycopg.
By turns, so that a slow machine slows all of them: what counts are the ratios.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from bench.figures import print_figure
from bench.webhook import buyers, prepare, shop
from tests.harness import environment
from tests.harness.databases import ON_POSTGRESQL, seeded_database
from tests.harness.installation import Installation
from tests.harness.processes import Simulator

CALLERS, ROUNDS, SECONDS = 4, 5, 3
TIMES, FIRST_KEY = 30, 10_000_000
DONATION = {"amount": "101.00"}


def main() -> None:
    with Simulator() as phonepe, Installation(PHONEPE_BASE_URL=phonepe.base_url, LOG_LEVEL="ERROR") as shop:
        url = shop.serve("bench.floor:application").url
        floor, payments = f"{url}/floor/", f"{url}/api/payments/payments/process-cart/"
        for address in (floor, payments):
            rate(address, DONATION, seconds=1)  # connections, token, caches
        rounds = [(rate(floor, DONATION), rate(payments, DONATION)) for _ in range(ROUNDS)]
    inserts, opened = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"{'PostgreSQL' if ON_POSTGRESQL else 'SQLite'}, {CALLERS} callers, median of {ROUNDS} rounds")
    print(f"one insert in a bare view  {inserts:7.1f} a second")
    print(f"process-cart               {opened:7.1f} a second (a simulated PhonePe on this machine included)")
    print_figure("process-cart ÷ one insert in a bare view", opened / inserts)
    if ON_POSTGRESQL:
        with seeded_database() as (url, _):
            prepare(url)
            carts(url)
    environment.end()


def carts(database_url: str) -> None:
    import psycopg  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from accounts.sessions import open_session  # noqa: PLC0415
    from bench.contest import alternate  # noqa: PLC0415

    _, buyer, cart = shop()
    people, their_carts = buyers(buyer, cart, 2 * (ROUNDS * TIMES + 1) + 1)
    clicks = iter(list(zip((open_session(one).access for one in people), their_carts, strict=True)))
    client, path = Client(), "/api/payments/payments/process-cart/"

    def click() -> None:
        token, cart = next(clicks)
        headers = {"Authorization": f"Bearer {token}"}
        answer = client.post(path, {"cart_id": cart.pk}, "application/json", headers=headers)
        assert answer.status_code == 201, answer.content

    click()
    written = [rows_of_a_click(next(clicks)[1], n) for n in range(ROUNDS * TIMES + 1)]
    with psycopg.connect(database_url, autocommit=True) as connection:

        def rows() -> None:
            with connection.transaction():
                for write in written.pop():
                    connection.execute(write.sql, write.parameters)

        alternate({"rows by psycopg": rows, "process-cart": click}, ROUNDS, TIMES, "rows by psycopg")


def rows_of_a_click(cart: Any, number: int) -> list[Any]:
    """What a click writes, as SQL: copies of the rows of the first one."""
    from django.db.models import F  # noqa: PLC0415

    from booking.models import Cart, Checkout, Slot, SlotHold  # noqa: PLC0415
    from core.databases import insert_rows, update_row, update_rows  # noqa: PLC0415
    from payment.models import GatewayCall, Payment, PaymentAttempt, StateChange  # noqa: PLC0415

    key, checkout = FIRST_KEY + number, Checkout.objects.earliest("pk")
    payment, hold, attempt = Payment.objects.get(), SlotHold.objects.get(), PaymentAttempt.objects.get()
    checkout.pk, checkout.cart_id, checkout.user_id = key, cart.pk, cart.user_id
    payment.pk, payment.checkout_id, payment.user_id, payment.reference = key, key, cart.user_id, f"ROWS{key}"
    attempt.pk, attempt.payment_id, attempt.merchant_order_id = key, key, f"ROWS{key}"
    changes, calls = StateChange.objects.all()[:2], GatewayCall.objects.all()[:1]
    for row in (hold, *changes, *calls):
        row.pk = None
        for name, value in {"payment_id": key, "attempt_id": key, "checkout_id": key}.items():
            if hasattr(row, name):
                setattr(row, name, value)
    slot = Slot.objects.filter(pk=hold.slot_id)
    paid_page = {"page_url": attempt.page_url, "state": "PENDING", "call_lease_until": None}
    return [
        update_row(Cart, {"id": cart.pk}, {"status": "CHECKED_OUT"}),
        *map(insert_rows, (checkout, payment, attempt, hold, *changes, *calls)),
        update_rows(slot, held=F("held") + 1),
        update_row(PaymentAttempt, {"id": key}, paid_page),
    ]


def rate(address: str, body: dict[str, Any], seconds: float = SECONDS) -> float:
    """Answers a second. Raises requests.HTTPError for any answer that is not a success."""
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(CALLERS) as callers:
        counts = callers.map(lambda _: count(address, body, end), range(CALLERS))
        return sum(counts) / seconds


def count(address: str, body: dict[str, Any], end: float) -> int:
    answered = 0
    with requests.Session() as session:
        while time.monotonic() < end:
            session.post(address, json=body, timeout=30).raise_for_status()
            answered += 1
    return answered


if __name__ == "__main__":
    main()
