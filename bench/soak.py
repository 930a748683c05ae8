"""Memory of web processes: `TEST_DATABASE=postgresql python -m bench.soak [MINUTES] [REQUESTS]`, 60 for the full one.

Two preloaded processes answer REQUESTS (5,000), then go on for MINUTES (1). PSS is asked of the kernel: what processes
share counts in parts. Catalogue, health, donations that are opened at `bench.phonepe_stub`.
"""

import os
import sys
import threading
import time
from pathlib import Path

import requests

from bench.figures import print_figure
from bench.rush import CATALOGUE, HEALTH, serve, shop
from tests.harness import environment
from tests.harness.installation import Installation

CALLERS, SERVERS = 4, 2
DONATION = ("POST", "/api/payments/payments/process-cart/", {"amount": "101.00"})
CALLS = [("GET", HEALTH, None), ("GET", CATALOGUE, None), ("GET", "/api/puja/categories/", None), DONATION]


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 1
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
    with shop(0.02, LOG_LEVEL="ERROR") as (installation, _):
        url = serve(installation, SERVERS)
        requests.get(url + CATALOGUE, timeout=60).raise_for_status()
        print(f"after the start: {shares(installation)}")
        answered = load(url, requests_left=count)
        print(f"after {answered} requests: {shares(installation)}", flush=True)
        began = print_largest(installation, f"MB of a web process after {count} requests")
        end = time.monotonic() + minutes * 60
        while (left := end - time.monotonic()) > 0:
            answered += load(url, seconds=min(left, max(minutes * 10, 10)))
            print(
                f"after {answered} requests: {shares(installation)}, load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        ended = print_largest(installation, f"MB of a web process after {minutes:.0f} minutes more")
        print_figure("MB it has grown meanwhile", ended - began)
    environment.end()


def load(url: str, seconds: float = 3_600, requests_left: int = sys.maxsize) -> int:
    """How many requests were answered."""
    end, lock, done = time.monotonic() + seconds, threading.Lock(), 0

    def call() -> None:
        nonlocal done
        with requests.Session() as session:
            while time.monotonic() < end:
                with lock:
                    if done >= requests_left:
                        return
                    done += 1
                    method, path, body = CALLS[done % len(CALLS)]
                session.request(method, url + path, json=body, timeout=60).raise_for_status()

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return done


def shares(installation: Installation) -> str:
    [master] = installation._processes
    sizes = [f"{pss(pid):.0f} MB" for pid in (master._popen.pid, *master.children)]
    return f"master {sizes[0]}, processes {', '.join(sizes[1:])}"


def print_largest(installation: Installation, name: str) -> float:
    [master] = installation._processes
    largest = max(pss(pid) for pid in master.children)
    print_figure(name, largest)
    return largest


def pss(pid: int) -> float:
    """Megabytes of a process, and its part of what it shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
