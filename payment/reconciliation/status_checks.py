"""Polls PhonePe about a whole day: one status request after the other, within a deadline.

Each request is recorded as every call to PhonePe is; nothing else is written here.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from core.errors import Unavailable
from payment.gateways import GatewayError, OrderStatus, PhonePeGateway, RefundStatus
from payment.models import PaymentAttempt, Refund
from payment.phonepe.credentials import NotConfigured
from payment.phonepe.transport import Deadline
from payment.services.gateway_calls import call_gateway

SECONDS = 15  # for one status request
MAX_UNANSWERED = 5  # after so many requests in a row without an answer, no more are sent
PAUSE = 0.2

Answer = TypeVar("Answer", OrderStatus, RefundStatus)


class StatusChecks:
    """`asked` were answered; what was not, is counted in `unanswered`, or stands in `parked` for want of keys."""

    def __init__(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self.deadline = Deadline(seconds)
        self.sleep = sleep
        self.asked = self.unanswered = self._silent = 0
        self.parked: list[PaymentAttempt] = []

    def about_order(self, attempt: PaymentAttempt) -> OrderStatus | None:
        def ask(deadline: Deadline) -> OrderStatus:
            return call_gateway(attempt, PhonePeGateway.order_status, attempt.merchant_order_id, deadline)

        return self._answered(attempt, ask)

    def about_refund(self, refund: Refund) -> RefundStatus | None:
        def ask(deadline: Deadline) -> RefundStatus:
            return call_gateway(
                refund.attempt, PhonePeGateway.refund_status, refund.merchant_refund_id, deadline
            )

        return self._answered(refund.attempt, ask)

    def _answered(self, attempt: PaymentAttempt, ask: Callable[[Deadline], Answer]) -> Answer | None:
        if self._silent >= MAX_UNANSWERED or self.deadline.expired:
            self.unanswered += 1
            return None
        try:
            answer = self._wait_for_permit(ask, self.deadline.within(SECONDS))
        except NotConfigured:
            self._park(attempt)
            return None
        except (GatewayError, Unavailable):
            self._silent += 1
            self.unanswered += 1
            return None
        self._silent = 0
        self.asked += 1
        return answer

    def _wait_for_permit(self, ask: Callable[[Deadline], Answer], deadline: Deadline) -> Answer:
        """Customers come first: while they use all call permits, we wait. Raises NO_ANSWER."""
        while True:
            try:
                return ask(deadline)
            except Unavailable:
                if deadline.remaining() < PAUSE:
                    raise
                self.sleep(PAUSE)

    def _park(self, attempt: PaymentAttempt) -> None:
        """Simulated money without a simulator needs no comparison."""
        if not attempt.simulated:
            self.parked.append(attempt)
