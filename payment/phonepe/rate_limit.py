"""The pause after PhonePe's 429, for all processes: PhonePe counts the requests of a merchant, not those of a process.

The memory of the process and the shared cache hold its end. Without the cache each process needs a 429 of its own.
"""

import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from django.core.cache import cache
from django.db import DatabaseError

from payment.phonepe.credentials import Merchant

logger = logging.getLogger(__name__)

# Without a `Retry-After`; doubled while a 429 follows within a minute of the last pause.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, QUIET_SECONDS = 1.0, 60.0, 60.0
LONGEST_RETRY_AFTER = 300.0  # a longer one, perhaps mistaken, must not stop all payments of a day
SECONDS_BETWEEN_READS = 1.0  # of the cache, which is a table by default


class PauseCache(Protocol):
    """The cache through which processes share a pause."""

    def get(self, key: str, /) -> Any: ...

    def set(self, key: str, value: Any, seconds: int, /) -> Any: ...


class RateLimit:
    """`clock` is monotonic, of this process; `now` gives seconds since 1970, for the other processes."""

    def __init__(
        self,
        merchant: Merchant,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        store: PauseCache = cache,
    ) -> None:
        self._key = "phonepe-pause:" + hashlib.sha256(str(merchant.identity).encode()).hexdigest()
        self._clock, self._now, self._store = clock, now, store
        self._writer = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._until = self._read_again_at = float("-inf")  # on `clock`
        self._pause = FIRST_PAUSE_SECONDS

    def seconds_left(self) -> float:
        """Until a request may be sent; 0.0 when none has to wait."""
        with self._lock:
            must_read = self._clock() >= self._read_again_at
            if must_read:
                self._read_again_at = self._clock() + SECONDS_BETWEEN_READS
        shared = self._read() if must_read else 0.0
        with self._lock:
            self._until = max(self._until, self._clock() + shared) if shared else self._until
            return max(self._until - self._clock(), 0.0)

    def record(self, retry_after: float | None) -> None:
        """PhonePe has answered 429. Requests that were under way meanwhile do not make a pause longer."""
        with self._lock:
            since = self._clock() - self._until
            if retry_after is None:
                if since < 0:
                    return
                is_again = since < QUIET_SECONDS
                self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS) if is_again else FIRST_PAUSE_SECONDS
            seconds = self._pause if retry_after is None else min(retry_after, LONGEST_RETRY_AFTER)
            if seconds <= -since:
                return
            self._until = self._clock() + seconds
        logger.warning("PhonePe limits our requests", extra={"hop": "phonepe", "seconds": seconds})
        try:
            self._store.set(self._key, (self._now() + seconds, self._writer), int(seconds) + 1)
        except DatabaseError:
            logger.warning("the cache does not answer; other processes do not hear of PhonePe's limit")

    def _read(self) -> float:
        """Seconds left of a pause that another process has written. Our own is in the memory."""
        try:
            stored = self._store.get(self._key)
        except DatabaseError:
            return 0.0
        if not stored or stored[1] == self._writer:
            return 0.0
        return float(min(max(stored[0] - self._now(), 0.0), LONGEST_RETRY_AFTER))
