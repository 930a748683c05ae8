"""Several people doing something at the same moment, each on a database connection of their own.

Both helpers need a test with `transaction=True`.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import connection, transaction

PATIENCE = 60  # seconds: of a busy machine


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """What came of each action, in the order given: what it returned, or what it raised."""
    gate = threading.Barrier(len(actions))
    with ThreadPoolExecutor(len(actions)) as people:
        return [outcome(person) for person in [people.submit(act, action, gate) for action in actions]]


# In this database: another one of the server may be that of other tests.
WAITING = """
    SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (
        SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database())
"""


def while_uncommitted(
    first: Callable[[], Any], second: Callable[[], Any], then: Callable[[], Any] = lambda: None
) -> Any:
    """What came of `second`, which began after `first` had done its work and before that was committed.

    `then`: what the first one goes on with when the second one waits.
    """
    gate = threading.Barrier(2)
    with ThreadPoolExecutor(1) as people:
        person = people.submit(act, second, gate)
        with transaction.atomic():
            first()
            gate.wait(timeout=PATIENCE)
            _until_somebody_waits(person)
            then()
        return outcome(person)


def act(action: Callable[[], Any], gate: threading.Barrier) -> Any:
    try:
        gate.wait(timeout=PATIENCE)
        return action()
    finally:
        connection.close()


def outcome(person: "Future[Any]") -> Any:
    return person.exception(timeout=PATIENCE) or person.result()


def _until_somebody_waits(person: "Future[Any]") -> None:
    """PostgreSQL shows who waits for a lock. SQLite lets nobody even begin, so there is nothing to wait for."""
    deadline = time.monotonic() + PATIENCE
    while connection.vendor == "postgresql" and not person.done() and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(WAITING)
            if cursor.fetchone()[0]:
                return
