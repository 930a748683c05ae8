"""Before a call to PhonePe: no open transaction, and no database connection that is kept while waiting."""

from django.db import connections


class InTransaction(RuntimeError):
    """A call to PhonePe inside a database transaction would hold its locks until PhonePe answers."""


def release_connections() -> None:
    """Closes the connections of this thread, or returns them to the pool. Raises InTransaction."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            raise InTransaction("PhonePe is never called inside a database transaction")
        connection.close()
