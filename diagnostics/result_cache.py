"""The shared cache, or, while it fails, a cache of this process.

The shared cache may be a table of the database that is being diagnosed: no answer may depend on it or wait long for it.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import DatabaseError, InterfaceError

from diagnostics.parallel import begin, result
from payment.phonepe.transport import Deadline

try:
    from redis.exceptions import RedisError
except ImportError:  # installed only where CACHE_URL asks for it
    RedisError = OSError  # type: ignore[assignment, misc]

CACHE_ERRORS = (DatabaseError, InterfaceError, OSError, RedisError)
TIMEOUT = 1.5  # seconds
RETRY_AFTER = 30  # seconds without the shared cache after it has failed: a caller waits for it once at most
FAILED = "shared-cache-rests"

T = TypeVar("T")
own = LocMemCache("diagnosis", {})


def add(key: str, value: Any, seconds: int) -> bool:
    """True for the first caller of all processes only."""
    return _shared_or_own(lambda store: store.add(key, value, seconds))


def get(key: str, default: Any = None) -> Any:
    return _shared_or_own(lambda store: store.get(key, default))


def set(key: str, value: Any, seconds: int) -> None:
    _shared_or_own(lambda store: store.set(key, value, seconds))


def delete(key: str) -> None:
    _shared_or_own(lambda store: store.delete(key))


def _shared_or_own(use: Callable[[Any], T]) -> T:
    if own.get(FAILED):
        return use(own)
    try:
        return result(begin(functools.partial(use, cache), CACHE_ERRORS), Deadline(TIMEOUT))
    except CACHE_ERRORS:  # a cache that does not answer in time is a TimeoutError, hence an OSError
        own.set(FAILED, True, RETRY_AFTER)
        return use(own)
