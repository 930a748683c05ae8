"""Several people doing something at the same moment, each on a database connection of their own.

Both helpers need a test with `transaction=True`.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction


class Person(threading.Thread):
    """Does one thing and keeps what it returned or raised."""

    def __init__(self, action: Callable[[], Any], gate: threading.Barrier) -> None:
        super().__init__()
        self.action, self.gate, self.result = action, gate, None

    def run(self) -> None:
        try:
            self.gate.wait(timeout=10)
            self.result = self.action()
        except Exception as error:  # noqa: BLE001 - whatever came of it is what the test looks at
            self.result = error
        finally:
            connection.close()


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """What came of each action, in the order given."""
    gate = threading.Barrier(len(actions))
    people = [Person(action, gate) for action in actions]
    for person in people:
        person.start()
    for person in people:
        person.join(timeout=30)
    return [person.result for person in people]


def while_uncommitted(first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """What came of `second`, which began after `first` had done its work and before that was committed."""
    gate = threading.Barrier(2)
    person = Person(second, gate)
    person.start()
    with transaction.atomic():
        first()
        gate.wait(timeout=10)
        _until_somebody_waits(person)
    person.join(timeout=30)
    return person.result


def _until_somebody_waits(person: Person) -> None:
    """PostgreSQL shows who waits for a lock. SQLite lets nobody even begin, so there is nothing to wait for."""
    deadline = time.monotonic() + 10
    while connection.vendor == "postgresql" and person.is_alive() and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
