"""Siege, a load test: what others notice of an attack, and whether anything is lost by it.

    make siege

starts two servers on PostgreSQL, then one on SQLite, each with a worker and a PhonePe beside it, and does to them,
first one after the other, then all at once: 200 connections that never finish a request; 200 forged webhooks; 50
receipts that nobody has drawn yet; 60 customers who buy while PhonePe is silent for a minute. It measures the health of
each server and the catalogue meanwhile, beside the same servers at rest, then checks the accounts. Ends with 0
if the medians are below their limits (1 and 2 seconds), every request was answered, and nothing is lost.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.harness import environment, invariants
from tests.harness.customers import Customer
from tests.harness.databases import ON_POSTGRESQL, empty_database
from tests.harness.installation import InstallationWithPhonePe, start_installation
from tests.harness.processes import eventually
from tests.system.races.rounds import received, taken
from tests.system.siege import attacks
from tests.system.siege.watching import CATALOGUE, HEALTH, LIMITS, Watch

AT_REST = "at rest"
HEADING = (
    "database",
    "meanwhile",
    "seconds",
    "/healthz",
    "longest",
    "ratio",
    "catalogue",
    "longest",
    "ratio",
    "failed",
)
LINE = "{:<11}{:<33}{:>8}{:>10}{:>9}{:>7}{:>11}{:>9}{:>7}{:>8}"


@dataclass(frozen=True)
class Scale:
    connections: int = 200
    webhooks: int = 200
    receipts: int = 50
    buyers: int = 60
    silence: float = 60
    rest: float = 10


@dataclass
class Siege:
    installation: InstallationWithPhonePe
    scale: Scale
    watch: Watch
    receipts: list[tuple[Customer, int]]
    buyers: Iterator[tuple[Customer, dict[str, Any]]]
    answers: Counter[str] = field(default_factory=Counter)

    def hold_connections(self) -> None:
        with attacks.half_open_connections(self.installation, self.scale.connections):
            self.watch.look_for(self.scale.rest)

    def forge_webhooks(self) -> None:
        self._count("webhook", attacks.forge_webhooks(self.installation, self.scale.webhooks))

    def fetch_receipts(self) -> None:
        codes = attacks.all_at_once(attacks.fetch_receipt, self.receipts)
        self._count("receipt", [code for each in codes for code in each])

    def buy_in_silence(self) -> None:
        buyers = [next(self.buyers) for _ in range(self.scale.buyers)]
        with ThreadPoolExecutor(1) as silence:
            over = silence.submit(attacks.silence, self.installation.phonepe, self.scale.silence)
            codes = attacks.all_at_once(attacks.buy, buyers)
            over.result()
        self._count("click", [code for each in codes for code in each])

    def everything(self) -> None:
        with attacks.half_open_connections(self.installation, self.scale.connections):
            attacks.all_at_once(
                lambda act: act(), (self.forge_webhooks, self.fetch_receipts, self.buy_in_silence)
            )

    def play(self) -> None:
        scale = self.scale
        acts: dict[str, Callable[[], None]] = {
            AT_REST: partial(self.watch.look_for, scale.rest),
            f"{scale.connections} half-open connections": self.hold_connections,
            f"{scale.webhooks} forged webhooks": self.forge_webhooks,
            f"{scale.receipts} receipts": self.fetch_receipts,
            f"{scale.buyers} buyers, PhonePe silent": self.buy_in_silence,
            "all of it at once": self.everything,
        }
        for name, act in acts.items():
            attacks.forget_drawings(self.installation)
            with self.watch.during(name):
                act()

    def _count(self, what: str, codes: list[int]) -> None:
        self.answers.update(f"{what} {code}" for code in codes)


@contextmanager
def under_siege(scale: Scale) -> Iterator[Siege]:
    """Played, with everything still running."""
    people = 2 * scale.buyers
    settings = {"servers": 2 if ON_POSTGRESQL else 1, "workers": 1, "customers": people}
    # The database that is seeded once for all tests has ten customers.
    with (
        empty_database() if people > 10 else nullcontext("") as url,
        start_installation("v2", database_url=url, **settings) as installation,
    ):
        customers = [installation.customer(number) for number in range(people)]
        buyers = zip(customers, attacks.fill_carts(installation, customers), strict=True)
        receipts = attacks.make_receipts(installation, customers[:10], scale.receipts)
        with Watch(installation.urls) as watch:
            siege = Siege(installation, scale, watch, receipts, buyers)
            siege.play()
        yield siege


def losses(siege: Siege) -> list[str]:
    """What is wrong once every order that was paid is booked: accounts, answers, complaints of our programs."""
    installation = siege.installation
    eventually(
        lambda: taken(installation) == received(installation.query), "our ledger has what PhonePe has taken"
    )
    found = [f"{law}: {rows}" for law, rows in invariants.violations(installation.query).items()]
    booked = installation.query("SELECT count(DISTINCT user_id), count(*) FROM booking_booking")[0]
    if tuple(booked) != (2 * siege.scale.buyers, 2 * siege.scale.buyers):
        found.append(
            f"{2 * siege.scale.buyers} customers have paid; customers with a booking, bookings: {booked}"
        )
    refused = siege.answers["webhook 401"]
    if refused != 2 * siege.scale.webhooks:
        found.append(f"{2 * siege.scale.webhooks} webhooks were forged, {refused} refused")
    failures = {phase: siege.watch.failures(phase) for phase in siege.watch.lasted}
    found += [f"{phase}: {count} requests were not answered" for phase, count in failures.items() if count]
    processes = (*installation.servers, *installation.workers)
    return found + [process.output[-2000:] for process in processes if "Traceback" in process.output]


def delays(siege: Siege, ratio: float = 0) -> list[str]:
    """Medians above the limit, and above `ratio` times the median at rest."""
    watch = siege.watch
    return [
        f"{phase}: {path} took {watch.median(phase, path):.2f} s"
        for phase in watch.lasted
        for path, limit in LIMITS.items()
        if watch.median(phase, path) > max(limit, ratio * watch.median(AT_REST, path))
    ]


def table(siege: Siege) -> list[str]:
    watch = siege.watch
    lines = [LINE.format(*HEADING)]
    for phase, lasted in watch.lasted.items():
        cells = []
        for path in (HEALTH, CATALOGUE):
            median, at_rest = watch.median(phase, path), watch.median(AT_REST, path)
            longest = max(watch.waits(phase, path), default=0)
            cells += [f"{median:.3f}", f"{longest:.2f}", f"{median / at_rest:.1f}"]
        database = "PostgreSQL" if ON_POSTGRESQL else "SQLite"
        lines.append(LINE.format(database, phase, round(lasted), *cells, watch.failures(phase)))
    return [*lines, "  ".join(f"{what}: {count}" for what, count in sorted(siege.answers.items()))]


def main() -> int:
    with under_siege(Scale()) as siege:
        found = losses(siege) + delays(siege)
        sys.stdout.write("\n".join([*table(siege), *(found or ["nothing was found"])]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        environment.end()
