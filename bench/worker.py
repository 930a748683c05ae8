"""What an idle worker costs, and how soon it claims what is due: `python -m bench.worker [SECONDS] [WORKERS]`.

With TEST_DATABASE=postgresql statements are counted in the log of the server (`log_statement=all`, BEGIN and COMMIT
count too); SQLite has no such log. The time of a claim is written by a trigger on the leases, in the database.
"""

import os
import statistics
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

from bench.figures import print_figure
from tests.harness import environment
from tests.harness.databases import ON_POSTGRESQL, query
from tests.harness.installation import Installation
from tests.harness.processes import Process, eventually

EVENTS = 40
NOW = "clock_timestamp()" if ON_POSTGRESQL else "strftime('%Y-%m-%d %H:%M:%f', 'now')"
EMPTY = "''" if ON_POSTGRESQL else "X''"
EVENT = f"""INSERT INTO payment_webhookevent (digest, scheme, header_names, body, event, merchant_order_id,
    merchant_refund_id, claimed_verdict, state, differs, unclear, closed_because, deliveries, checks,
    received_at, next_check_at)
    VALUES ('{{digest}}', 'v2', '', {EMPTY}, 'bench', 'none', '', '', 'RECEIVED', '', '', '', 1, 0, {NOW}, {NOW})
    RETURNING id"""  # noqa: S608
CLAIMED = f"INSERT INTO bench_claim VALUES (NEW.row, {NOW})"  # noqa: S608
WHEN = "NEW.kind = 'events' AND NEW.row > 0"
POSTGRES_TRIGGERS = [
    "CREATE TABLE bench_claim (row bigint, at timestamptz)",
    f"CREATE FUNCTION bench_claimed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {CLAIMED}; RETURN NULL; END $$",
    "CREATE TRIGGER bench_claimed AFTER INSERT OR UPDATE ON payment_worklease"
    f" FOR EACH ROW WHEN ({WHEN}) EXECUTE FUNCTION bench_claimed()",
]
SQLITE_TRIGGERS = [
    "CREATE TABLE bench_claim (row bigint, at text)",
    f"CREATE TRIGGER bench_inserted AFTER INSERT ON payment_worklease WHEN {WHEN} BEGIN {CLAIMED}; END",
    f"CREATE TRIGGER bench_updated AFTER UPDATE ON payment_worklease WHEN {WHEN} BEGIN {CLAIMED}; END",
]
MILLISECONDS = (
    "extract(epoch FROM min(at) - min(received_at)) * 1000"
    if ON_POSTGRESQL
    else "(julianday(min(at)) - julianday(min(received_at))) * 86400000"
)
LATENCY = f"SELECT {MILLISECONDS} FROM bench_claim JOIN payment_webhookevent ON id = row GROUP BY row"  # noqa: S608


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with Installation(LOG_LEVEL="INFO", DIAGNOSIS_EVERY_MINUTES="5") as shop:
        started = [
            shop.keep(Process("worker", "manage.py", "work", environment=shop.environment))
            for _ in range(workers)
        ]
        for worker in started:
            eventually(lambda worker=worker: "worker started" in worker.output, "the worker has started")
        time.sleep(10)  # imports, first checks
        print(
            f"{'PostgreSQL' if ON_POSTGRESQL else 'SQLite'}, {workers} workers, load {os.getloadavg()[0]:.1f}"
        )
        idle(shop, started, seconds)
        claims(shop)
    environment.end()


def idle(shop: Installation, workers: list[Process], seconds: float) -> None:
    before, statements = sum(map(cpu_seconds, workers)), []
    with LoggedStatements(shop) as log:
        time.sleep(seconds)
        statements = log.read()
    spent = sum(map(cpu_seconds, workers)) - before
    print(f"idle for {seconds:.0f} s: {spent / seconds / len(workers) * 100:.2f} % of a core for each worker")
    print_figure("idle worker: % of a core", spent / seconds / len(workers) * 100)
    if ON_POSTGRESQL:
        print_figure("idle worker: statements a second", len(statements) / seconds / len(workers))
        print(f"{len(statements) / seconds:.2f} statements a second")
        for statement, count in Counter(each[:90] for each in statements).most_common(12):
            print(f"   {count:5} {statement}")


def claims(shop: Installation) -> None:
    for statement in POSTGRES_TRIGGERS if ON_POSTGRESQL else SQLITE_TRIGGERS:
        query(shop.database_url, statement)
    for _ in range(EVENTS):
        [[row]] = query(shop.database_url, EVENT.format(digest=uuid.uuid4().hex))
        claim = f"SELECT 1 FROM bench_claim WHERE row = {row}"  # noqa: S608
        eventually(lambda claim=claim: query(shop.database_url, claim), "it is claimed")
        time.sleep(0.3)
    spent = sorted(float(milliseconds) for (milliseconds,) in query(shop.database_url, LATENCY))
    print(
        f"from the event to its claim, {len(spent)} events: median {statistics.median(spent):.0f} ms,"
        f" 95 % below {spent[int(len(spent) * 0.95) - 1]:.0f} ms, worst {spent[-1]:.0f} ms;"
        f" load {os.getloadavg()[0]:.1f}"
    )


def cpu_seconds(process: Process | int) -> float:
    """User and system time of all threads of a process, which may be given by its id."""
    pid = process if isinstance(process, int) else process._popen.pid
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tree_seconds(pid: int) -> float:
    """The same of a process with all below it, also of those that have ended and were waited for."""
    try:
        ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[13:15]
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        own = cpu_seconds(pid) + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")
    except FileNotFoundError:  # it has ended since its parent was read
        return 0.0
    return own + sum(map(tree_seconds, map(int, below)))


class LoggedStatements:
    """What the server has executed inside of the block; nothing on SQLite."""

    def __init__(self, shop: Installation) -> None:
        self._url = shop.database_url

    def __enter__(self) -> "LoggedStatements":
        if environment.postgres:
            self._log = environment.postgres.folder / "log"
            self._switch("all")
            self._start = self._log.stat().st_size
        return self

    def __exit__(self, *failure: object) -> None:
        if environment.postgres:
            self._switch("none")

    def read(self) -> list[str]:
        if not environment.postgres:
            return []
        lines = self._log.read_bytes()[self._start :].decode(errors="replace").splitlines()
        found = [
            line.partition("LOG:  ")[2]
            for line in lines
            if "LOG:  statement:" in line or "LOG:  execute" in line
        ]
        return [
            line.partition(": ")[2]
            for line in found
            if "log_statement" not in line and "pg_reload" not in line
        ]

    def _switch(self, how: str) -> None:
        query(self._url, f"ALTER SYSTEM SET log_statement = '{how}'")
        query(self._url, "SELECT pg_reload_conf()")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
