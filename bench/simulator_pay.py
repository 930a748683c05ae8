"""How many payments a second the simulated PhonePe can open, beside how many rows a bare Django view can insert.

`python -m bench.simulator_pay`, with TEST_DATABASE=postgresql for PostgreSQL. Both are measured by turns, by the
same callers, at the same server, so that a slow machine slows both: what counts is the ratio.
"""

import base64
import hashlib
import json
import secrets
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.harness import environment
from tests.harness.databases import ON_POSTGRESQL
from tests.harness.installation import Installation

CALLERS, ROUNDS, SECONDS = 4, 5, 3
ENOUGH = 0.4
SALT = "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399"
CLIENT = {"client_id": "SIM-CLIENT", "client_secret": "sim-secret", "client_version": "1"}

Call = Callable[[requests.Session], requests.Response]


def main() -> None:
    with Installation(LOG_LEVEL="ERROR") as shop:
        url = shop.serve("bench.floor:application").url
        calls = {"one insert in a bare view": floor(url), "V1 pay": v1_pay(url), "V2 pay": v2_pay(url)}
        for call in calls.values():
            rate(call, seconds=1)  # connections, caches
        rounds = [[rate(call) for call in calls.values()] for _ in range(ROUNDS)]
    print(f"{'PostgreSQL' if ON_POSTGRESQL else 'SQLite'}, {CALLERS} callers, median of {ROUNDS} rounds")
    inserts, *opened = [statistics.median(column) for column in zip(*rounds, strict=True)]
    for name, calls_a_second in zip(calls, [inserts, *opened], strict=True):
        print(f"{name:26} {calls_a_second:7.1f} a second, ratio {calls_a_second / inserts:5.3f}")
    environment.end()
    if min(opened) < ENOUGH * inserts:
        raise SystemExit(f"below {ENOUGH}")


def floor(url: str) -> Call:
    return lambda session: session.post(f"{url}/floor/", timeout=30)


def v1_pay(url: str) -> Call:
    def call(session: requests.Session) -> requests.Response:
        payload = {
            "merchantId": "PGTESTPAYUAT",
            "merchantTransactionId": secrets.token_hex(12),
            "merchantUserId": "U1",
            "amount": 110_000,
            "redirectUrl": "http://shop.example/back",
            "callbackUrl": "http://shop.example/callback",
            "paymentInstrument": {"type": "PAY_PAGE"},
        }
        text = base64.b64encode(json.dumps(payload).encode()).decode()
        seal = hashlib.sha256((text + "/pg/v1/pay" + SALT).encode()).hexdigest() + "###1"
        base = f"{url}/simulator/apis/pg-sandbox"
        return session.post(
            f"{base}/pg/v1/pay", json={"request": text}, headers={"X-VERIFY": seal}, timeout=30
        )

    return call


def v2_pay(url: str) -> Call:
    base = f"{url}/simulator/apis/pg-sandbox"
    form = CLIENT | {"grant_type": "client_credentials"}
    token = requests.post(f"{base}/v1/oauth/token", data=form, timeout=30).json()["access_token"]
    flow = {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": "http://shop.example/back"}}

    def call(session: requests.Session) -> requests.Response:
        order = {"merchantOrderId": secrets.token_hex(12), "amount": 110_000, "paymentFlow": flow}
        headers = {"Authorization": f"O-Bearer {token}"}
        return session.post(f"{base}/checkout/v2/pay", json=order, headers=headers, timeout=30)

    return call


def rate(call: Call, seconds: float = SECONDS) -> float:
    """Answers a second. Raises requests.HTTPError for any answer that is not a success."""
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(CALLERS) as callers:
        return sum(callers.map(lambda _: count(call, end), range(CALLERS))) / seconds


def count(call: Call, end: float) -> int:
    answered = 0
    with requests.Session() as session:
        while time.monotonic() < end:
            call(session).raise_for_status()
            answered += 1
    return answered


if __name__ == "__main__":
    main()
