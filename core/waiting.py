"""The one place where a request waits for somebody else.

A thread that waits is lost to everybody else, and the server has few. So every wait takes one of the places of this
process; whoever finds none goes on at once with what is known now. tests/unit/test_waits.py lists all waits.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TypeVar

from django.conf import settings

T = TypeVar("T")

PAUSE = 0.1  # seconds between two looks
BRIEFLY = 0.3  # seconds for a place, where what is waited for is hardly ever late


class Places:
    """How many threads of this process may do something at once."""

    def __init__(self, count: int) -> None:
        self._free = BoundedSemaphore(count)

    @contextmanager
    def take(self, patience: float = 0.0) -> Iterator[bool]:
        """Whether there was a place, within `patience` seconds. It is free again at the end of the block."""
        taken = self._free.acquire(timeout=patience) if patience else self._free.acquire(blocking=False)
        try:
            yield taken
        finally:
            if taken:
                self._free.release()


class UnderWay:
    """What this process is doing right now, each thing once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._keys: set[Hashable] = set()

    def begin(self, key: Hashable) -> bool:
        """False when it is under way already. Who is told True calls `end`."""
        with self._lock:
            is_new = key not in self._keys
            self._keys.add(key)
            return is_new

    def end(self, key: Hashable) -> None:
        with self._lock:
            self._keys.discard(key)


# Calls to PhonePe take half of the server's threads at most (PHONEPE_CALLS_AT_ONCE), waits a quarter.
places = Places(max(settings.PHONEPE_CALLS_AT_ONCE // 2, 1))


def wait_for(look: Callable[[], T], seconds: float) -> T | None:
    """What `look` finds within `seconds`; None when it finds nothing, or at once when all places are taken."""
    end = time.monotonic() + seconds
    if found := look():
        return found
    with places.take() as may_wait:
        while may_wait and time.monotonic() < end:
            time.sleep(PAUSE)
            if found := look():
                return found
    return None
