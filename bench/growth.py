"""What people and workers wait for with 1,000 payments and with 1,000,000: `python -m bench.growth [SMALL LARGE]`.

Two databases on one PostgreSQL of its own (`bench.seed`), and a process with the project for each: the same shop after
a week and after years, with as much trade a day. Both do the same by turns and show as many rows: a list of the admin
is as long as that of the smaller shop. A page whose rows differ all the same is marked "rows", and not judged.

What is printed is processor time, of the process and of its connections in PostgreSQL together: on a machine that is
busy, the clock on the wall says how long others have worked. `--wall` prints that. What counts is the ratio of the
medians. It takes about 7 GB of disk, which are free again at the end; `--folder` says where.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from bench.seed import ROOM, connect, is_seeded, migrate, own_server, seed
from tests.harness import ROOT, environment
from tests.harness.databases import query
from tests.harness.postgres import Postgres

SMALL, LARGE = 1_000, 1_000_000
ROUNDS, CALLS = 5, 3  # by turns, and in each turn
WANTED = 1.15
KEPT = [
    f"KEEP_{what}_DAYS" for what in ("GATEWAY_CALLS", "WEBHOOKS", "NOTIFICATIONS", "DRAWN_RECEIPTS", "CARTS")
]
MORE_ROWS = 1.04  # with so many times the rows, and one more, a page is not compared
Measure = Callable[[], Any]
Clock = Callable[[bool], float]  # in milliseconds; at the start, or at the end, of what is measured


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("sizes", type=int, nargs="*", default=[SMALL, LARGE])
    asked.add_argument("--folder", default=ROOM)
    asked.add_argument(
        "--databases", nargs=2, help="in place of our own: URLs of two that bench.seed has filled"
    )
    asked.add_argument("--rounds", type=int, default=ROUNDS)
    asked.add_argument("--wanted", type=float, default=WANTED, help="the ratio above which a row is marked")
    asked.add_argument("--only", default="", help="measures whose names contain this")
    asked.add_argument(
        "--wall", action="store_true", help="time on the clock, for a machine that does nothing else"
    )
    asked.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.child:
        answer(options.child, on_the_wall if options.wall else partial(processor_time, options.child))
        return
    with own_server(options.folder) if not options.databases else nullcontext() as server:
        children: list[Child] = []
        try:
            for number, size in enumerate(options.sizes):
                url = options.databases[number] if options.databases else new_database(server, size)
                children.append(Child(url, size, ["--wall"] if options.wall else []))
            compare(children, options)
        finally:
            for child in children:
                child.end()
    environment.end()


def new_database(server: Postgres, size: int) -> str:
    query(server.url("postgres"), f"CREATE DATABASE growth_{size}")
    return server.url(f"growth_{size}")


class Child:
    """A process with the project on a database of so many payments."""

    def __init__(self, url: str, size: int, more: list[str]) -> None:
        self.size, self.rows = size, 0  # rows: of the page that was measured last
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.growth", *more, "--child", url, str(size)],
            cwd=ROOT,
            env=os.environ | {"LOG_LEVEL": "ERROR", "TEST_DATABASE": "sqlite"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.names: list[str] = self._read()

    def measure(self, name: str, most: int = 0, calls: int = CALLS) -> list[float]:
        """Milliseconds of each call. `most`: rows that a list of the admin shows, 0 for as many as ever."""
        assert self._process.stdin
        self._process.stdin.write(f"{name}\t{most}\t{calls}\n")
        self._process.stdin.flush()
        self.rows, *found = self._read()
        return found

    def end(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=60)

    def _read(self) -> Any:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)["is"]
            print(line, end="", flush=True)
        raise RuntimeError(f"the process of {self.size} payments has ended")


def compare(children: list[Child], options: argparse.Namespace) -> None:
    only, rounds, wall = options.only, options.rounds, options.wall
    small, large = children
    names = [name for name in large.names if name in small.names and only in name]
    unit = "milliseconds" if wall else "milliseconds of a processor"
    print(f"{unit}, medians of {rounds * CALLS}; load {os.getloadavg()[0]:.1f}")
    print(f"{'':64} {small.size:>10} {large.size:>10}  ratio")
    ratios = {}
    for name in names:
        for child in children:
            child.measure(name, calls=1)
        most = min(child.rows for child in children)
        spent: dict[int, list[float]] = {child.size: [] for child in children}
        for _ in range(rounds):
            for child in children:
                spent[child.size] += child.measure(name, most)
        few, many = (statistics.median(spent[child.size]) for child in children)
        fewer, more = sorted(child.rows for child in children)
        if more > fewer * MORE_ROWS + 1:
            mark = f" rows {small.rows} / {large.rows}"
        else:
            ratios[name] = many / few
            mark = "" if many / few <= options.wanted or name.startswith("night") else " <-"
        print(f"{name[:64]:64} {few:10.2f} {many:10.2f} {many / few:6.2f}{mark}", flush=True)
    daily = [ratio for name, ratio in ratios.items() if not name.startswith("night")]
    if daily:
        worst = max(ratios, key=lambda name: ratios[name] if not name.startswith("night") else 0)
        within = sum(ratio <= options.wanted for ratio in daily)
        print(
            f"{within} of {len(daily)} within {options.wanted}; median {statistics.median(daily):.2f}, worst {worst}"
        )
    print(f"load {os.getloadavg()[0]:.1f}")


def answer(url: str, clock: Clock) -> None:
    """The child: prints its names, then the milliseconds of each that it reads."""
    # As in a shop that has deleted its old records: nothing is to be deleted, and looking for it is measured.
    os.environ |= dict.fromkeys(KEPT, "36500")
    connect(url)
    from bench.growth_measures import Page, measures  # noqa: PLC0415 - models, after `connect`

    migrate()
    if not is_seeded():
        seed(int(sys.argv[-1]))
    found = dict(measures(clock))
    say([*found])
    for line in sys.stdin:
        name, most, calls = line.rstrip("\n").split("\t")
        measure = found[name]
        if isinstance(measure, Page):
            measure.most = int(most)
        measure()
        times = [spent(measure, clock) for _ in range(int(calls))]
        say([measure.rows if isinstance(measure, Page) else 0, *times])
    environment.end()


def spent(measure: Measure, clock: Clock) -> float:
    """Milliseconds; what it returns itself, if it returns a number."""
    began = clock(True)
    own = measure()
    return own if isinstance(own, float) else clock(False) - began


def on_the_wall(is_start: bool) -> float:
    return time.perf_counter() * 1_000


def processor_time(url: str, is_start: bool) -> float:
    """Reading it takes time of this process, which is left out on both sides."""
    if is_start:
        used = backends_time(url.rpartition("/")[2])
        return used + time.process_time() * 1_000
    own = time.process_time() * 1_000
    return own + backends_time(url.rpartition("/")[2])


def backends_time(database: str) -> float:
    """Of the processes that serve this database, in milliseconds."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if f" {database} ".encode() in (folder / "cmdline").read_bytes()[:80]:
                total += int((folder / "schedstat").read_text().split()[0])
    return total / 1e6


def say(what: Any) -> None:
    print(json.dumps({"is": what}), flush=True)


if __name__ == "__main__":
    main()
