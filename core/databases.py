"""Our side of the wait for PhonePe: nobody does it with a database connection in hand, or with locks."""

from django.db import connections


class InTransaction(RuntimeError):
    """A call to PhonePe was about to wait while a database transaction is open and holds its locks."""


def give_back_connections() -> None:
    """Those of this thread. Raises InTransaction."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            raise InTransaction("PhonePe is never called inside a database transaction")
        connection.close()
