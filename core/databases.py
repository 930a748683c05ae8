"""Connections: given back before a call over the network. Statements: several small ones in one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, DataError, connections, models, transaction
from django.db.models import Model, QuerySet
from django.db.models.sql.subqueries import UpdateQuery
from django.utils import timezone

from core import prepared

Answer = TypeVar("Answer")


# A value of exactly this type is what such a field makes of it, on both databases.
AS_IT_IS: dict[type, type] = {
    models.CharField: str,
    models.EmailField: str,
    models.TextField: str,
    models.BooleanField: bool,
    models.BigAutoField: int,
    models.BigIntegerField: int,
    models.IntegerField: int,
    models.PositiveBigIntegerField: int,
    models.PositiveIntegerField: int,
    models.PositiveSmallIntegerField: int,
    models.SmallIntegerField: int,
}


DIVISION_BY_ZERO = "22012"


class NothingWritten(Exception):
    """One of the writes that must write a row has written none."""


class InTransaction(RuntimeError):
    """A call over the network inside a database transaction would hold its locks until the other side answers."""


def release_connections() -> None:
    """Returns the connections of this thread to the pool. Raises InTransaction.

    SQLite has none: an idle connection keeps nobody waiting, and to open another one takes two milliseconds.
    """
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            raise InTransaction("nobody is called inside a database transaction")
        if connection.vendor != "sqlite":
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


def scalars(queries: Sequence["QuerySet[Any]"]) -> list[Any]:
    """The first value of each query, all in one statement. None where a query finds no row."""
    columns, parameters = scalar_columns(queries)
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)}", parameters)
        return list(cursor.fetchone())


def any_rows(queries: Sequence["QuerySet[Any]"]) -> list[bool]:
    """Whether each query finds a row, all in one statement."""
    found = scalars([query.order_by().values("pk") for query in queries])
    return [value is not None for value in found]


@dataclass(frozen=True)
class Write:
    """One INSERT or UPDATE that both databases read alike, for `write_together`."""

    sql: str
    parameters: list[Any]
    rows: tuple[Model, ...] = ()  # new ones: `write_together` marks them as saved

    @property
    def returned(self) -> str:
        return f'"{self.rows[0]._meta.pk.column}"' if self.rows else "1"


@dataclass(frozen=True)
class Query(Generic[Answer]):
    """A SELECT, for `read_together`; `read` makes its answer of all rows that it finds."""

    sql: str
    parameters: list[Any]
    read: Callable[[list[tuple[Any, ...]]], Answer]
    locks: bool = False


def read_together(*queries: Query[Any]) -> list[Any]:
    """The answer of each. One statement after the other, so what follows a lock sees what its last holder committed.

    On PostgreSQL in one round trip. SQLite, and a connection that sends parameters apart from the statement, have no
    such message.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    is_postgresql = connection.vendor == "postgresql"
    if is_postgresql and connection.get_autocommit() and any(query.locks for query in queries):
        raise transaction.TransactionManagementError("rows are locked inside a transaction only")
    answers: list[Any] = []
    with connection.cursor() as cursor:
        if not is_postgresql or connection.features.uses_server_side_binding:  # type: ignore[attr-defined]
            for query in queries:
                cursor.execute(query.sql, query.parameters)
                answers.append(query.read(cursor.fetchall()))
            return answers
        prepared.execute(cursor, *((query.sql, query.parameters) for query in queries))
        for number, query in enumerate(queries):
            if number:
                cursor.nextset()
            answers.append(query.read(cursor.fetchall()))
    return answers


def reserve_keys(*models: type[Model]) -> tuple[datetime, list[int]]:
    """The time of the clock that all processes share, and the primary keys of the next row of each model.

    Rows that point at each other are then written in one statement. Inside of a transaction, which on SQLite is the
    only one that writes.
    """
    reserved: tuple[datetime, list[int]]
    [reserved] = read_together(reserving_keys(*models))
    return reserved


