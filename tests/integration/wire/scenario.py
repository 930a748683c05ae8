"""One click, or one status check, while the connection is broken in one way; and what it looks like afterwards."""

import itertools
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from django.core.cache import cache

from payment import gateways
from payment.gateways import GatewayError, current_gateway
from payment.models import GatewayCall, Payment, PaymentAttempt
from payment.phonepe import transport
from payment.phonepe.transport import Deadline, Resolver
from payment.services.attempts import TooManyAttempts
from payment.services.checkout import PaymentStart, start_payment
from payment.services.status import refresh
from tests.harness import builders
from tests.harness import network as servers
from tests.harness.certificates import Authority
from tests.harness.network import Server
from tests.harness.processes import Simulator
from tests.integration.wire.endpoints import API, HOSTS, PROXIES, FaultyEndpoint, NameService
from tests.integration.wire.expectations import EVERYTHING, FIRST, ONCE, PAY, STATUS, TOKEN, Outcome
from tests.integration.wire.faults import FaultContext, leads_to
from tests.integration.wire.rows import Case

UNHURRIED = 20
FOR_EVER = 1_000
numbers = itertools.count(1)


@dataclass(frozen=True)
class CallResult:
    """What the caller got: `told` as in `Outcome`; category and hop when it was an error of PhonePe's."""

    told: str
    seconds: float
    category: str = ""
    hop: tuple[str, int] | None = None
    started: PaymentStart | None = None


