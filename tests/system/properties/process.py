"""Our process, and the moments at which it can be killed.

A boundary lies before and after everything that outlives the process: each COMMIT (also that of a single statement),
each call to PhonePe, each mail. They are met as they come, nobody names them. PhonePe's own commits are no boundaries
of ours, though in these tests it lives behind the same connection.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import requests
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection

from payment import gateways
from simulator.adapter import SimulatorAdapter
from tests.system.interleavings.line import operation_of

WRITES = ("INSERT", "UPDATE", "DELETE", "WITH WRITE_")


class Killed(BaseException):
    """As by kill -9: nothing of ours catches it."""


class Process:
    """Runs one action of ours. `crossed` names the boundaries it came to; it dies at number `dies_at`, from 1."""

    living: ClassVar["Process | None"] = None

    def __init__(self, dies_at: int | None = None) -> None:
        self.crossed: list[str] = []
        self.is_dead = False
        self._dies_at = dies_at
        self._elsewhere = self._has_written = False

    def run(self, action: Callable[[], Any]) -> Any:
        """What came of the action; None if the process died over it."""
        with self._watched():
            try:
                return action()
            except Killed:
                return None

    def reach(self, boundary: str) -> None:
        self.crossed.append(boundary)
        if len(self.crossed) == self._dies_at:
            self.is_dead = True
        self._stay_dead()

    def call(self, name: str, send: Callable[[], Any]) -> Any:
        """Whatever `send` does happens in somebody else's process."""
        self.reach(f"before {name}")
        self._elsewhere = True
        try:
            return send()
        finally:
            self._elsewhere = False
            self.reach(f"after {name}")

    @contextmanager
    def _watched(self) -> Iterator[None]:
        Process.living = self
        connection._commit = partial(self._commit, connection._commit)
        try:
            with connection.execute_wrapper(self._execute):
                yield
        finally:
            del connection._commit
            Process.living = None
            _lose_memory()

    def _commit(self, commit: Callable[[], Any]) -> Any:
        if self._elsewhere or not self._has_written:
            return commit()
        self._has_written = False
        try:
            self.reach("before COMMIT")
        except Killed:
            connection.rollback()  # what the server does when the connection is gone
            raise
        done = commit()
        self.reach("after COMMIT")
        return done

    def _execute(self, execute: Any, sql: Any, *args: Any) -> Any:
        said = str(sql).lstrip().upper()
        if self._elsewhere or said.startswith("ROLLBACK"):
            return execute(sql, *args)
        self._stay_dead()
        if said.endswith("; COMMIT"):  # `core.databases.last_writes`
            self._has_written = True
            return self._commit(partial(execute, sql, *args))
        if connection.in_atomic_block or not said.startswith(WRITES):
            self._has_written |= said.startswith(WRITES)
            return execute(sql, *args)
        name = " ".join(said.replace('"', "").split()[:3])
        self.reach(f"before {name}")
        done = execute(sql, *args)
        self.reach(f"after {name}")
        return done

    def _stay_dead(self) -> None:
        """`finally` is run in a test, and not in a process that was killed: it must not do anything any more."""
        if self.is_dead:
            raise Killed(self.crossed[-1])


class Wire(SimulatorAdapter):
    """To be named in SIMULATOR_ADAPTER."""

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        send = partial(super().send, request, **how)
        return Process.living.call(operation_of(request), send) if Process.living else send()


class PostOffice(EmailBackend):
    """To be named in EMAIL_BACKEND."""

    def send_messages(self, messages: Any) -> int:
        send = partial(super().send_messages, messages)
        return Process.living.call("mail", send) if Process.living else send()


def _lose_memory() -> None:
    """The next process knows nothing but the rows."""
    connection.run_on_commit.clear()
    connection.close()
    gateways._gateway.cache_clear()
