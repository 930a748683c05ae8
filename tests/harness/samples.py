"""Which tests a command plays: `make proofs` all of them on both databases, `make test` a sample, each case on one.

`make samples` counts them.
"""

import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import gcd
from pathlib import Path
from types import CodeType
from typing import TypeVar
from zlib import crc32

import pytest

from tests.harness import FAST, PROOFS, ROOT
from tests.harness.databases import ON_POSTGRESQL

Row = TypeVar("Row")
# Of the configuration of pytest: what was found, before a sample was taken of it.
COLLECTED = pytest.StashKey[list[pytest.Item]]()

# Sockets that break, pages that are drawn, rights, rates, input that is refused and threads that wait know little of
# the database behind them: `make test` plays them on SQLite only, `make proofs` on both.
ONCE = (
    *(f"integration/{name}" for name in ("access", "browser", "frontend", "input", "simulator", "wire")),
    *(f"integration/test_{name}" for name in ("access", "api_examples", "rates", "schema", "stale_tokens")),
    *(
        f"integration/flows/test_{name}"
        for name in ("bodies", "dev", "endpoints", "slow_connections", "waits")
    ),
    *(
        f"system/{name}"
        for name in (
            "festival",
            "lab/test_access",
            "races/test_deadly_rows",
            "races/test_faults",
            "test_dead_ends",
        )
    ),
    *(f"system/properties/test_any{name}" for name in ("_order", "thing")),
    *("unit/backoffice/test_links", "unit/core/test_middleware", "unit/core/test_pagination"),
    *(
        f"unit/diagnostics/{name}"
        for name in ("golive", "management", "test_page", "test_runner.py", "test_views")
    ),
)
# Servers as in production, processes that are killed, threads that meet at a row: whoever has rows to lose has them on
# PostgreSQL.
ON_POSTGRESQL_ONLY = (
    "integration/flows/test_app_orders",
    "system/interleavings",
    "system/properties/test_any_moment",
    "system/races/test_races",
)
# On PostgreSQL what races is played whole, and one in MONEY_EVERY of the other tests: on both databases they pass the
# same code.
MONEY = ("unit/booking", "unit/notifications", "unit/payment", "unit/worker")
MONEY_EVERY = 2
# Of a test without a mark and with more than MOST_CASES every fourth or fewer are played, about MOST_PLAYED at most.
MOST_CASES, SIMILAR, MOST_PLAYED = 3, 4, 8
# `make test-fast` plays one in twelve tests whose rows are deleted afterwards: that takes longer than most tests.
COMMITTING_EVERY_IF_FAST = 12
# `make test-fast` leaves out the simulator and files that take three seconds and more.
LEFT_OUT_IF_FAST = (
    *("unit/simulator", "unit/payment/test_single_outcome_path", "unit/test_vps_scripts"),
    *(f"unit/accounts/test_{name}" for name in ("codes", "hashers", "login_guard")),
    *(f"unit/backoffice/test_{name}" for name in ("history", "second_factor", "today")),
    *(
        f"unit/payment/services/{name}"
        for name in ("refunds/test_approval", "test_app_orders", "test_dispute_balance")
    ),
    "unit/payment/views/test_desk_bookings",
    "unit/payment/views/test_frontend_2026",
)
# What a file says in which a test has real transactions, or asks for PostgreSQL.
COMMITTING = ("transaction=True", "transactional_db", "live_server", "postgresql")
RACING = {"at_once", "while_uncommitted", "ThreadPoolExecutor", "Thread"}


@dataclass(frozen=True)
class Selection:
    """What one run plays. `names_files`: whoever names a file wants all of it, also on the second database."""

    on_postgresql: bool = ON_POSTGRESQL
    proofs: bool = PROOFS
    fast: bool = FAST
    names_files: bool = False

    def loads(self, path: str) -> bool:
        """Of what is left to SQLite nothing needs to be loaded on PostgreSQL."""
        if self.proofs or not self.on_postgresql:
            return True
        return not path.startswith(ONCE) and not _is_unit_of_sqlite(path)

    def plays(self, item: pytest.Item, number: int, cases: int) -> bool:
        """`number` counts the `cases` of one test, from 0."""
        if item.get_closest_marker("only_sqlite" if self.on_postgresql else "only_postgresql"):
            return False
        if self.fast and (_races(item) or _path(item).startswith(LEFT_OUT_IF_FAST)):
            return False  # SQLite lets only one person race
        if self.fast and _commits(item) and crc32(item.nodeid.encode()) % COMMITTING_EVERY_IF_FAST:
            return False
        if not self.on_postgresql and self._is_left_to_postgresql(item, number, cases):
            return False
        if self.on_postgresql and self._is_left_to_sqlite(item):
            return False
        return self._is_in_sample(item, number, cases)

    def _is_in_sample(self, item: pytest.Item, number: int, cases: int) -> bool:
        if self.proofs:
            return True
        samples = [mark.kwargs.get("every") for mark in item.iter_markers("proof")]  # the nearest comes first
        if None in samples:
            return False
        every = samples[0] if samples else 1
        if not samples and cases > MOST_CASES and not self.names_files:
            every = _similar(cases)
        start = min(every, cases) // 2 if self.on_postgresql else 0
        if every == 1 and item.get_closest_marker("browser") and not self.names_files:
            every = 2
            # Telephone and large screen come in turn: half of the tests see the one, half the other.
            start = crc32(name_of(item).encode()) % min(2, cases)
        if _path(item).startswith(ON_POSTGRESQL_ONLY):
            # V1 and V2 come in turn, too: by file, because servers of a file are started for one of them.
            start = crc32(_path(item).partition("::")[0].encode()) % min(every, cases)
        return number % every == start

    def _is_left_to_postgresql(self, item: pytest.Item, number: int, cases: int) -> bool:
        """What `make test` plays there it need not play here, too."""
        if self.proofs or self.fast or self.names_files:
            return False
        there = replace(self, on_postgresql=True)
        path = _path(item)
        return path.startswith(ON_POSTGRESQL_ONLY) or (there.loads(path) and there.plays(item, number, cases))

    def _is_left_to_sqlite(self, item: pytest.Item) -> bool:
        """What would be no different on PostgreSQL, and most of the unit tests that would hardly be."""
        path = _path(item)
        if path.startswith(ONCE):
            return not self.proofs
        marked = any(map(item.get_closest_marker, ("postgresql", "only_postgresql")))
        if not path.startswith("unit/") or marked:
            return False
        commits = _commits(item)
        uses_database = (
            commits or "db" in getattr(item, "fixturenames", ()) or item.get_closest_marker("django_db")
        )
        if self.proofs or not uses_database:
            return not uses_database
        if not commits and not path.startswith(MONEY):
            return True
        return not self.names_files and not _races(item) and crc32(item.nodeid.encode()) % MONEY_EVERY != 0


