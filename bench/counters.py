"""The cost of counting one request, in a table of 100,000 callers: `python -m bench.counters [DATABASE_URL]`.

Without an address it makes a SQLite file and deletes it. A database that is named must be an empty one of its own.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

CALLERS, COUNTS, THREADS = 100_000, 2_000, 8


def main() -> None:
    import django  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder) / 'bench.sqlite3'}"
        os.environ |= {"DJANGO_SETTINGS_MODULE": "okpuja.settings", "DOTENV_FILE": "", "DATABASE_URL": url}
        os.environ |= {"SECRET_KEY": "bench-only-" + "x" * 40, "PHONEPE_SIMULATION_MODE": "True"}
        django.setup()
        measure()


def measure() -> None:
    from django.core.management import call_command  # noqa: PLC0415 - the settings are chosen before
    from django.db import connection, connections  # noqa: PLC0415

    from core import counters  # noqa: PLC0415
    from core.models import Counter  # noqa: PLC0415

    call_command("migrate", "core", verbosity=0)
    now = time.time()
    rows = (
        Counter(pk=counters.key_of("user", f"user {n}"), scope="user", count=1, started=now, ends=now + 3600)
        for n in range(CALLERS)
    )
    Counter.objects.bulk_create(rows, batch_size=5_000)
    alone = [timed(lambda n=n: counters.count("user", f"user {n * 37}", 3600, now)) for n in range(COUNTS)]
    print(f"{connection.vendor}, {CALLERS} callers")
    print(f"one after the other: median {statistics.median(alone):.2f} ms, 99 % {percentile(alone):.2f} ms")

    spent: list[float] = []

    def work(thread: int) -> None:
        for n in range(COUNTS // THREADS):
            spent.append(timed(lambda n=n: counters.count("user", f"user {n * 37 + thread}", 3600, now)))
        connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    per_second = len(spent) / (time.perf_counter() - began)
    median = statistics.median(spent)
    print(f"{THREADS} at once: median {median:.2f} ms, 99 % {percentile(spent):.2f} ms, {per_second:.0f}/s")
    took = timed(lambda: counters.purge_expired(now + 3600))
    print(f"the purge of all rows: {took / 1000:.1f} s")


def timed(task) -> float:
    began = time.perf_counter()
    task()
    return (time.perf_counter() - began) * 1000


def percentile(spent: list[float]) -> float:
    return sorted(spent)[int(len(spent) * 0.99)]


if __name__ == "__main__":
    main()
