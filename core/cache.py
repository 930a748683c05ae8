"""A cache on another machine, which may go away and take nothing with it."""

import logging
import time
from typing import Any
from urllib.parse import urlsplit

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

ERRORS = (RedisError, OSError)
PATIENCE = 1  # second, for a Redis that accepts and says nothing
REST = 30  # seconds without it after it has failed: a customer waits for it once


class SharedCache(BaseCache):
    """Redis; while it does not answer, what each process remembers by itself.

    Throttles then count per process, and each process has a PhonePe token of its own: no payment fails.
    `redis` is the bare cache, for those who want to know whether it is there.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        limits = {"socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE, "retry": None}
        self.redis = RedisCache(server, {**params, "OPTIONS": {**limits, **params.get("OPTIONS", {})}})
        address = urlsplit(server)
        self.host, self.port = address.hostname or "", address.port or 6379
        self.target = f"{self.host}:{self.port}"
        self._own = LocMemCache("while-redis-is-down", params)
        self._rests_until = 0.0

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._either("get", key, default, version)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._either("add", key, value, timeout, version))

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._either("set", key, value, timeout, version)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._either("touch", key, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(self._either("delete", key, version))

    def clear(self) -> None:
        self._either("clear")

    def _either(self, method: str, *args: Any) -> Any:
        if time.monotonic() >= self._rests_until:
            try:
                return getattr(self.redis, method)(*args)
            except ERRORS as error:
                self._rest(error)
        return getattr(self._own, method)(*args)

    def _rest(self, error: Exception) -> None:
        self._rests_until = time.monotonic() + REST
        where = {"hop": "cache", "host": self.host, "port": self.port}
        logger.error("the cache does not answer", extra=where | {"error": type(error).__name__})
