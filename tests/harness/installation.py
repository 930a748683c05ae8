"""One way to start an installation: settings, a database of its own, processes, ports, and PhonePe beside it."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from typing import Any, TypeVar

import requests

from tests.harness import ROOT
from tests.harness.customers import FRONTEND, Customer
from tests.harness.databases import query, seed, seeded_database
from tests.harness.processes import (
    Process,
    RestartableProcess,
    Server,
    Simulator,
    address_of,
    eventually,
    listening,
    process_environment,
)

WEBHOOK = "/api/payments/webhook/phonepe/"
P = TypeVar("P", bound=Process | RestartableProcess)


class Installation:
    """A seeded database, the settings for it, and the processes that run over it.

    The first server has the URL that PhonePe sends customers and webhooks to. `code`: where the processes find theirs;
    the database is migrated by the code of this repository.
    """

    code = ROOT

    def __init__(self, database_url: str = "", customers: int = 10, **settings: Any) -> None:
        """Without `database_url`: a new database with ten customers."""
        self._stack = ExitStack()
        self._listener = self._stack.enter_context(listening())
        self.url = settings.setdefault("PUBLIC_BASE_URL", address_of(self._listener))
        self.servers: list[Server] = []
        self.workers: list[Process] = []
        self._processes: list[Process | RestartableProcess] = []
        environment = partial(process_environment, **settings)
        if database_url:
            self.tokens = seed(environment(DATABASE_URL=database_url), customers)
        else:
            database_url, self.tokens = self._stack.enter_context(seeded_database())
        self.database_url = database_url
        self.environment = environment(DATABASE_URL=database_url)

    def __enter__(self) -> "Installation":
        return self

    def __exit__(self, *failure: object) -> None:
        for process in self._processes:
            process.ask_to_end()  # all of them first: they end side by side
        for process in self._processes:
            self._stack.callback(process.stop)
        self._stack.close()

    def serve(self, *application: str) -> Server:
        listener = self._stack.enter_context(listening()) if self.servers else self._listener
        server = Server(listener, self.environment, *application, code=self.code)
        self.servers.append(server)
        return self.keep(server)

    def work(self, interval: float = 0.2) -> Process:
        """`interval`: seconds between two looks for work; most of a worker's time is spent on them."""
        worker = Process(
            *("worker", "manage.py", "work", "--interval", f"{interval}"),
            environment=self.environment,
            code=self.code,
        )
        self.workers.append(worker)
        return self.keep(worker)

    def serve_and_work(self) -> Process:
        """`manage.py serve`, which opens the port of `url` itself, and ends its children when it is told to."""
        self._listener.close()
        port = self.url.rpartition(":")[2]
        return self.keep(
            Process(
                *("serve", "manage.py", "serve", "--port", port),
                environment=self.environment,
                death_signal=signal.SIGTERM,
            )
        )

    def keep(self, process: P) -> P:
        """Ends it with the installation."""
        self._processes.append(process)
        return process

    def query(self, statement: str) -> list[Any]:
        """SQL, as the person on call would type it."""
        return query(self.database_url, statement)

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    def customer(self, number: int = 0) -> Customer:
        """One of ten people, logged in."""
        return Customer(self.urls, self.tokens.customers[number])

    @cached_property
    def staff(self) -> Customer:
        person = Customer(self.urls)
        person.log_in("staff@example.com")
        return person

    def timeline(self, payment_id: int, kind: str = "") -> list[dict[str, Any]]:
        """What staff read about this payment: calls, webhooks, decisions, money."""
        entries = self.staff.get(f"payments/payments/{payment_id}/timeline/")["entries"]
        return [entry for entry in entries if kind in ("", entry["kind"])]

    def decided_by(self, payment_id: int) -> str:
        """Which status check brought the money."""
        rules = {entry["rule"]: entry["detail"] for entry in self.timeline(payment_id, "decision")}
        return rules["phonepe_says_completed"]


class InstallationWithPhonePe(Installation):
    def __init__(self, generation: str, phonepe: Simulator, **settings: Any) -> None:
        super().__init__(PHONEPE_API_VERSION=generation, **settings)
        self.generation, self.phonepe = generation, phonepe


@contextmanager
def start_installation(
    generation: str, servers: int = 1, workers: int = 0, first_address: str = "", **settings: Any
) -> Iterator[InstallationWithPhonePe]:
    """`first_address`: the first endpoint of PhonePe, before the simulator's own."""
    with Simulator() as phonepe:
        wanted = {
            "FRONTEND_BASE_URL": FRONTEND,
            "PHONEPE_BASE_URL": first_address or phonepe.base_url,
            "PHONEPE_FALLBACK_BASE_URLS": phonepe.base_url if first_address else "",
        }
        with InstallationWithPhonePe(generation, phonepe, **wanted | settings) as installation:
            phonepe.send_webhooks_to(installation.url + WEBHOOK)
            for _ in range(servers):
                installation.serve()
            for _ in range(workers):
                installation.work()
            for url in installation.urls:
                requests.get(f"{url}/api/puja/categories/", timeout=30).raise_for_status()
            for worker in installation.workers:
                eventually(lambda worker=worker: "worker started" in worker.output, "the worker has started")
            yield installation
