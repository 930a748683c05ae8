"""What wakes the scheduler before its time: work that was written by any process, or finished by a thread of this one.

On PostgreSQL, triggers of the tables send NOTIFY in the transaction that writes a due row (payment migration
`notify_workers`). On SQLite, `PRAGMA data_version` changes with each commit of another connection. Either may be
lost: the rows say what is due, and the scheduler looks at them after its interval in any case.
"""

import logging
import select
import socket
import time
import uuid
from contextlib import suppress

import psycopg
from django.db import DatabaseError, InterfaceError, connection

logger = logging.getLogger(__name__)

CHANNEL = "okpuja_work"  # named in the migration, too
SQLITE_SECONDS = 0.04  # between two looks at the version of the file
PROOF_SECONDS = 60  # how often a notification of our own must arrive
PROOF_WAIT_SECONDS = 1
RECONNECT_SECONDS = 5
LOST = (psycopg.Error, DatabaseError, InterfaceError, OSError)


class WakeUp:
    """Sent by threads of this process. The thread of the scheduler owns it."""

    def __init__(self) -> None:
        self._inside, self._outside = socket.socketpair()
        self._inside.setblocking(False)
        self._outside.setblocking(False)
        # Whether it comes for what other processes write, too. If not, the scheduler must look more often.
        self.hears_others = False

    def send(self) -> None:
        with suppress(BlockingIOError):  # sent often, and nobody has looked yet
            self._outside.send(b"!")

    def listen(self) -> None:
        """Before each look at the rows, so that nothing is missed between the look and `wait`."""

    def wait(self, seconds: float) -> bool:
        """Until it is sent, or for so many seconds. Whether it was sent."""
        readable, _, _ = select.select([self._inside], [], [], max(seconds, 0))
        return self._was_sent() if readable else False

    def close(self) -> None:
        self._inside.close()
        self._outside.close()

    def _was_sent(self) -> bool:
        with suppress(BlockingIOError):
            return bool(self._inside.recv(4096))
        return False


class SqliteWakeUp(WakeUp):
    """Looks at the version of the file, which costs no query. It needs no help from the writers."""

    def __init__(self) -> None:
        super().__init__()
        self.hears_others = True
        self._version = 0

    def listen(self) -> None:
        self._version = self._read_version()

    def wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if super().wait(min(left, SQLITE_SECONDS)) or self._read_version() != self._version:
                return True
        connection.close()  # the next look opens the file that has this name then: it may have been restored
        return False

    def _read_version(self) -> int:
        connection.ensure_connection()
        [version] = connection.connection.execute("PRAGMA data_version").fetchone()
        return int(version)


class PostgresWakeUp(WakeUp):
    """LISTEN on a connection of its own, outside the pool.

    Behind a pooler that gives each transaction another connection, notifications do not arrive. So one of our own is
    sent through the ordinary connection, and must arrive; without it the scheduler is told that nothing is heard.
    """

    def __init__(self) -> None:
        super().__init__()
        self._listening: psycopg.Connection | None = None
        self._prove_at = 0.0  # time.monotonic()
        self._has_complained = False

    def listen(self) -> None:
        if time.monotonic() < self._prove_at:
            return
        self._prove_at = time.monotonic() + PROOF_SECONDS
        try:
            if self._listening is None:
                self._listening = self._connect()
            if not self._is_proven(self._listening):
                self._stop_listening("a notification did not arrive: is there a pooler in transaction mode?")
                return
        except LOST as error:
            self._stop_listening(str(error))
            self._prove_at = time.monotonic() + RECONNECT_SECONDS
            return
        if not self.hears_others:
            self.hears_others = True
            logger.info("PostgreSQL notifies this worker of due work (LISTEN)")

    def wait(self, seconds: float) -> bool:
        connection.close()  # back to the pool, for the threads that work
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            sources = [self._inside, *([self._listening] if self._listening else [])]
            readable, _, _ = select.select(sources, [], [], left)
            if self._inside in readable and self._was_sent():
                return True
            if self._listening and self._listening in readable and self._is_work_announced(self._listening):
                return True
        return False

    def close(self) -> None:
        if self._listening:
            self._listening.close()
        super().close()

    def _connect(self) -> psycopg.Connection:
        parameters = connection.get_connection_params() | {"autocommit": True}
        listening: psycopg.Connection = psycopg.connect(**parameters)
        listening.execute(f"LISTEN {CHANNEL}")
        return listening

    def _is_proven(self, listening: psycopg.Connection) -> bool:
        """Whether what another connection sends arrives. Work that is announced meanwhile is looked for next anyway."""
        token = uuid.uuid4().hex
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, token])
        return any(each.payload == token for each in listening.notifies(timeout=PROOF_WAIT_SECONDS))

    def _is_work_announced(self, listening: psycopg.Connection) -> bool:
        """Proofs have a payload, work has none. A lost connection counts as work: some may have been missed."""
        try:
            return any(not notification.payload for notification in listening.notifies(timeout=0))
        except LOST as error:
            self._stop_listening(str(error))
            self._prove_at = 0.0  # connect at once: the database may only have been restarted
            return True

    def _stop_listening(self, cause: str) -> None:
        if self._listening:
            self._listening.close()
        self._listening = None
        if self.hears_others or not self._has_complained:
            logger.warning("LISTEN does not work: this worker polls for due work", extra={"cause": cause})
        self.hears_others, self._has_complained = False, True


def make_wake_up() -> WakeUp:
    return PostgresWakeUp() if connection.vendor == "postgresql" else SqliteWakeUp()