def reserving_keys(*models: type[Model]) -> Query[tuple[datetime, list[int]]]:
    """As `reserve_keys`, beside other queries."""
    tables = [model._meta.db_table for model in models]
    if connections[DEFAULT_DB_ALIAS].vendor == "postgresql":
        columns = ["clock_timestamp()", *["nextval(pg_get_serial_sequence(%s, 'id'))"] * len(tables)]
        return Query(f"SELECT {', '.join(columns)}", tables, lambda rows: (rows[0][0], [*rows[0][1:]]))

    def read(rows: list[tuple[Any, ...]]) -> tuple[datetime, list[int]]:
        last = dict(rows)
        return timezone.now(), [last.get(table, 0) + 1 for table in tables]

    return Query("SELECT name, seq FROM sqlite_sequence", [], read)


class _Column:
    """How the values of one field are written: as the ORM would, which asks the field six times for a plain one."""

    __slots__ = ("_attname", "_field", "_is_moment", "_kind")

    def __init__(self, field: Any) -> None:
        self._field, self._attname = field, field.attname
        self._kind = AS_IT_IS.get(type(field.target_field if field.is_relation else field))
        self._is_moment = type(field) is models.DateTimeField

    def value_of(self, row: Model) -> Any:
        """Of a row that is new."""
        if self._kind is not None:
            return self.prepare(getattr(row, self._attname))
        return self.prepare(self._field.pre_save(row, add=True))

    def prepare(self, value: Any) -> Any:
        if value is None or type(value) is self._kind or (self._kind is str and isinstance(value, str)):
            return value
        connection = connections[DEFAULT_DB_ALIAS]
        if self._is_moment and isinstance(value, datetime) and value.tzinfo is not None:
            return connection.ops.adapt_datetimefield_value(value)
        return self._field.get_db_prep_save(value, connection)


def insert_rows(*rows: Model, conflict: str = "") -> Write:
    """Of one model, all with a reserved primary key, or all without one. `conflict`: an ON CONFLICT … at the end."""
    columns, sql = _insert_statement(type(rows[0]), rows[0].pk is not None, len(rows))
    values = [column.value_of(row) for row in rows for column in columns]
    return Write(f"{sql} {conflict}", values, rows)


@cache
def _insert_statement(model: type[Model], with_key: bool, count: int) -> tuple[list[_Column], str]:
    meta = model._meta
    fields = [field for field in meta.local_concrete_fields if with_key or not field.primary_key]
    names = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * count)
    sql = f'INSERT INTO "{meta.db_table}" ({names}) VALUES {places}'  # noqa: S608
    return [_Column(field) for field in fields], sql


def update_row(model: type[Model], which: Mapping[str, Any], values: Mapping[str, Any]) -> Write:
    """Rows whose fields have the values of `which`: one value, one of a tuple, or none; names are those of attributes.

    Written here because the ORM compiles each UPDATE for longer than the database works on it.
    """
    allowed = {
        name: value if isinstance(value, tuple) else () if value is None else (value,)
        for name, value in which.items()
    }
    counts = tuple((name, len(those)) for name, those in allowed.items())
    columns, sql = _update_statement(model, tuple(values), counts)
    given = [*values.values(), *(value for those in allowed.values() for value in those)]
    return Write(sql, [column.prepare(value) for column, value in zip(columns, given, strict=True)])


@cache
def _update_statement(
    model: type[Model], assigned: tuple[str, ...], allowed: tuple[tuple[str, int], ...]
) -> tuple[list[_Column], str]:
    """`allowed`: how many values each field may have; 0 is NULL. With the column of each parameter."""
    fields = {field.attname: field for field in model._meta.local_concrete_fields}
    changes = ", ".join(f'"{fields[name].column}" = %s' for name in assigned)
    found = " AND ".join(
        f'"{fields[name].column}" IN ({", ".join(["%s"] * count)})'
        if count
        else f'"{fields[name].column}" IS NULL'
        for name, count in allowed
    )
    named = [*assigned, *(name for name, count in allowed for _ in range(count))]
    sql = f'UPDATE "{model._meta.db_table}" SET {changes} WHERE {found}'  # noqa: S608
    return [_Column(fields[name]) for name in named], sql


