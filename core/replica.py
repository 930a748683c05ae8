"""Reports that read a copy of the database: DATABASE_REPLICA_URL, a standby that may be some moments behind.

Only what is read inside of `reading_replica` goes there. Payments read and write the database itself.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS

REPLICA = "replica"
Line = TypeVar("Line")
_reading: ContextVar[bool] = ContextVar("reading_replica", default=False)


class Router:
    """Of settings.DATABASE_ROUTERS, where a replica is set."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return REPLICA if _reading.get() else DEFAULT_DB_ALIAS

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True  # both are rows of one database

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == DEFAULT_DB_ALIAS


@contextmanager
def reading_replica() -> Iterator[None]:
    """Queries are sent when their rows are read: that has to happen inside."""
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


def lines_of_replica(lines: Iterable[Line]) -> Iterator[Line]:
    """Of a generator that reads while its caller does other things in between."""
    lines = iter(lines)
    while True:
        with reading_replica():
            try:
                line = next(lines)
            except StopIteration:
                return
        yield line
