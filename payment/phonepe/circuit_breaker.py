"""Which endpoints have failed us lately, in this process's memory."""

import threading
import time
from collections.abc import Callable, Iterable

from payment.phonepe.credentials import Endpoint

FAILURE_THRESHOLD = 3
COOLDOWN_SECONDS = 30.0


class CircuitBreaker:
    """After three failed connects in a row an endpoint is left alone for 30 s; then one caller probes it.

    One that took a message and gave no usable answer is never left alone, but stands last for as long.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: dict[Endpoint, int] = {}
        self._rests_until: dict[Endpoint, float] = {}
        self._doubted_at: dict[Endpoint, float] = {}

    def allows(self, endpoint: Endpoint) -> bool:
        """Whether to try it now. A rest that is over allows one caller, and the next after another rest."""
        with self._lock:
            if self._failures.get(endpoint, 0) < FAILURE_THRESHOLD:
                return True
            if self._clock() < self._rests_until[endpoint]:
                return False
            self._rests_until[endpoint] = self._clock() + COOLDOWN_SECONDS
            return True

    def record_success(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._failures.pop(endpoint, None)

    def record_failure(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._failures[endpoint] = self._failures.get(endpoint, 0) + 1
            self._rests_until[endpoint] = self._clock() + COOLDOWN_SECONDS

    def record_ambiguous(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._doubted_at[endpoint] = self._clock()

    def order_by_health(self, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        """The latest doubt at the very end: where nobody gives usable answers, they take turns."""
        long_ago = self._clock() - COOLDOWN_SECONDS
        with self._lock:
            doubts = dict(self._doubted_at)
        return sorted(endpoints, key=lambda endpoint: max(doubts.get(endpoint, long_ago), long_ago))