def update_rows(rows: "QuerySet[Any]", **values: Any) -> Write:
    """As `rows.update(**values)`, for conditions and values that only the ORM can write."""
    query = rows.query.chain(UpdateQuery)
    query.add_update_values(values)  # type: ignore[attr-defined]
    sql, parameters = query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
    return Write(sql, list(parameters))


def write_returning(write: Write) -> tuple[Any, ...] | None:
    """The row of a Write whose conflict ends with RETURNING, None when it wrote none."""
    connection = connections[DEFAULT_DB_ALIAS]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            prepared.execute(cursor, (write.sql, write.parameters))
        else:
            cursor.execute(write.sql, write.parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


@contextmanager
def last_writes() -> Iterator[list[Write]]:
    """A transaction that ends with the writes which its block adds to the list.

    On PostgreSQL COMMIT is sent with them: rows that others wait for are locked for one round trip less. For writes
    that cannot come to nothing, as of rows that the block has locked.
    """
    writes: list[Write] = []
    with transaction.atomic():
        yield writes
        if writes:
            write_together(writes, commits=True)


def write_together(writes: Sequence[Write], *, commits: bool = False, each: bool = False) -> list[int]:
    """How many rows each has written, in this order. In the caller's transaction. New rows know their keys then.

    On PostgreSQL in one round trip, as one statement: so no two of them may write the same row. SQLite has no such
    statement, and no way to the server that could be saved.

    `commits`: they are the last of the transaction, whose COMMIT is sent with them, unless it is inside of another one.
    `each` must write a row, else none is committed: raises NothingWritten, and the caller rolls back.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    commits = commits and connection.vendor == "postgresql" and len(connection.atomic_blocks) == 1
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" and (len(writes) > 1 or each):
            found = _write_at_once(cursor, writes, commits=commits, each=each)
        else:
            found = [_write_alone(cursor, write, commits=commits) for write in writes]
    if each and not all(found):
        raise NothingWritten
    for write, keys in zip(writes, found, strict=True):
        # An UPDATE has no new rows, a conflict has no keys.
        for row, key in zip(write.rows, keys, strict=False):
            row.pk, row._state.adding, row._state.db = key, False, DEFAULT_DB_ALIAS
    return [len(keys) for keys in found]


def _write_alone(cursor: Any, write: Write, *, commits: bool) -> list[Any]:
    """The keys of new rows, a one for each other row."""
    sql = f"{write.sql} RETURNING {write.returned}"
    if cursor.db.vendor == "postgresql":
        prepared.execute(cursor, (sql, write.parameters), commits=commits)
    else:
        cursor.execute(sql, write.parameters)
    return [value for (value,) in cursor.fetchall()]


def _write_at_once(cursor: Any, writes: Sequence[Write], *, commits: bool, each: bool) -> list[list[Any]]:
    """As `_write_alone`, of each."""
    parts = ", ".join(
        f"write_{number} AS ({write.sql} RETURNING {write.returned} AS written)"
        for number, write in enumerate(writes)
    )
    # An error is what keeps the server from the COMMIT that follows in the same message.
    condition = " HAVING 1 / count(*) >= 0" if each and commits else ""
    # The sub-selects are read from left to right, and each runs its write when it is read.
    read = ", ".join(
        f"(SELECT array_agg(written) FROM write_{number}{condition})"  # noqa: S608
        for number in range(len(writes))
    )
    parameters = [value for write in writes for value in write.parameters]
    try:
        prepared.execute(cursor, (f"WITH {parts} SELECT {read}", parameters), commits=commits)
    except DataError as error:
        if getattr(error.__cause__, "sqlstate", None) == DIVISION_BY_ZERO and condition:
            raise NothingWritten from error
        raise
    return [values or [] for values in cursor.fetchone()]
