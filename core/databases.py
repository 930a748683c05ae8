"""Before a call over the network: no open transaction, and no database connection that is kept while waiting."""

from django.db import connections


class InTransaction(RuntimeError):
    """A call over the network inside a database transaction would hold its locks until the other side answers."""


def release_connections() -> None:
    """Closes the connections of this thread, or returns them to the pool. Raises InTransaction."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            raise InTransaction("nobody is called inside a database transaction")
        connection.close()
