"""Orders that turn out paid, found by workers that ask: `TEST_DATABASE=postgresql python -m bench.asking [ORDERS]`.

PhonePe (`bench.phonepe_stub`) takes 100 ms. Measured with 1, 2 and 4 workers: orders booked in a second, and what part
that is of the threads that ask ÷ 100 ms; the CPU of one order. Workers that have worked: the first orders cost more.
"""

import os
import sys
import time

import requests

from bench.crowd import make_crowd
from bench.figures import print_figure
from bench.rush import Stub, print_cpu, shop, spent_beside
from bench.worker import cpu_seconds
from tests.harness import environment
from tests.harness.installation import Installation
from tests.harness.processes import eventually

SECONDS_AT_PHONEPE = 0.1
WORKERS = (1, 2, 4)
WARM_UP = 12  # orders for each worker: the first ones import PhonePe's client and the PDF's code
DUE_NOW = (
    "UPDATE payment_paymentattempt SET next_check_at = now() - interval '1 second' WHERE state = 'PENDING'"
)
WAITING_MAILS = "SELECT count(*) FROM notifications_notification WHERE next_check_at IS NOT NULL"
BOOKED = "SELECT count(*) FROM payment_payment WHERE fulfilment = 'BOOKED'"


def main() -> None:
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    threads = int(os.environ.get("PHONEPE_POLLS_AT_ONCE", "4"))
    for count in WORKERS:
        with shop(SECONDS_AT_PHONEPE, PHONEPE_POLLS_AT_ONCE=threads, LOG_LEVEL="INFO") as (
            installation,
            phonepe,
        ):
            drain(installation, phonepe, orders, count, threads)
    environment.end()


def make_paid(installation: Installation, phonepe: Stub, orders: int) -> None:
    requests.get(f"{phonepe}/control/unpaid", timeout=10)  # until all are made
    make_crowd(installation.environment, orders, orders, is_open=True)
    requests.get(f"{phonepe}/control/reset", timeout=10)
    requests.get(f"{phonepe}/control/paid", timeout=10)


def drain(installation: Installation, phonepe: Stub, orders: int, count: int, threads: int) -> None:
    workers = [installation.work(interval=5) for _ in range(count)]
    for worker in workers:
        eventually(lambda worker=worker: "worker started" in worker.output, "the worker has started")
    first = WARM_UP * count
    make_paid(installation, phonepe, first)
    installation.query(DUE_NOW)
    eventually(lambda: installation.query(BOOKED) == [(first,)], "the first orders are booked", seconds=120)
    eventually(lambda: installation.query(WAITING_MAILS) == [(0,)], "their mails are sent", seconds=120)
    make_paid(installation, phonepe, orders)
    spent, beside, began = sum(map(cpu_seconds, workers)), spent_beside(phonepe), time.monotonic()
    installation.query(DUE_NOW)
    eventually(
        lambda: installation.query(BOOKED) == [(first + orders,)], "all orders are booked", seconds=120
    )
    seconds, spent = time.monotonic() - began, sum(map(cpu_seconds, workers)) - spent
    print_cpu("order", orders, spent, beside, spent_beside(phonepe))
    counts = requests.get(f"{phonepe}/control/", timeout=10).json()
    rate = orders / seconds / count
    print(
        f"{count} workers, {threads} threads each: {orders / seconds:.1f} orders booked a second,"
        f" {rate:.1f} by each worker, {rate / (threads / SECONDS_AT_PHONEPE):.2f} of threads ÷ round trip;"
        f" {counts['calls']} calls, {counts['connections']} connections,"
        f" {counts['most_at_once']} at once; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    print_figure(
        f"asking, {count} workers: part of threads ÷ round trip", rate / (threads / SECONDS_AT_PHONEPE)
    )
    print_figure(f"asking, {count} workers: orders a second", orders / seconds)


if __name__ == "__main__":
    main()
