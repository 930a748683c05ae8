"""A cache in Redis that falls back to the memory of the process while Redis does not answer."""

import logging
import time
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

ERRORS = (RedisError, OSError)
TIMEOUT_SECONDS = 1  # for a Redis that accepts connections and does not answer
MOST_IN_MEMORY = 100_000  # keys; beyond it Django lets some go
BACKOFF_SECONDS = 30  # without Redis after a failure, so that one customer waits for it and not all


class SharedCache(BaseCache):
    """Redis, or the memory of this process while Redis does not answer.

    Each process then fetches its own PhonePe token: no payment fails. Rates and guesses are not counted here.
    `redis` is the cache without the fallback, for the diagnosis.
    """

    # By server, for the process: Django makes a cache for each thread, and one wait is enough for all of them.
    _retry_at: ClassVar[dict[str, float]] = {}

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        limits = {"socket_connect_timeout": TIMEOUT_SECONDS, "socket_timeout": TIMEOUT_SECONDS, "retry": None}
        self.redis = RedisCache(server, {**params, "OPTIONS": {**limits, **params.get("OPTIONS", {})}})
        address = urlsplit(server)
        self._server = server
        self.host, self.port = address.hostname or "", address.port or 6379
        self.target = f"{self.host}:{self.port}"
        self._local = LocMemCache(
            "while-redis-is-down", {**params, "OPTIONS": {"MAX_ENTRIES": MOST_IN_MEMORY}}
        )

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._call("get", key, default, version)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._call("add", key, value, timeout, version))

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._call("set", key, value, timeout, version)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._call("touch", key, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(self._call("delete", key, version))

    def clear(self) -> None:
        self._call("clear")

    def _call(self, method: str, *args: Any) -> Any:
        if time.monotonic() >= self._retry_at.get(self._server, 0.0):
            try:
                return getattr(self.redis, method)(*args)
            except ERRORS as error:
                self._retry_at[self._server] = time.monotonic() + BACKOFF_SECONDS
                where = {"hop": "cache", "host": self.host, "port": self.port}
                logger.error("the cache does not answer", extra=where | {"error": type(error).__name__})
        return getattr(self._local, method)(*args)
