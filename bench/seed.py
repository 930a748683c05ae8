"""N payments and all that hangs on them, by COPY: `python -m bench.seed N`. They are those of a shop that has the same
trade each day: 1,000 of a week, 100,000 of two years. `--days` gives a larger shop a shorter history.

Without `--database-url` it starts a PostgreSQL of its own, proves the laws on the rows, and deletes it again. With it,
the database must be migrated and empty, and the role a superuser: foreign keys and triggers are not run for each row.

Of 1,000 payments about 700 are booked, 150 expired, 80 failed, 40 are donations, 10 came too late and were refunded,
and 20 were paid with a second order. Fifteen are open or in review, however many there are in all: what grows is
history. So are the people who share a name or the last four digits of their phone. The same N gives the same rows, but
for the moments, which end now.
"""

import argparse
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import django

from tests.harness import environment
from tests.harness.postgres import FAST, Postgres

NULL = "\\N"
PAYMENTS_A_DAY = 137
FEWEST_DAYS = 7  # so that each of the coming days has its bookings
LEAD = 5  # days that people book ahead
AHEAD = 30  # days with slots
PER_DAY = 2  # slots of a service
PAYMENTS_PER_CUSTOMER = 4
CHUNK = 20_000
OPEN, IN_REVIEW = 10, 5
LOADING = ("-c", "max_wal_size=4GB", "-c", "wal_level=minimal", "-c", "max_wal_senders=0")
LOADING += ("-c", "shared_buffers=1GB", "-c", "maintenance_work_mem=512MB", "-c", "autovacuum=off")
ROOM = "/var/tmp"  # noqa: S108 - the folder with the most room, unless --folder names another


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("payments", type=int)
    asked.add_argument(
        "--days", type=int, default=0, help=f"of history; else {PAYMENTS_A_DAY} payments a day"
    )
    asked.add_argument("--database-url", help="an empty, migrated database on PostgreSQL")
    asked.add_argument("--folder", default=ROOM, help="where a server of our own keeps its data")
    options = asked.parse_args()
    if options.database_url:
        connect(options.database_url)
        seed(options.payments, options.days)
        return
    with own_server(options.folder) as server:
        connect(server.url("postgres"))
        migrate()
        seed(options.payments, options.days)
        prove()
    environment.end()


@contextmanager
def own_server(folder: str) -> Iterator[Postgres]:
    """Gone at the end, with its data."""
    server = Postgres.start(options=(*FAST, *LOADING), parent=folder)
    if os.geteuid() == 0:
        server.folder.chmod(0o711)
    try:
        yield server
    finally:
        server.stop()


def connect(database_url: str) -> None:
    """Django of this process uses that database from now on."""
    os.environ["DATABASE_URL"] = database_url
    os.environ["LOG_LEVEL"] = "ERROR"
    os.environ.pop("TEST_DATABASE_NAME", None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "okpuja.settings"
    django.setup()


def migrate() -> None:
    from django.core.management import call_command  # noqa: PLC0415 - after `connect`

    call_command("migrate", verbosity=0)


def is_seeded() -> bool:
    from payment.models import Payment  # noqa: PLC0415 - models, after `connect`

    return Payment.objects.exists()


def seed(payments: int, days: float = 0) -> None:
    from bench.trade import Trade  # noqa: PLC0415 - models, after `connect`
    from booking.services.promos import repair_sums, wrong_sums  # noqa: PLC0415

    began = time.monotonic()
    days = days or max(payments / PAYMENTS_A_DAY, FEWEST_DAYS)
    trade = Trade(payments, days, now=datetime.now(UTC), dice=random.Random(payments))
    with trade.loading() as copied:
        for first in range(0, payments, CHUNK):
            trade.buy(range(first, min(first + CHUNK, payments)))
            copied()
    for promo in wrong_sums():
        repair_sums(promo.pk)
    seconds = time.monotonic() - began
    print(f"{payments} payments, {trade.rows} rows in {seconds:.0f} s; load {os.getloadavg()[0]:.1f}")


def prove() -> None:
    """Raises AssertionError with the laws that the rows break."""
    from payment.reconciliation.invariants import find_violations  # noqa: PLC0415
    from tests.harness.invariants import LAWS, query, violations  # noqa: PLC0415

    broken = violations(query, LAWS), find_violations()
    assert broken == ({}, []), broken
    print(f"{len(LAWS)} laws of the harness hold, and those of ledger_check")


if __name__ == "__main__":
    main()
