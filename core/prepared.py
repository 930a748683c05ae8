"""Statements that PostgreSQL plans once on each connection, several of them sent in one message.

PostgreSQL plans the statements of a payment for longer than it runs them. psycopg prepares each in a message of its
own; PREPARE and EXECUTE are SQL. A prepared statement belongs to a connection of the server: behind a pooler that gives
each transaction another one, such as pgbouncer, each statement is planned as it comes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import NotSupportedError, OperationalError, ProgrammingError

MOST = 200  # on one connection; further ones are planned each time
CHANGED = "0A000"  # a migration has changed the type of a column that it reads
STALE = (CHANGED, "26000", "42P05")  # it is not there, or is already: somebody else uses the connection


class StalePlan(OperationalError):
    """A prepared statement can no longer be run, and its transaction has failed. The next one does without it."""


@dataclass(frozen=True)
class _Statement:
    """`texts`: the parameters that PostgreSQL takes for text, because nothing in the statement says what they are.

    `constants`: those among them that were no text at the first use, as the 1 of Django's EXISTS (SELECT 1 …). They are
    part of the statement.
    """

    name: str
    texts: tuple[int, ...]
    constants: dict[int, Any]

    def takes(self, parameters: Sequence[Any]) -> bool:
        """A number in a place for text would become text; in the statement as it comes it stays a number."""
        return all(_is_text(parameters[place]) for place in self.texts) and all(
            type(parameters[place]) is type(value) and parameters[place] == value
            for place, value in self.constants.items()
        )


class _Statements:
    """Of one connection of psycopg: each statement that is prepared on it, by its SQL."""

    def __init__(self, is_usable: bool) -> None:
        self.known: dict[str, _Statement] = {}
        self.is_usable = is_usable
        self._stale = 0

    def name(self, sql: str) -> str:
        """With a digest: it names no other statement, also of another process."""
        return f"okpuja_{hashlib.sha256(sql.encode()).hexdigest()[:32]}_{self._stale}"

    def forget(self, sqlstate: str) -> None:
        self.known.clear()
        self._stale += 1
        self.is_usable &= sqlstate == CHANGED


_of_connection: WeakKeyDictionary[Any, _Statements] = WeakKeyDictionary()


def execute(cursor: Any, *statements: tuple[str, Sequence[Any]], commits: bool = False) -> None:
    """In one round trip, in this order, on PostgreSQL. The cursor has the rows of the first; `nextset` leads on.

    `commits`: their transaction ends in the same message, and psycopg finds none to commit.
    When a plan has become invalid, they are sent once more, as they come: outside of a transaction, and as the first of
    one. Later in a transaction, what went before is lost with the error: StalePlan.
    """
    is_first = _is_idle(cursor)
    try:
        _send(cursor, statements, commits)
    except (ProgrammingError, NotSupportedError) as error:
        sqlstate = getattr(error.__cause__, "sqlstate", None)
        found = _of_connection.get(cursor.connection)
        if found is None or sqlstate not in STALE:
            raise
        found.forget(sqlstate)
        if not is_first:
            raise StalePlan("a prepared statement is no longer valid") from error
        anew = [] if _is_idle(cursor) else ["ROLLBACK", "BEGIN"]
        plain = [sql % _literals(cursor, parameters) for sql, parameters in statements]
        cursor.execute("; ".join(anew + plain + ["COMMIT"] * commits))
        for _ in anew:
            cursor.nextset()


def _is_idle(cursor: Any) -> bool:
    return bool(cursor.connection.info.transaction_status.name == "IDLE")


def _send(cursor: Any, statements: Sequence[tuple[str, Sequence[Any]]], commits: bool) -> None:
    prepared = [_prepare(cursor, sql, parameters) for sql, parameters in statements]
    beginning = _beginning(cursor)
    cursor.execute("; ".join(beginning + prepared + ["COMMIT"] * commits))
    for _ in beginning:
        cursor.nextset()


def _prepare(cursor: Any, sql: str, parameters: Sequence[Any]) -> str:
    """What to send for this statement; it is prepared at its first use on this connection."""
    literals, statements = _literals(cursor, parameters), _statements(cursor)
    if statements is None or (sql not in statements.known and len(statements.known) >= MOST):
        return sql % literals
    if sql not in statements.known:
        statements.known[sql] = _new_statement(cursor, statements.name(sql), sql, parameters, literals)
    statement = statements.known[sql]
    if not statement.takes(parameters):
        return sql % literals
    given = [literal for place, literal in enumerate(literals) if place not in statement.constants]
    return f"EXECUTE {statement.name}" + (f"({', '.join(given)})" if given else "")


def _new_statement(
    cursor: Any, name: str, sql: str, parameters: Sequence[Any], literals: Sequence[str]
) -> _Statement:
    constants: dict[int, Any] = {}
    while True:
        free = [place for place in range(len(parameters)) if place not in constants]
        numbers = {place: f"${number}" for number, place in enumerate(free, start=1)}
        written = tuple(numbers.get(place, literal) for place, literal in enumerate(literals))
        # In one message. The types are read as text: psycopg knows no array of them.
        cursor.execute(
            f"PREPARE {name} AS {sql % written}; "  # noqa: S608 - a statement and a name of ours, without values
            f"SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = '{name}'"
        )
        cursor.nextset()
        types: list[str] = cursor.fetchone()[0]
        texts = tuple(place for place, each in zip(free, types, strict=True) if each == "text")
        others = {place: parameters[place] for place in texts if not _is_text(parameters[place])}
        if not others:
            return _Statement(name, texts, constants)
        constants |= others
        cursor.execute(f"DEALLOCATE {name}")


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _literals(cursor: Any, parameters: Sequence[Any]) -> tuple[str, ...]:
    """As psycopg writes them; itself it would look for the places of more than fifty in the text each time."""
    from psycopg.adapt import Transformer  # noqa: PLC0415 - SQLite needs no psycopg

    written = Transformer(cursor.connection)
    with cursor.db.wrap_database_errors:
        return tuple("NULL" if each is None else written.as_literal(each).decode() for each in parameters)


def _statements(cursor: Any) -> _Statements | None:
    """None where nothing is prepared."""
    if not settings.DATABASE_PREPARED_STATEMENTS:
        return None
    psycopg = cursor.connection
    found = _of_connection.get(psycopg)
    if found is None:
        # A pooler invents the process id that it tells its clients.
        cursor.execute("SELECT pg_backend_pid()")
        found = _of_connection[psycopg] = _Statements(cursor.fetchone()[0] == psycopg.info.backend_pid)
    return found if found.is_usable else None


def _beginning(cursor: Any) -> list[str]:
    """BEGIN, when nothing was sent in this transaction yet: psycopg would send it by itself, and wait for the answer.

    Until the transaction ends, psycopg is told that there is none to begin. It ends as usual.
    """
    psycopg = cursor.connection
    has_begun = not _is_idle(cursor)
    is_simple = not cursor.db.features.uses_server_side_binding and psycopg.isolation_level is None
    if cursor.db.get_autocommit() or has_begun or not is_simple:
        return []
    psycopg.autocommit = True
    return ["BEGIN"]
