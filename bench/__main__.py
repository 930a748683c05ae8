"""The table of figures that must hold: `make bench`, or `python -m bench [NAME …]` for some of the measurements.

Each measurement is a command of its own; it prints lines `= name: number`. What has no such line is "not measured".
"""

import os
import subprocess
import sys
from dataclasses import dataclass

from tests.harness import ROOT

SECONDS = 900  # for one command


@dataclass(frozen=True)
class Row:
    """`name`: the line of the command; `must` and `wanted` as text, "" where nothing is demanded."""

    name: str
    must: str
    wanted: str = ""


COMMANDS: dict[str, tuple[str, list[Row]]] = {
    "webhook": (
        "bench.webhook",
        [
            Row("webhook until booked ÷ psycopg rows", "≥ 0.25", "≥ 0.45"),
            Row("webhook until booked ÷ naive ORM view", "≥ 1.0", "≥ 2.0"),
        ],
    ),
    "process_cart": ("bench.process_cart", [Row("process-cart ÷ one insert in a bare view", "")]),
    "booking": ("bench.booking", [Row("CPU ms of a paid booking, cart to mails", "≤ 90", "≤ 45")]),
    "worker": (
        "bench.worker 20",
        [
            Row("idle worker: % of a core", "≤ 0.5"),
            Row("idle worker: statements a second", "≤ 1"),
        ],
    ),
    "asking": (
        "bench.asking 120",
        [
            Row(f"asking, {count} workers: part of threads ÷ round trip", "≥ 0.5", "≥ 0.8")
            for count in (1, 2, 4)
        ],
    ),
    "backlog": (
        "bench.backlog 2000",
        [
            Row("receipts a second, 4 workers ÷ 1", "≥ 1.0"),
            Row("holds a second, 4 workers ÷ 1", "≥ 1.0"),
        ],
    ),
    "growth": ("bench.growth", [Row("p50 at 1,000,000 ÷ at 1,000, worst", "≤ 1.15", "1.05")]),
    "rush": (
        "bench.rush 200 400",
        [
            Row("rush used of what PhonePe allows", "≥ 0.9"),
            Row("rush /healthz 99 % ms", "≤ 50"),
            Row("rush /api/puja/services/ 99 % ms", "≤ 200"),
            Row("one slot: sold", "50"),
            Row("one slot: last answer s", ""),
        ],
    ),
    "soak": (
        "bench.soak 1",
        [
            Row("MB of a web process after 5000 requests", "≤ 90"),
            Row("MB it has grown meanwhile", "0"),
        ],
    ),
    "start": ("bench.start", [Row("start of a web process ÷ bare Django and DRF", "≤ 1.5")]),
}


def main() -> None:
    wanted = sys.argv[1:] or list(COMMANDS)
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%h"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    table = [
        "| figure | must | wanted | measured | command | commit | load |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in wanted:
        command, rows = COMMANDS[name]
        load = os.getloadavg()[0]
        figures = measure(command)
        for row in rows:
            measured = figures.get(row.name, "not measured")
            cells = (
                row.name,
                row.must,
                row.wanted,
                measured,
                f"`python -m {command}`",
                commit,
                f"{load:.1f}",
            )
            table.append(f"| {' | '.join(cells)} |")
    print("\n".join(["", *table]))


def measure(command: str) -> dict[str, str]:
    """The figures that this command prints; its other lines are shown."""
    print(f"\npython -m {command}", flush=True)
    environment = {"TEST_DATABASE": "postgresql"} | os.environ
    arguments = [sys.executable, "-m", *command.split()]
    done = subprocess.run(
        arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    print(done.stdout, done.stderr[-2_000:] if done.returncode else "", flush=True)
    lines = (line[2:].rpartition(": ") for line in done.stdout.splitlines() if line.startswith("= "))
    return {name: value for name, _, value in lines}


if __name__ == "__main__":
    main()
