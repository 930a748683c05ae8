"""Our own hops: database and cache. A refusal of one of these has nothing to do with PhonePe."""

import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from django.conf import settings
from django.core.cache import cache as django_cache
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from core.errors import is_busy
from core.logging import redact
from diagnostics.result_cache import CACHE_ERRORS

DATABASE_ERRORS = (DatabaseError, InterfaceError)
CONNECT_SECONDS = 5
DATABASE_CACHE = "DatabaseCache"  # the target of a cache that is a table
# Their checks only read rows, or ask an address of ours that may not be reachable from inside.
NOT_JUDGED_BY_SILENCE = {"worker", "webhook", "webhook_silence"}
BUSY_SECONDS = 2  # SQLite: another writer is waited for so long


@dataclass(frozen=True)
class Hop:
    """`ok` None: could not be asked. `fault` is a word for machines, "" when all is well."""

    layer: str
    target: str
    ok: bool | None = True
    fault: str = ""
    detail: str = ""
    milliseconds: int = 0


def timed(check: Callable[[], Hop | None]) -> Hop | None:
    """With the milliseconds it took. None: there is no such hop here."""
    started = time.monotonic()
    hop = check()
    return hop and replace(hop, milliseconds=round((time.monotonic() - started) * 1000))


def database() -> Hop:
    """Answers `SELECT 1`, and has every table that this code expects."""
    hop = Hop("database", database_target())
    try:
        with contextlib.closing(_unpooled()) as direct:
            pending = _unapplied_migrations(direct)
    except DATABASE_ERRORS as error:
        return replace(hop, ok=False, fault="down", detail=exact(error))
    if pending:
        return replace(hop, ok=False, fault="migrations", detail=f"{pending} migrations are not applied")
    return replace(hop, detail="answers, all migrations are applied")


def writable_database() -> Hop:
    """As `database`, and takes writes. One that somebody else is just writing to does."""
    hop = database()
    if not hop.ok:
        return hop
    started = time.monotonic()
    try:
        with contextlib.closing(_unpooled()) as direct, direct.cursor() as cursor:
            cursor.execute("SELECT 1")
            took = round((time.monotonic() - started) * 1000)
            cursor.execute("DELETE FROM django_migrations WHERE 1 = 0")
    except DATABASE_ERRORS as error:
        if is_busy(error):
            return replace(hop, detail=f"{hop.detail}, somebody is writing")
        return replace(hop, ok=False, fault="readonly", detail=exact(error))
    return replace(hop, detail=f"{hop.detail}, takes writes, connected in {took} ms")


def cache() -> Hop:
    """What is written can be read again: throttles and PhonePe's token are shared through it."""
    store = getattr(django_cache, "redis", django_cache)  # the bare one: ours never fails (core.cache)
    hop = Hop("cache", cache_target())
    key, value = f"diagnosis-{secrets.token_hex(8)}", secrets.token_hex(8)
    try:
        store.set(key, value, 60)
        kept = store.get(key)
        store.delete(key)
    except CACHE_ERRORS as error:
        return replace(hop, ok=False, fault="down", detail=exact(error))
    if kept != value:
        return replace(hop, ok=False, fault="down", detail="what was written could not be read again")
    return replace(hop, detail="keeps what is written")


def silent(layer: str) -> Hop:
    """For a hop whose check did not come back in time."""
    target = database_target() if layer == "database" else layer
    ok = None if layer in NOT_JUDGED_BY_SILENCE else False
    return Hop(layer, target, ok, "down", "no answer within the time of the diagnosis")


def database_target() -> str:
    """host:port, or the name of the file; never user or password."""
    target = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"SQLite file {target['NAME']}"
    return f"{target['HOST'] or 'local socket'}:{target['PORT'] or 5432}"


def cache_target() -> str:
    """host:port of a cache on another machine, else what kind of cache it is."""
    kind = settings.CACHES["default"]["BACKEND"].rpartition(".")[2]
    return str(getattr(django_cache, "target", kind))


def _unpooled() -> BaseDatabaseWrapper:
    """A connection of its own: a pool hides what the database says behind "no connection within 5 seconds"."""
    options = {name: value for name, value in connection.settings_dict["OPTIONS"].items() if name != "pool"}
    if connection.vendor == "postgresql":
        options["connect_timeout"] = CONNECT_SECONDS
    else:
        options["timeout"] = BUSY_SECONDS
    return type(connections[DEFAULT_DB_ALIAS])(
        connection.settings_dict | {"OPTIONS": options}, DEFAULT_DB_ALIAS
    )


def _unapplied_migrations(direct: BaseDatabaseWrapper) -> int:
    with direct.cursor() as cursor:
        cursor.execute("SELECT 1")
    executor = MigrationExecutor(direct)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def exact(error: Exception) -> str:
    """The first line of what the driver said, without passwords."""
    lines = str(error).splitlines() or [""]
    return redact(f"{type(error).__name__}: {lines[0][:300]}")
