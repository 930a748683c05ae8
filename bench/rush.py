"""A rush on *Pay*: `TEST_DATABASE=postgresql python -m bench.rush [BUYERS] [ONE_SLOT_CARTS]`.

First BUYERS (200) click at once while PhonePe takes 300 ms: which part of what PhonePe allows is used, and how long the
health of the server and the catalogue take meanwhile. Then ONE_SLOT_CARTS (0: left out) carts want the last 50 places
of one time. PhonePe is `bench.phonepe_stub`.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from bench.crowd import Crowd, make_crowd
from bench.figures import print_figure
from bench.worker import cpu_seconds, tree_seconds
from tests.harness import ROOT, environment
from tests.harness.installation import Installation
from tests.harness.processes import Process, address_of, eventually, listening

SECONDS_AT_PHONEPE, CALLS_AT_ONCE, SERVERS, PLACES = 0.3, 4, 2, 50
SECONDS_BEFORE = 1.5  # until those who look have begun
PARTS = {"median": 0.5, "95 %": 0.95, "99 %": 0.99, "worst": 1.0}
HEALTH, CATALOGUE = "/healthz", "/api/puja/services/"


def main() -> None:
    buyers = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    carts = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    for count, capacity in ((buyers, buyers), (carts, PLACES)):
        if count:
            with shop(SECONDS_AT_PHONEPE) as (installation, phonepe):
                report(rush(installation, phonepe, count, capacity), installation, capacity)
    environment.end()


@dataclass(frozen=True)
class Stub:
    """A PhonePe. As text it is its address."""

    url: str
    process: Process

    def __str__(self) -> str:
        return self.url


@contextmanager
def shop(seconds: float, **settings: Any) -> Iterator[tuple[Installation, Stub]]:
    """An installation, and a PhonePe that takes so many seconds."""
    wanted = {"DOTENV_FILE": "", "PATH": os.environ["PATH"]}
    stub = Process("stub", "-m", "bench.phonepe_stub", str(seconds), environment=wanted)
    try:
        url = eventually(lambda: stub.output.partition("ready on ")[2].strip(), "PhonePe is ready")
        more = {"PHONEPE_API_VERSION": "v1", "PHONEPE_BASE_URL": f"{url}/simulator/apis/pg-sandbox"}
        more |= {"PHONEPE_CALLS_AT_ONCE": CALLS_AT_ONCE, "LOG_LEVEL": "WARNING"}
        with Installation(**more | settings) as installation:
            yield installation, Stub(url, stub)
    finally:
        stub.kill()


def spent_beside(phonepe: Stub) -> dict[str, float]:
    """Processor seconds of what shares the machine with our processes, and of callers that have ended."""
    callers = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = {"PhonePe": cpu_seconds(phonepe.process), "callers": callers.ru_utime + callers.ru_stime}
    if environment.postgres:
        spent["PostgreSQL"] = tree_seconds(environment.postgres.process.pid)
    return spent


def print_cpu(
    of_each: str, count: int, ours: float, before: dict[str, float], after: dict[str, float]
) -> None:
    """And what the machine could do if nothing else ran on it."""
    beside = {name: after[name] - before[name] for name in before}
    parts = ", ".join(f"{name} {seconds / count * 1000:.0f}" for name, seconds in beside.items())
    total = (ours + sum(beside.values())) / count
    print(
        f"   CPU of each {of_each}: ours {ours / count * 1000:.0f} ms, {parts}, together {total * 1000:.0f} ms:"
        f" {os.cpu_count()} cores are full at {(os.cpu_count() or 1) / total:.1f} a second",
        flush=True,
    )


def rush(installation: Installation, phonepe: Stub, count: int, capacity: int) -> dict[str, Any]:
    crowd = make_crowd(installation.environment, count, capacity)
    url = serve(installation, SERVERS)
    for _ in range(4 * SERVERS):  # each process has loaded everything
        requests.get(f"{url}{CATALOGUE}", timeout=60).raise_for_status()
    requests.get(f"{phonepe}/control/reset", timeout=10)
    [server] = installation._processes
    before, beside = sum(map(cpu_seconds, server.children)), spent_beside(phonepe)
    found = click(url, crowd)
    ours = sum(map(cpu_seconds, server.children)) - before
    print_cpu("cart", count, ours, beside, spent_beside(phonepe))
    return found | {"phonepe": requests.get(f"{phonepe}/control/", timeout=10).json(), "slot": crowd.slot}


def serve(installation: Installation, workers: int, *more: str) -> str:
    """gunicorn as docs/deployment.md has it, with so many processes. Its URL."""
    with listening() as listener:
        listener.listen(2_048)
        served = [
            *("-m", "gunicorn", "okpuja.wsgi:application", "--bind", f"fd://{listener.fileno()}"),
            *(
                "--config",
                "python:okpuja.gunicorn_config",
                "--workers",
                str(workers),
                "--threads",
                "8",
                *more,
            ),
        ]
        environment = installation.environment
        installation.keep(Process("server", *served, environment=environment, pass_fds=(listener.fileno(),)))
        return address_of(listener)


def click(url: str, crowd: Crowd) -> dict[str, Any]:
    """All buy at once. Others look at the health and the catalogue from before until the last one has bought."""
    with _callers(url, others=[HEALTH, CATALOGUE]) as lookers:
        time.sleep(SECONDS_BEFORE)
        with _callers(url, people=crowd.people) as buyers:
            bought, _ = buyers.communicate()
        others, _ = lookers.communicate()
    return {"bought": json.loads(bought), "others": json.loads(others)}


@contextmanager
def _callers(url: str, **task: Any) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "bench.buyers"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        process.stdin.write(json.dumps({"url": url} | task) + "\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.stdin.close()


def report(found: dict[str, Any], installation: Installation, capacity: int) -> None:
    bought, allowed = found["bought"], SERVERS * CALLS_AT_ONCE / SECONDS_AT_PHONEPE
    opened = [each for each in bought if each["status"] in (200, 201)]
    last, told = max(each["at"] for each in bought), sorted(each["told"] for each in bought)
    answers = Counter(f"{each['status']} {each['code']}".strip() for each in bought)
    counts = ", ".join(f"{name} {value}" for name, value in found["phonepe"].items() if name != "moments")
    [[held, sold]] = installation.query(f"SELECT held, booked FROM booking_slot WHERE id = {found['slot']}")  # noqa: S608
    lines = [
        f"{len(bought)} carts want {capacity} places, load {os.getloadavg()[0]:.1f}",
        f"answers: {dict(answers)}, told to come again {sum(each['refusals'] for each in bought)} times,"
        f" dropped {sum(each['drops'] for each in bought)} times",
        f"first answer: median {statistics.median(told):.1f} s, last {told[-1]:.1f} s; last final one {last:.1f} s",
        f"opened {len(opened) / last:.1f} a second; PhonePe allows {allowed:.1f}; PhonePe counted: {counts}",
        *(f"{path}: {percentiles(seconds)}" for path, seconds in found["others"].items()),
        f"places held {held}, booked {sold} of {capacity}",
    ]
    print("\n   ".join(lines), flush=True)
    if len(opened) == len(bought):
        print_figure("rush used of what PhonePe allows", len(opened) / last / allowed)
        for path, seconds in found["others"].items():
            print_figure(f"rush {path} 99 % ms", at_percent(seconds, 0.99))
    else:
        print_figure("one slot: sold", held + sold)
        print_figure("one slot: last answer s", last)


def at_percent(seconds: list[float], part: float) -> float:
    """Milliseconds."""
    return sorted(seconds)[min(int(len(seconds) * part), len(seconds) - 1)] * 1000


def percentiles(seconds: list[float]) -> str:
    worst = [f"{name} {at_percent(seconds, part):.0f}" for name, part in PARTS.items()]
    return f"{len(seconds)} requests, milliseconds: {', '.join(worst)}"


if __name__ == "__main__":
    main()
