"""Django's backend for PostgreSQL, for servers that are restarted, fail over, or take no writes for a while."""

from select import POLLIN, poll
from types import TracebackType
from typing import Any

import psycopg
from django.db import OperationalError
from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper
from django.utils.functional import cached_property
from psycopg import errors

# psycopg calls these "internal", as it does a statement in a transaction that has failed, which is a bug of ours.
# Like a server that does not answer, they end without us, and the request may be repeated.
OF_THE_SERVER = (
    errors.ReadOnlySqlTransaction,  # a standby after a failover, or a provider whose disk is nearly full
    errors.IdleInTransactionSessionTimeout,  # this process was frozen
    errors.DataCorrupted,
    errors.IndexCorrupted,
    errors.InternalError_,
)


class ErrorWrapper(DatabaseErrorWrapper):
    wrapper: "DatabaseWrapper"

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        if isinstance(error, OF_THE_SERVER):
            self.wrapper.errors_occurred = True
            self.wrapper.takes_no_writes |= isinstance(error, errors.ReadOnlySqlTransaction)
            raise OperationalError(*error.args).with_traceback(stack) from error
        super().__exit__(exc_type, error, stack)


class DatabaseWrapper(base.DatabaseWrapper):
    pool: Any
    takes_no_writes = False  # the server of this connection; a new one may lead to another server

    @cached_property
    def wrap_database_errors(self) -> DatabaseErrorWrapper:
        return ErrorWrapper(self)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Of the pool, one that the server has not ended meanwhile: else each of them fails one request."""
        while True:
            connection = super().get_new_connection(conn_params)
            if not self.pool or not has_ended(connection):
                return connection
            connection.close()
            self.pool.putconn(connection)

    def _close(self) -> None:
        if self.takes_no_writes and self.connection is not None:
            self.takes_no_writes = False
            with self.wrap_database_errors:
                self.connection.close()  # the pool keeps no closed ones
        super()._close()  # type: ignore[misc]


def has_ended(connection: psycopg.Connection) -> bool:
    """Whether the server has ended it. Reads what has arrived, and waits for nothing."""
    arrived = poll()
    arrived.register(connection.pgconn.socket, POLLIN)
    try:
        while arrived.poll(0):
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return False
