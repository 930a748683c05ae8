"""Whether more workers end a backlog sooner: `python -m bench.backlog [PAYMENTS]`. It needs PostgreSQL.

Receipts without a number share one counter, holds that have ended give places back, and a mail shares nothing with
others. Each backlog becomes due at once, while 1, 2 and 4 workers run: rows a second, how many times as many as with
one worker, and what each of them costs: with claims in vain it would cost more with more workers.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.figures import print_figure
from bench.seed import connect, migrate, own_server, seed
from bench.worker import cpu_seconds, tree_seconds
from tests.harness import environment
from tests.harness.databases import query
from tests.harness.processes import Process, eventually, process_environment

WORKERS, FOLDER = (1, 2, 4), "/var/tmp"  # noqa: S108 - as bench.seed
NOTIFY = "SELECT pg_notify('okpuja_work', '')"


@dataclass(frozen=True)
class Backlog:
    """`rows` counts what `make` makes due, in one transaction; `left` counts what is due."""

    name: str
    rows: str
    make: str
    left: str


UNPAID = "SELECT checkout_id FROM payment_payment WHERE state = 'FAILED'"
BACKLOGS = (
    Backlog(
        "receipts",
        "SELECT count(*) FROM payment_receipt",
        "UPDATE payment_receipt SET number = NULL",
        "SELECT count(*) FROM payment_receipt WHERE number IS NULL",
    ),
    Backlog(
        "holds",
        f"SELECT count(*) FROM booking_slothold WHERE checkout_id IN ({UNPAID})",  # noqa: S608
        "UPDATE booking_slothold SET state = 'HELD', expires_at = now() - interval '1 hour', released_at = NULL"  # noqa: S608
        f" WHERE checkout_id IN ({UNPAID}); UPDATE booking_slot s SET held ="
        " (SELECT count(*) FROM booking_slothold h WHERE h.slot_id = s.id AND h.state = 'HELD')",
        "SELECT count(*) FROM booking_slothold WHERE state = 'HELD' AND expires_at < now()",
    ),
    Backlog(
        "mails",
        "SELECT count(*) FROM notifications_notification",
        "UPDATE notifications_notification SET state = 'WAITING', sent_at = NULL, next_check_at = now()",
        "SELECT count(*) FROM notifications_notification WHERE next_check_at IS NOT NULL",
    ),
)


def main() -> None:
    payments = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    with own_server(FOLDER) as server:
        url = server.url("postgres")
        connect(url)
        migrate()
        seed(payments)
        rates: dict[str, float] = {}
        for count in WORKERS:
            with running(count, url) as workers:
                for backlog in BACKLOGS:
                    rate = end_of(backlog, url, workers, server.process.pid)
                    first = rates.setdefault(backlog.name, rate)
                    print_figure(f"{backlog.name} a second, {count} workers ÷ 1", rate / first)
    environment.end()


@contextmanager
def running(count: int, url: str) -> Iterator[list[Process]]:
    settings = process_environment(DATABASE_URL=url, LOG_LEVEL="INFO", EMAIL_URL="dummy://")
    workers = [Process("worker", "manage.py", "work", environment=settings) for _ in range(count)]
    try:
        for worker in workers:
            eventually(lambda worker=worker: "worker started" in worker.output, "the worker has started")
        time.sleep(4)  # first looks, and what the seed left due
        yield workers
    finally:
        for worker in workers:
            worker.ask_to_end()
        for worker in workers:
            worker.stop()


def end_of(backlog: Backlog, url: str, workers: list[Process], postgres: int) -> float:
    """Rows a second."""
    [[rows]] = query(url, backlog.rows)
    spent, theirs, began = sum(map(cpu_seconds, workers)), tree_seconds(postgres), time.monotonic()
    query(url, backlog.make)
    eventually(lambda: query(url, backlog.left) == [(0,)], f"no {backlog.name} are left", seconds=300)
    seconds = time.monotonic() - began
    ours, theirs = sum(map(cpu_seconds, workers)) - spent, tree_seconds(postgres) - theirs
    print(
        f"{rows} {backlog.name}, {len(workers)} workers: {rows / seconds:.1f} a second; CPU of each: worker"
        f" {ours / rows * 1000:.1f} ms, PostgreSQL {theirs / rows * 1000:.1f} ms; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return rows / seconds


if __name__ == "__main__":
    main()