def sample(rows: Sequence[Row], every: int, start: int = 0) -> Sequence[Row]:
    """Of a table that one test walks: every n-th row in `make test`, one at least; all of them in `make proofs`."""
    return rows if PROOFS else rows[start % min(every, len(rows) or 1) :: every]


def split(selection: Selection, items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """What is played of all that was collected, and what is not."""
    played, left = [], []
    for item, number, cases in _numbered(items):
        (played if selection.plays(item, number, cases) else left).append(item)
    return played, left


def _numbered(items: list[pytest.Item]) -> Iterator[tuple[pytest.Item, int, int]]:
    tests = [name_of(item) for item in items]
    number_of_cases, seen = Counter(tests), Counter[str]()
    for item, test in zip(items, tests, strict=True):
        yield item, seen[test], number_of_cases[test]
        seen[test] += 1


def _similar(cases: int) -> int:
    """Every n-th of them is played, two at least. `n` has no divisor in common with `cases`: else, of a test with two
    parameters, one would have the same value in every case that is played.
    """
    return next(
        (n for n in range(max(SIMILAR, cases // MOST_PLAYED), cases) if gcd(n, cases) == 1), cases - 1
    )


def name_of(item: pytest.Item) -> str:
    """The test whose case it is."""
    return item.nodeid.partition("[")[0]


def _path(item: pytest.Item) -> str:
    return item.nodeid.removeprefix("tests/")


@cache
def _is_unit_of_sqlite(path: str) -> bool:
    """A file of unit tests none of which `make test` plays on PostgreSQL: loading it takes longer than reading it."""
    is_file = path.startswith("unit/") and Path(path).match("test_*.py")
    if not is_file or path.startswith(MONEY):
        return False
    text = (ROOT / "tests" / path).read_text()
    return not any(word in text for word in COMMITTING)


def _commits(item: pytest.Item) -> bool:
    """Whether it has real transactions; the others are rolled back."""
    marker = item.get_closest_marker("django_db")
    is_marked = marker is not None and marker.kwargs.get("transaction", False)
    return is_marked or bool({"transactional_db", "live_server"} & set(getattr(item, "fixturenames", ())))


def _races(item: pytest.Item) -> bool:
    """Whether several people act at the same moment in it, each on a connection of their own."""
    return not RACING.isdisjoint(_names(inspect.unwrap(item.function).__code__))


def _names(code: CodeType) -> set[str]:
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return {*code.co_names, *code.co_freevars}.union(*inner)


RUNS = {
    "make test, SQLite": Selection(on_postgresql=False, proofs=False, fast=False),
    "make test, PostgreSQL": Selection(on_postgresql=True, proofs=False, fast=False),
    "make proofs, SQLite": Selection(on_postgresql=False, proofs=True, fast=False),
    "make proofs, PostgreSQL": Selection(on_postgresql=True, proofs=True, fast=False),
}


def count(items: list[pytest.Item]) -> Iterator[str]:
    """For people: how many tests each run plays, those that are in `make test` on neither database, and a last
    line that must say 0.
    """
    played = {name: set(split(run, items)[0]) for name, run in RUNS.items()}
    yield from (f"{name:24} {len(chosen):6} cases" for name, chosen in played.items())
    tests, proofs = [*played.values()][:2], [*played.values()][2:]
    kept = {name_of(item) for chosen in tests for item in chosen}
    only_proofs = sorted({name_of(item) for item in items} - kept)
    yield f"of no case in make test: {len(only_proofs)}"
    yield from (f"  {name}" for name in only_proofs)
    left = [item.nodeid for item in items if not any(item in chosen for chosen in proofs)]
    yield from (f"  {name}" for name in left)
    yield f"left out of make proofs: {len(left)}"