class WireScenario:
    """A customer with a cart, and PhonePe behind two hosts. Broken by `inject_fault`, whole again after `restore`."""

    def __init__(
        self, case: Case, settings: Any, stack: ExitStack, phonepe: Simulator, certificates: "Certificates"
    ) -> None:
        self.case, self.settings, self.phonepe, self._papers = case, settings, phonepe, certificates
        self._stack = stack
        self._healed = threading.Event()
        stack.callback(self._healed.set)
        self.endpoints = [
            stack.enter_context(FaultyEndpoint(phonepe.url, certificates.certificate)) for _ in HOSTS
        ]
        self.name_service = NameService()
        for host, endpoint in zip(HOSTS, self.endpoints, strict=True):
            self.name_service.knows(host, leads_to(("127.0.0.1", endpoint.port)))
        self._endpoints = HOSTS[:1] if case.where == ONCE else HOSTS
        self._configure(("",) * len(self._endpoints))
        transport.session().resolver = Resolver(self.name_service)
        self.user = builders.make_user()
        self.cart = builders.make_cart(
            self.user, builders.make_package(builders.make_service()), builders.in_days(3)
        )
        self.payment: Payment | None = None
        self._calls_before = 0

    def prepare(self) -> None:
        """What stood before the wire broke: a token; for a question, an order that was paid."""
        if self.case.operation == STATUS:
            self.sell()
        elif self.case.operation != TOKEN:
            current_gateway().order_status(f"WARMUP{next(numbers):06}", Deadline(5))
        self.forget_calls()

    def sell(self) -> None:
        """PhonePe has the money, and has not been asked."""
        self.payment = start_payment(self.user, cart_id=self.cart.pk).payment
        order = self.payment.attempts.get().merchant_order_id
        self.phonepe.control(f"orders/{order}/decide/", {"outcome": "success"})

    def forget_calls(self) -> None:
        """The calls so far; and unless the row is about them, no connection is left from better times."""
        self._calls_before = GatewayCall.objects.count()
        if not self.case.fault.kept:
            transport.session().close()

    def inject_fault(self) -> None:
        self.settings.PHONEPE_DEADLINE = self.case.deadline
        fault, where = self.case.fault, self.case.where
        times = 1 if where == ONCE else FOR_EVER
        broken = range(1) if where in (FIRST, ONCE) else range(2)
        if fault.by_proxy:
            self._configure(tuple(f"http://{name}:3128" for name in PROXIES[: len(self._endpoints)]))
        if fault.farewell is not None:
            self.endpoints[0].hangs_up(fault.farewell)  # the second has not been called yet
            return
        for position in broken:
            if fault.exchange:
                self.endpoints[position].inject_fault(fault.exchange, self._operations, times)
            else:
                names = PROXIES if fault.by_proxy else HOSTS
                self.name_service.spoil(names[position], self._spoilt(position), times)

    def restore(self) -> None:
        self._healed.set()
        self.settings.PHONEPE_DEADLINE = UNHURRIED
        self.name_service.restore()
        for endpoint in self.endpoints:
            endpoint.restore()
        if self.case.category == "RATE_LIMITED":  # the pause that PhonePe asked for is over
            gateways._gateway.cache_clear()
            cache.clear()

    def act(self) -> CallResult:
        return self.ask() if self.case.operation == STATUS else self.click()

    def click(self) -> CallResult:
        began = time.monotonic()
        try:
            started = start_payment(self.user, cart_id=self.cart.pk)
        except (GatewayError, TooManyAttempts) as error:
            seconds = time.monotonic() - began
            hop = (error.host, error.port)
            return CallResult(str(error.status_code), seconds, error.error_category, hop)
        return CallResult("page", time.monotonic() - began, started=started)

    def ask(self) -> CallResult:
        began = time.monotonic()
        payment = refresh(self.payment, self.settings.PHONEPE_DEADLINE, "test")
        told = "as it was" if payment.is_open else "paid"
        return CallResult(told, time.monotonic() - began)

    @property
    def payments(self) -> list[Payment]:
        return list(Payment.objects.filter(user=self.user).order_by("pk"))

    def outcome(self, result: CallResult) -> Outcome:
        """How it stands: in our rows and in PhonePe's accounts."""
        (payment,) = self.payments
        attempts = list(payment.attempts.order_by("number"))
        return Outcome(
            self._tries(payment),
            result.told,
            payment.state,
            " ".join(attempt.state for attempt in attempts),
            self.known(attempts),
        )

    def known(self, attempts: list[PaymentAttempt]) -> int:
        return sum(self.is_known(attempt.merchant_order_id) for attempt in attempts)

    def is_known(self, merchant_order_id: str) -> bool:
        answer = requests.get(f"{self.phonepe.url}/simulator/control/orders/{merchant_order_id}/", timeout=10)
        assert answer.status_code in (200, 404), answer.text
        return answer.status_code == 200

    def categories(self) -> set[str]:
        """What the tries that broke were called."""
        return {call.error_category for call in self._calls() if call.error_category}

    @property
    def _operations(self) -> tuple[str, ...]:
        return (
            (PAY, STATUS) if self.case.operation == EVERYTHING else tuple(self.case.operation.split(" and "))
        )

    def _calls(self) -> list[GatewayCall]:
        return list(GatewayCall.objects.order_by("pk")[self._calls_before :])

    def _tries(self, payment: Payment) -> str:
        told, number = [], 1
        for call in self._calls():
            told += ["|"] * (call.attempt.number - number)
            number = call.attempt.number
            mark = "!" if call.error_category else ""
            told.append(f"{call.operation} {HOSTS.index(call.host) + 1}{mark}")
        return " ".join(told)

    def _spoilt(self, position: int) -> Any:
        fault, good = self.case.fault, self.endpoints[position].port
        if fault.proxy:
            return leads_to(("127.0.0.1", self._stack.enter_context(Server(fault.proxy)).port))
        context = FaultContext(
            self._stack,
            self._papers.authority,
            self._papers.stranger,
            self._papers.certificate,
            HOSTS[position],
            good,
            self._healed,
        )
        return fault.name(context)

    def _configure(self, proxies: tuple[str, ...]) -> None:
        """Addresses of PhonePe in the settings, each with its way out, which for now works."""
        for name, endpoint in zip(PROXIES, self.endpoints, strict=True):
            if any(proxies):
                tunnel = self._stack.enter_context(Server(servers.tunnels(endpoint.port)))
                self.name_service.knows(name, leads_to(("127.0.0.1", tunnel.port)))
        bases = [f"https://{host}{API}" for host in self._endpoints]
        fallbacks = [f"{base}|proxy={proxy}" for base, proxy in zip(bases, proxies, strict=True)][1:]
        self.settings.PHONEPE_BASE_URL = bases[0]
        self.settings.PHONEPE_PROXY_URL = proxies[0]
        self.settings.PHONEPE_FALLBACK_BASE_URLS = fallbacks


@dataclass(frozen=True)
class Certificates:
    """`certificate` is good for both hosts; nobody trusts the `stranger`."""

    authority: Authority
    stranger: Authority
    certificate: Path
