"""Nothing that may be broken makes a diagnosis wait: tasks in threads until a deadline, and a cache that falls back.

The threads are daemons. An executor would join its threads when the process ends, and one of ours may be inside a
`getaddrinfo` that never returns.
"""

import contextvars
import functools
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any, TypeVar

from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from diagnostics.load import note_own_limit
from payment.phonepe.transport import Deadline

T = TypeVar("T")
Expected = tuple[type[Exception], ...]

CACHE_TIMEOUT = 1.5  # seconds
CACHE_RETRY_AFTER = (
    30  # seconds without the shared cache after it has failed: a caller waits for it once at most
)
SHARE_OF_LOCKS = 0.9  # of the time of a task: what it found out about a lock still counts
MAY_BE_OWN_LIMITS = (OSError, RuntimeError, MemoryError, DatabaseError, InterfaceError)
FAILED, DATABASE_FAILED = "shared-cache-failed", "database-failed"


def cache_errors() -> Expected:
    """What a failing cache raises. redis is loaded with its cache only: it takes a tenth of a second of each start."""
    errors = (DatabaseError, InterfaceError, OSError)
    redis = sys.modules.get("redis.exceptions")
    return (*errors, redis.RedisError) if redis else errors


class ThreadDied(RuntimeError):
    """A bug ended the thread, which has printed its traceback. It must not pass for a dependency that is silent."""


def begin(task: Callable[[], T], deadline: Deadline, expected: Expected = ()) -> "futures.Future[T]":
    """`expected`: what the task may raise; `result` raises it again. `deadline`: for waits for locks.

    A task that ends for want of files, threads or memory has not come back: `result` raises TimeoutError.
    """
    future: futures.Future[T] = futures.Future()
    locks = deadline.within(deadline.remaining() * SHARE_OF_LOCKS)

    def run() -> None:
        try:
            for each in connections.all():
                _limit_lock_waits(each, locks)
            future.set_result(task())
        except expected as error:
            future.set_exception(error)
        except MAY_BE_OWN_LIMITS as error:
            if not note_own_limit(error):
                raise
            future.set_exception(TimeoutError(str(error)))
        finally:
            future.cancel()  # callers that wait get ThreadDied; a result that is set stays
            connections.close_all()

    context = contextvars.copy_context()  # log lines of the thread keep the id of the request
    try:
        threading.Thread(target=context.run, args=(run,), name="diagnosis", daemon=True).start()
    except RuntimeError as error:
        note_own_limit(error)
        future.set_exception(TimeoutError(str(error)))  # callers do without, as if it had not come back
    return future


def _limit_lock_waits(connection: BaseDatabaseWrapper, deadline: Deadline) -> None:
    """SQLite only: PostgreSQL has `lock_timeout`, and nobody waits for a thread that waits for it.

    A thread that waits for SQLite's lock holds the mutex of its connection. Python frees cursors of that connection in
    any thread that collects garbage, and that thread then waits as long, with all others behind it (the GIL).
    """
    if connection.vendor != "sqlite":
        return
    options = connection.settings_dict["OPTIONS"]
    longest = min(options.get("timeout", 5.0), deadline.remaining())
    connection.settings_dict = connection.settings_dict | {"OPTIONS": options | {"timeout": longest}}

    def execute_in_time(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        seconds = min(longest, deadline.remaining())
        context["connection"].connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
        return execute(sql, params, many, context)

    connection.execute_wrappers.append(execute_in_time)


def call_cache(store: Any, method: str, *args: Any) -> Any:
    """Django's cache in a table takes a lock for "somebody else was first": here such an error is raised."""
    errors: list[OperationalError] = []

    def remember(execute: Callable[..., Any], *statement: Any) -> Any:
        try:
            return execute(*statement)
        except OperationalError as error:
            errors.append(error)
            raise

    with connection.execute_wrapper(remember):
        found = getattr(store, method)(*args)
    if errors:
        raise errors[0]
    return found


def result(future: "futures.Future[T]", deadline: Deadline) -> T:
    """What the task returned, or raised as expected. Raises TimeoutError when it is late, ThreadDied after a bug."""
    try:
        return future.result(deadline.remaining())
    except futures.TimeoutError:
        raise TimeoutError from None
    except futures.CancelledError:
        raise ThreadDied from None


def side_by_side(tasks: Sequence[Callable[[], T]], deadline: Deadline) -> list[T | None]:
    """The results in the order of the tasks; None for one that did not end in time."""
    results: list[T | None] = []
    for future in [begin(task, deadline) for task in tasks]:
        try:
            results.append(result(future, deadline))
        except TimeoutError:
            results.append(None)
    return results


class FallbackCache:
    """The shared cache, or, while it fails, `own`, a cache of this process.

    The shared cache may be a table of the database that is being diagnosed: no answer may depend on it or wait long.
    """

    def __init__(self) -> None:
        self.own = LocMemCache("diagnosis", {})

    def add(self, key: str, value: Any, seconds: int) -> bool:
        """True for the first caller of all processes only."""
        return bool(self._use("add", key, value, seconds))

    def get(self, key: str, default: Any = None) -> Any:
        return self._use("get", key, default)

    def set(self, key: str, value: Any, seconds: int) -> None:
        self._use("set", key, value, seconds)

    def delete(self, key: str) -> None:
        self._use("delete", key)

    def _use(self, method: str, *args: Any) -> Any:
        if self.own.get(FAILED) or (
            self.own.get(DATABASE_FAILED) and isinstance(caches["default"], DatabaseCache)
        ):
            return getattr(self.own, method)(*args)
        try:
            store = caches["default"]  # loads the cache, and redis with it, before its errors are named
            bare = getattr(
                store, "redis", store
            )  # ours would fall back without a word, each thread by itself
            deadline = Deadline(CACHE_TIMEOUT)
            task = begin(functools.partial(call_cache, bare, method, *args), deadline, cache_errors())
            return result(task, deadline)
        except cache_errors():  # a cache that does not answer in time is a TimeoutError, hence an OSError
            self.own.set(FAILED, True, CACHE_RETRY_AFTER)
            return getattr(self.own, method)(*args)


result_cache = FallbackCache()


def from_database(
    task: Callable[[], T], expected: Expected = (), *, even_if_failed: bool = False
) -> T | None:
    """What the task returned, or raised as expected; None while the database fails or does not answer in time.

    `even_if_failed`: it is tried although the database has failed a moment ago.
    """
    if result_cache.own.get(DATABASE_FAILED) and not even_if_failed:
        return None
    errors = (DatabaseError, InterfaceError, OSError)
    deadline = Deadline(CACHE_TIMEOUT)
    try:
        return result(begin(task, deadline, (*errors, *expected)), deadline)
    except errors:
        result_cache.own.set(DATABASE_FAILED, True, CACHE_RETRY_AFTER)
        return None
