"""Two web processes and two workers are restarted one after the other while people pay, as `okpuja-upgrade` does it.

    make rolling-restart [ROUNDS=2]

nginx is in front with the limits and the proxy rules of deploy/vps. The sockets stay open while the process behind them
is started again, as systemd keeps them. Ends with 0 only when no request failed and no payment is lost.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import requests

from tests.harness import ROOT, environment, invariants
from tests.harness.customers import Customer, pay
from tests.harness.databases import ON_POSTGRESQL
from tests.harness.forwarder import free_port
from tests.harness.installation import WEBHOOK, Installation
from tests.harness.processes import Process, Simulator, eventually

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PEOPLE = 10
GUNICORN = "-m gunicorn okpuja.wsgi --config python:okpuja.gunicorn_config --threads 8 --graceful-timeout 45"


class Web:
    """As the units of deploy/vps: a socket that outlives the process, which gets it as file descriptor 3."""

    def __init__(self, number: int, settings: dict[str, str]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._name, self._settings = f"web-{number}", settings
        self.start()

    def start(self) -> None:
        shell = f"LISTEN_PID=$$ LISTEN_FDS=1 exec {sys.executable} {GUNICORN} 3<&{self._listener.fileno()}"
        descriptor = self._listener.fileno()
        self.process = Process(
            self._name, "-c", _EXEC, shell, environment=self._settings, pass_fds=(descriptor,)
        )

    def restart(self) -> None:
        self.process.stop()
        self.start()
        eventually(lambda: is_ready(f"http://{self.address}"), "it is ready")


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=30).ok
    except requests.RequestException:
        return False


# The harness starts Python; a shell sets the process's own id, as systemd does.
_EXEC = "import os, sys; os.execv('/bin/sh', ['sh', '-c', sys.argv[1]])"


def rolling_restart(rounds: int) -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="okpuja-rolling-")))
        phonepe = stack.enter_context(Simulator())
        url = f"http://127.0.0.1:{free_port()}"
        shop = stack.enter_context(
            Installation(
                customers=PEOPLE,
                PUBLIC_BASE_URL=url,
                NUM_PROXIES=1,
                PHONEPE_API_VERSION="v2",
                PHONEPE_BASE_URL=phonepe.base_url,
                PHONEPE_CALLS_AT_ONCE=8,
                LOG_LEVEL="WARNING",
            )
        )
        webs = [Web(number, shop.environment) for number in range(2)]
        for web in webs:
            stack.callback(lambda web=web: web.process.stop())
        workers = [shop.work() for _ in range(2)]
        nginx(folder, url, [web.address for web in webs], stack)
        eventually(lambda: is_ready(url), "the shop is open")
        phonepe.send_webhooks_to(url + WEBHOOK)

        answers: Counter[int | str] = Counter()
        started: list[int] = []
        over = threading.Event()
        people = [
            threading.Thread(target=buy, args=(url, token, answers, started, over), daemon=True)
            for token in shop.tokens.customers
        ]
        for person in people:
            person.start()
        time.sleep(3)
        for _ in range(rounds):
            for web in webs:
                web.restart()
            for number, worker in enumerate(workers):
                worker.stop()
                workers[number] = shop.work()
        over.set()
        for person in people:
            person.join(timeout=60)

        def unfinished() -> list[int]:
            paid = shop.query("SELECT id FROM payment_payment WHERE fulfilment = 'GIFT'")
            return sorted(set(started) - {row[0] for row in paid})

        eventually(lambda: not unfinished(), "each payment has arrived")
        broken = invariants.violations(shop.query, invariants.LAWS)
        failed = sum(count for status, count in answers.items() if status not in (200, 201, 302, 303))
        restarts = f"{2 * rounds} restarts of web processes, {2 * rounds} of workers"
        sys.stdout.write(
            f"{restarts}: requests {sum(answers.values())}, failed {failed} {dict(answers)}, "
            f"payments {len(started)}, lost {len(unfinished())}, laws broken {len(broken)}\n"
        )
        return 1 if failed or broken or not started else 0


def buy(url: str, token: str, answers: Counter, started: list[int], over: threading.Event) -> None:
    """One person gives and pays, again and again, and looks at their payments. Donations never run out of places."""
    person = Customer([url], token)
    while not over.is_set():
        try:
            looked = person.call("GET", "payments/payments/")
            answers[looked.status_code] += 1
            answer = person.post("payments/payments/process-cart/", {"amount": "101.00"})
            answers[answer.status_code] += 1
            if answer.status_code == 201:
                pay(answer.json()["payment_url"])
                started.append(answer.json()["payment_id"])
        except (requests.RequestException, AssertionError) as error:
            answers[type(error).__name__] += 1
        over.wait(0.3)


def nginx(folder: Path, url: str, addresses: list[str], stack: ExitStack) -> None:
    vps = ROOT / "deploy/vps/nginx"
    limits = (
        (vps / "okpuja-limits.conf").read_text().replace("50r/s", "5000r/s")
    )  # all people have one address
    for placed, address in zip(("127.0.0.1:8001", "127.0.0.1:8002"), addresses, strict=True):
        limits = limits.replace(placed, address)
    temp = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nuser root;\npid {folder}/pid;\nerror_log {folder}/error.log;\nworker_processes 1;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temp}{limits}\n"
        f"server {{ listen {url.removeprefix('http://')}; proxy_read_timeout 40s;\n"
        f"location / {{ include {vps}/okpuja-proxy.conf; proxy_pass http://okpuja; }} }}\n}}\n"
    )
    process = subprocess.Popen(
        [str(NGINX), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf", "-p", folder]
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    wanted = parser.parse_args()
    if NGINX is None or not ON_POSTGRESQL:
        sys.stdout.write(
            "NOT RUN: it needs nginx (Debian: apt-get install nginx) and TEST_DATABASE=postgresql\n"
        )
        return 2
    return rolling_restart(wanted.rounds)


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        environment.end()
