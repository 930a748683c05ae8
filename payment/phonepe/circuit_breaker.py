"""The recent failures of each endpoint, in the memory of this process."""

import threading
import time
from collections.abc import Callable, Iterable

from payment.phonepe.credentials import Endpoint

FAILURE_THRESHOLD = 3
COOLDOWN_SECONDS = 30.0


class CircuitBreaker:
    """Opens the circuit of an endpoint for 30 s after three failed connects in a row; then one caller probes it.

    An endpoint with an ambiguous attempt keeps its circuit closed, but is ordered last for as long.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: dict[Endpoint, int] = {}
        self._open_until: dict[Endpoint, float] = {}
        self._ambiguous_at: dict[Endpoint, float] = {}

    def allows(self, endpoint: Endpoint) -> bool:
        """Whether to send to it now. After the cooldown one caller is allowed, the next after another cooldown."""
        with self._lock:
            if self._failures.get(endpoint, 0) < FAILURE_THRESHOLD:
                return True
            if self._clock() < self._open_until[endpoint]:
                return False
            self._open_until[endpoint] = self._clock() + COOLDOWN_SECONDS
            return True

    def record_success(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._failures.pop(endpoint, None)

    def record_failure(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._failures[endpoint] = self._failures.get(endpoint, 0) + 1
            self._open_until[endpoint] = self._clock() + COOLDOWN_SECONDS

    def record_ambiguous(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._ambiguous_at[endpoint] = self._clock()

    def order_by_health(self, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        """The endpoint with the latest ambiguous attempt comes last. Where all have one, they alternate."""
        long_ago = self._clock() - COOLDOWN_SECONDS
        with self._lock:
            ambiguous_at = dict(self._ambiguous_at)
        return sorted(endpoints, key=lambda endpoint: max(ambiguous_at.get(endpoint, long_ago), long_ago))
