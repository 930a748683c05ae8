"""What is done to an installation: connections that never finish, forged webhooks, a silent PhonePe, many receipts."""

import itertools
import json
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from tests.harness.customers import Customer, pay
from tests.harness.installation import WEBHOOK, InstallationWithPhonePe
from tests.harness.processes import Simulator, eventually

T = TypeVar("T")
PATIENCE = 300  # seconds until a customer gives up
UNFINISHED = (
    b"POST /api/auth/login/ HTTP/1.1\r\nHost: %s\r\n",
    b"POST /api/auth/login/ HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{",
)


def all_at_once(act: Callable[[T], Any], subjects: Iterable[T]) -> list[Any]:
    """A thread for each of them. Raises what any of them raises."""
    subjects = list(subjects)
    with ThreadPoolExecutor(max(len(subjects), 1)) as pool:
        return list(pool.map(act, subjects))


@contextmanager
def half_open_connections(installation: InstallationWithPhonePe, count: int) -> Iterator[None]:
    """Half of them stop within the head of a request, half within its body."""
    with ExitStack() as stack:
        ways = itertools.cycle(itertools.product(installation.urls, UNFINISHED))
        for url, start in itertools.islice(ways, count):
            address = urlsplit(url)
            connection = stack.enter_context(
                socket.create_connection((address.hostname, address.port), timeout=30)
            )
            connection.sendall(start % address.netloc.encode())
        yield


def forge_webhooks(installation: InstallationWithPhonePe, count: int) -> list[int]:
    """The status codes of the answers."""
    body = {
        "event": "checkout.order.completed",
        "payload": {"merchantOrderId": "X", "state": "COMPLETED", "amount": 100},
    }
    addresses = itertools.islice(itertools.cycle(installation.urls), count)

    def forge(url: str) -> int:
        proof = {"Authorization": "0" * 64}
        return requests.post(url + WEBHOOK, json=body, headers=proof, timeout=60).status_code

    return all_at_once(forge, addresses)


def silence(phonepe: Simulator, seconds: float) -> None:
    """Its kernel takes connections and requests, and nobody answers. What has arrived is carried out afterwards."""
    phonepe.ask_to_end(signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        phonepe.ask_to_end(signal.SIGCONT)


def fill_carts(installation: InstallationWithPhonePe, buyers: list[Customer]) -> list[dict[str, Any]]:
    installation.query("UPDATE booking_slot SET capacity = 1000")
    return [buyer.choose() for buyer in buyers]


def buy(whose: tuple[Customer, dict[str, Any]]) -> list[int]:
    """Clicks until there is a page, as often as the answers ask for it; then pays. The status codes of the clicks."""
    buyer, cart = whose
    answers: list[int] = []
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = buyer.check_out(cart)
        answers.append(answer.status_code)
        if answer.status_code in (200, 201):
            pay(answer.json()["payment_url"])
            path = f"payments/payments/{answer.json()['payment_id']}/check-booking/"
            await_answer(buyer, path, "booking_created", True)
            return answers
        assert answer.status_code in (409, 429, 503, 504), answer.text
        time.sleep(float(answer.headers.get("Retry-After", 3)))
    raise AssertionError(f"no page after {PATIENCE} seconds: {answers}")


def make_receipts(
    installation: InstallationWithPhonePe, payers: list[Customer], count: int
) -> list[tuple[Customer, int]]:
    """So many donations that were paid, with who paid them."""
    made = []
    for payer in itertools.islice(itertools.cycle(payers), count):
        started = payer.post("payments/payments/process-cart/", {"amount": "51"})
        assert started.status_code == 201, started.text
        pay(started.json()["payment_url"])
        made.append((payer, started.json()["payment_id"]))
    for payer, payment in made:
        await_answer(payer, f"payments/payments/{payment}/check-booking/", "payment_status", "SUCCESS")
    return made


def await_answer(customer: Customer, path: str, key: str, value: Any) -> None:
    """A database that is busy is asked again, as its answer says."""

    def look() -> bool:
        answer = customer.call("GET", path)
        assert answer.status_code in (200, 429, 503), answer.text
        return answer.ok and answer.json()[key] == value

    eventually(look, f"{path} answers {key}={value}", PATIENCE)


def forget_drawings(installation: InstallationWithPhonePe) -> None:
    """As if no receipt had been drawn: its mail, which the worker has sent, has one."""
    waiting = "SELECT id FROM notifications_notification WHERE state = 'WAITING'"
    eventually(lambda: not installation.query(waiting), "all mails are sent", PATIENCE)
    installation.query("DELETE FROM payment_drawnreceipt")


def fetch_receipt(of: tuple[Customer, int]) -> list[int]:
    """Asks again as often as the answer says so. The status codes."""
    (payer, payment), answers, end = of, [], time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = payer.call("GET", f"payments/payments/{payment}/receipt/")
        answers.append(answer.status_code)
        if answer.status_code == 200:
            assert answer.content.startswith(b"%PDF-")
            return answers
        assert answer.status_code in (429, 503), answer.text
        time.sleep(float(answer.headers["Retry-After"]))
    raise AssertionError(f"no receipt after {PATIENCE} seconds: {json.dumps(answers)}")
