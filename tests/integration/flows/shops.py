"""A shop with its PhonePe: servers, a worker and a simulator, started together and asked about afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
import requests

from tests.harness.servers import ON_POSTGRESQL, Installation, Process, Simulator, eventually
from tests.integration.flows.customers import FRONTEND, Customer

WEBHOOK = "/api/payments/webhook/phonepe/"
needs_postgresql = pytest.mark.skipif(
    not ON_POSTGRESQL, reason="several servers need PostgreSQL: run with TEST_DATABASE=postgresql"
)


@dataclass
class Shop:
    installation: Installation
    phonepe: Simulator
    generation: str
    workers: list[Process]

    @property
    def addresses(self) -> list[str]:
        return [server.url for server in self.installation.servers]

    def customer(self, number: int = 0) -> Customer:
        """One of ten people, logged in."""
        return Customer(self.addresses, self.installation.tokens[number])

    @cached_property
    def staff(self) -> Customer:
        person = Customer(self.addresses)
        person.log_in("staff@example.com")
        return person

    def story(self, payment_id: int, kind: str = "") -> list[dict[str, Any]]:
        """What staff read about this payment: calls, webhooks, decisions, money."""
        entries = self.staff.get(f"payments/payments/{payment_id}/timeline/")["entries"]
        return [entry for entry in entries if kind in ("", entry["kind"])]

    def decided_by(self, payment_id: int) -> str:
        """Who asked PhonePe the question whose answer brought the money."""
        rules = {entry["rule"]: entry["detail"] for entry in self.story(payment_id, "decision")}
        return rules["phonepe_says_completed"]

    def orders(self) -> list[dict[str, Any]]:
        """What PhonePe knows of, the newest first."""
        return self.phonepe.control("orders/")["orders"]

    def breaks(self, operation: str, fault: str, times: int = 1, **how: Any) -> None:
        self.phonepe.control("faults/", {"operation": operation, "fault": fault, "times": times, **how})

    def has_taken_its_faults(self) -> bool:
        return not self.phonepe.control("faults/")["faults"]


@contextmanager
def open_shop(
    generation: str, servers: int = 1, workers: int = 0, first_address: str = "", **settings: Any
) -> Iterator[Shop]:
    """`first_address`: where PhonePe is looked for before it is looked for at the simulator's address."""
    wanted = {"PHONEPE_API_VERSION": generation, "FRONTEND_BASE_URL": FRONTEND}
    with Simulator() as phonepe:
        wanted["PHONEPE_BASE_URL"] = first_address or phonepe.base_url
        wanted["PHONEPE_FALLBACK_BASE_URLS"] = phonepe.base_url if first_address else ""
        with Installation(**wanted | settings) as installation:
            point_webhooks(phonepe, installation.url)
            for _ in range(servers):
                installation.serve()
            at_work = [installation.work() for _ in range(workers)]
            for server in installation.servers:
                requests.get(f"{server.url}/api/puja/categories/", timeout=30).raise_for_status()
            for worker in at_work:
                eventually(lambda worker=worker: "worker started" in worker.said, "the worker is at work")
            yield Shop(installation, phonepe, generation, at_work)


def point_webhooks(phonepe: Simulator, shop: str) -> None:
    """V1 names the address of its callback with every order; in V2 it stands in PhonePe's dashboard."""
    phonepe.control("merchants/SIMMERCHANT/", {"webhook_url": shop + WEBHOOK})
