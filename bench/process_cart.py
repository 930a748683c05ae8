"""How many payments a second can be opened, beside how many rows a second a bare Django view can insert.

`python -m bench.process_cart`, with TEST_DATABASE=postgresql for PostgreSQL. Both are measured by turns, by the
same callers, at the same server, so that a slow machine slows both: what counts is the ratio.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.harness import environment
from tests.harness.databases import ON_POSTGRESQL
from tests.harness.installation import Installation
from tests.harness.processes import Simulator

CALLERS, ROUNDS, SECONDS = 4, 5, 3
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
    print(f"ratio                      {opened / inserts:7.3f}")
    environment.end()


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
