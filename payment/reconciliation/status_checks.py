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
    """Counts status requests: `answered` and `unanswered`. `parked`: attempts whose credentials are not configured."""

    def __init__(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self.deadline = Deadline(seconds)
        self.sleep = sleep
        self.answered = self.unanswered = self._unanswered_in_a_row = 0
        self.parked: list[PaymentAttempt] = []

    def fetch_order_status(self, attempt: PaymentAttempt) -> OrderStatus | None:
        def fetch(deadline: Deadline) -> OrderStatus:
            return call_gateway(attempt, PhonePeGateway.order_status, attempt.merchant_order_id, deadline)

        return self._fetch(attempt, fetch)

    def fetch_refund_status(self, refund: Refund) -> RefundStatus | None:
        def fetch(deadline: Deadline) -> RefundStatus:
            return call_gateway(
                refund.attempt, PhonePeGateway.refund_status, refund.merchant_refund_id, deadline
            )

        return self._fetch(refund.attempt, fetch)

    def _fetch(self, attempt: PaymentAttempt, fetch: Callable[[Deadline], Answer]) -> Answer | None:
        """Customers come first: while they use all call permits, it waits. None: there is no answer."""
        if self._unanswered_in_a_row >= MAX_UNANSWERED or self.deadline.expired:
            self.unanswered += 1
            return None
        deadline = self.deadline.within(SECONDS)
        while True:
            try:
                answer = fetch(deadline)
            except NotConfigured:
                if not attempt.simulated:  # simulated money without a simulator needs no comparison
                    self.parked.append(attempt)
                return None
            except (GatewayError, Unavailable) as error:
                if isinstance(error, Unavailable) and deadline.remaining() >= PAUSE:
                    self.sleep(PAUSE)
                    continue
                self._unanswered_in_a_row += 1
                self.unanswered += 1
                return None
            self._unanswered_in_a_row = 0
            self.answered += 1
            return answer
