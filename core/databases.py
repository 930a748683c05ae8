"""Connections: given back before a call over the network. Statements: several small queries in one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet


class InTransaction(RuntimeError):
    """A call over the network inside a database transaction would hold its locks until the other side answers."""


def release_connections() -> None:
    """Closes the connections of this thread, or returns them to the pool. Raises InTransaction."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            raise InTransaction("nobody is called inside a database transaction")
        connection.close()


def discard_dead_connections() -> None:
    """After a restart of the database: else each connection of the pool fails once before a new one is made."""
    connection = connections[DEFAULT_DB_ALIAS]
    connection.close()
    pool = getattr(connection, "pool", None)
    if pool is not None and not pool.closed:
        pool.check()


@contextmanager
def patient_statements() -> Iterator[None]:
    """Our limits are for requests. A command that reads whole tables, and locks no row, takes as long as it takes."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")


def scalar_columns(queries: Sequence["QuerySet[Any]"]) -> tuple[list[str], list[Any]]:
    """Sub-selects of the first value of each query, which has one column, and their parameters."""
    compiled = [query[:1].query.sql_with_params() for query in queries]
    return [f"({sql})" for sql, _ in compiled], [value for _, values in compiled for value in values]


def any_rows(queries: Sequence["QuerySet[Any]"]) -> list[bool]:
    """Whether each query finds a row, all in one statement."""
    columns, parameters = scalar_columns([query.order_by().values("pk") for query in queries])
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)}", parameters)
        return [value is not None for value in cursor.fetchone()]
