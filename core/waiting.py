"""Waits of one request for the result of another one, bounded in number and time.

The server has few threads. So each wait takes one of the slots of this process; without a free slot the request goes on
at once with what is known. tests/unit/test_waits.py lists all waits.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TypeVar

from django.conf import settings

T = TypeVar("T")

POLL_SECONDS = 0.1
SHORT_WAIT_SECONDS = 0.3  # for a slot, where the result is hardly ever late


class WaitSlots:
    """Bounds how many threads of this process do something at once."""

    def __init__(self, count: int) -> None:
        self._free = BoundedSemaphore(count)

    @contextmanager
    def reserve(self, patience: float = 0.0) -> Iterator[bool]:
        """Yields whether a slot was free within `patience` seconds. It is released at the end of the block."""
        taken = self._free.acquire(timeout=patience) if patience else self._free.acquire(blocking=False)
        try:
            yield taken
        finally:
            if taken:
                self._free.release()


class InProgress:
    """The keys that this process works on right now, each once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._keys: set[Hashable] = set()

    def begin(self, key: Hashable) -> bool:
        """False when it is in progress already. After True, call `end`."""
        with self._lock:
            is_new = key not in self._keys
            self._keys.add(key)
            return is_new

    def end(self, key: Hashable) -> None:
        with self._lock:
            self._keys.discard(key)


# Calls to PhonePe take half of the server's threads at most (PHONEPE_CALLS_AT_ONCE), waits a quarter.
wait_slots = WaitSlots(max(settings.PHONEPE_CALLS_AT_ONCE // 2, 1))
# Threads of webhooks that poll PhonePe after their answer. Our own server knows how many threads webhooks have there.
webhook_polls = WaitSlots(max(settings.PHONEPE_CALLS_AT_ONCE // 4, 1))


def wait_for(look: Callable[[], T], seconds: float) -> T | None:
    """The first true result of `look` within `seconds`. None when there is none, or at once without a free slot."""
    end = time.monotonic() + seconds
    if found := look():
        return found
    with wait_slots.reserve() as may_wait:
        while may_wait and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
            if found := look():
                return found
    return None
