"""What the question for the next due work costs beside 100,000 rows of each kind and 1,000 leases.

`TEST_DATABASE=postgresql python -m bench.moments` prints the median, and what of the plan reads a whole table.
"""

import os
import statistics
import time
import uuid

from tests.harness import environment
from tests.harness.databases import seeded_database

ROWS, LEASES, ROUNDS = 100_000, 1_000, 50
# Copies of one row: what is unique gets another value, and every tenth is scheduled for next week.
LATER = "CASE WHEN n % 10 = 0 THEN now() + interval '7 days' END"
COPIES = {
    "payment_payment": {"id": "n + 1000000", "reference": "'bench' || n", "fulfil_at": "NULL"},
    "payment_paymentattempt": {"payment_id": "n + 1000000", "merchant_order_id": "'bench' || n",
                               "next_check_at": LATER, "state": "'FAILED'"},
    "payment_webhookevent": {"digest": "'bench' || n", "next_check_at": LATER},
    "notifications_notification": {"key": "'bench' || n", "message_id": "'<' || n || '@bench>'",
                                   "next_check_at": LATER, "state": "'SENT'"},
    "payment_idempotencykey": {"key_digest": "'bench' || n", "created_at": "now() - n * interval '0.8 seconds'"},
    "payment_gatewaycall": {"started_at": "now() - n * interval '1 minute'"},
    "payment_diagnosisrun": {"occasion": "'regular ' || n", "lease": "NULL"},
    "payment_worklease": {"row": "n + 1000000000", "held_until": "now() + interval '1 hour'"},
    "accounts_session": {"key": "gen_random_uuid()"},
}  # fmt: skip


def main() -> None:
    with seeded_database() as (url, _):
        os.environ |= {"DJANGO_SETTINGS_MODULE": "okpuja.settings", "DATABASE_URL": url}
        import django  # noqa: PLC0415 - the database is chosen before

        django.setup()
        measure()
    environment.end()


def measure() -> None:
    from django.db import connection, connections  # noqa: PLC0415

    from worker.moments import _statement, read_due_moments  # noqa: PLC0415

    median_of(read_due_moments, 5)
    print(f"empty: {median_of(read_due_moments, ROUNDS):.1f} ms")
    make_originals()
    with connection.cursor() as cursor:
        for table, changed in COPIES.items():
            columns = [
                c.name
                for c in connection.introspection.get_table_description(cursor, table)
                if c.name != "id" or "id" in changed
            ]
            values = ", ".join(changed.get(name, f'"{name}"') for name in columns)
            names = ", ".join(f'"{name}"' for name in columns)
            count = LEASES if table == "payment_worklease" else ROWS
            source = f"(SELECT * FROM {table} ORDER BY id LIMIT 1) one, generate_series(1, {count}) n"  # noqa: S608
            cursor.execute(f"INSERT INTO {table} ({names}) SELECT {values} FROM {source}")  # noqa: S608
        cursor.execute("ANALYZE")
        print(
            f"{ROWS} rows of each: {median_of(read_due_moments, ROUNDS):.1f} ms; load {os.getloadavg()[0]:.1f}"
        )
        sql, parameters = _statement("postgresql")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", parameters)
        plan = [row[0] for row in cursor.fetchall()]
        whole = [line.strip() for line in plan if "Seq Scan" in line]
        print("\n".join([*(whole or ["no table is read whole"]), *plan[-2:]]))
    connections.close_all()


def make_originals() -> None:
    from django.utils import timezone  # noqa: PLC0415

    from accounts.models import User  # noqa: PLC0415
    from notifications.services import notify  # noqa: PLC0415
    from payment import models  # noqa: PLC0415
    from tests.unit.payment.builders import make_payment  # noqa: PLC0415

    now = timezone.now()
    make_payment(user=User.objects.first())
    notify("received", "bench", {"amount_paise": 100}, user=User.objects.first())
    models.WebhookEvent.objects.create(digest="bench", scheme="v2", body=b"{}", claimed_state="COMPLETED")
    models.IdempotencyKey.objects.create(
        caller="bench",
        route="bench",
        key_digest="bench",
        body_digest="bench",
        lease=uuid.uuid4(),
        lease_until=now,
    )
    call = {"operation": "pay", "host": "h", "port": 443, "stage": "SENT", "milliseconds": 1}
    models.GatewayCall.objects.create(**call, started_at=now)
    models.DiagnosisRun.objects.create(asked_by="worker", started_at=now)
    models.WorkLease.claim("notifications", 1_000_000_000, now, now)


def median_of(task, rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        task()
        spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


if __name__ == "__main__":
    main()
