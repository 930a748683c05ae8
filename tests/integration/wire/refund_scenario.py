"""A refund, sent through the gateway while the connection to PhonePe is broken."""

import time
from collections.abc import Callable

import requests

from payment.gateways import GatewayError, HttpAttempt, RefundOrder, RefundStatus, current_gateway
from payment.models import Payment, PaymentAttempt
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.transport import Deadline
from tests.integration.wire.endpoints import HOSTS
from tests.integration.wire.expectations import REFUND_STATUS
from tests.integration.wire.scenario import CallResult, WireScenario, numbers

TOLD = {
    ProviderStatus.NOT_FOUND: "not found",
    ProviderStatus.UNKNOWN: "unclear",
    ProviderStatus.FAILED: "failed",
}


class RefundScenario(WireScenario):
    refund: RefundOrder
    tries: tuple[HttpAttempt, ...] = ()

    def prepare(self) -> None:
        """A booked payment; for a question, a refund that was sent."""
        self.sell()
        assert self.ask().told == "paid"
        attempt = self.payment.attempts.get()
        self.refund = RefundOrder(
            f"REFUND{next(numbers):06}",
            attempt.merchant_order_id,
            attempt.amount_paise,
            f"U{self.user.pk}",
            self.settings.PUBLIC_BASE_URL,
        )
        if self.case.operation == REFUND_STATUS:
            assert self.send().told == "known"
        self.forget_calls()

    def act(self) -> CallResult:
        return self.ask_about_refund() if self.case.operation == REFUND_STATUS else self.send()

    def send(self) -> CallResult:
        return self._caught(lambda deadline: current_gateway().refund(self.refund, deadline))

    def ask_about_refund(self) -> CallResult:
        refund_id = self.refund.merchant_refund_id
        return self._caught(lambda deadline: current_gateway().refund_status(refund_id, deadline))

    def sent_back(self) -> list[int]:
        """The paise of each refund in PhonePe's accounts."""
        order = requests.get(
            f"{self.phonepe.url}/simulator/control/orders/{self.refund.merchant_order_id}/", timeout=10
        )
        return [refund["amount_paise"] for refund in order.json()["refunds"]]

    def known(self, attempts: list[PaymentAttempt]) -> int:
        return len(self.sent_back())

    def categories(self) -> set[str]:
        return {each.error_category for each in self.tries if each.error_category}

    def _tries(self, payment: Payment) -> str:
        marks = ((each, "!" if each.error_category else "") for each in self.tries)
        return " ".join(f"{each.operation} {HOSTS.index(each.host) + 1}{mark}" for each, mark in marks)

    def _caught(self, call: Callable[[Deadline], RefundStatus]) -> CallResult:
        began = time.monotonic()
        try:
            status = call(Deadline(self.settings.PHONEPE_DEADLINE))
        except GatewayError as error:
            self.tries, hop = error.http_attempts, (error.host, error.port)
            return CallResult(str(error.status_code), time.monotonic() - began, error.error_category, hop)
        self.tries = status.http_attempts
        return CallResult(TOLD.get(status.state, "known"), time.monotonic() - began)
