"""Real processes for tests: servers, workers and a simulated PhonePe, over a database of their own.

Each process gets an environment that is written down here, and dies with the test run even when that is killed.
What it says is kept: a test that fails shows it.
"""

import ctypes
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import requests

from tests.harness import ROOT
from tests.harness.environment import WANTED

ON_POSTGRESQL = os.environ.get("TEST_DATABASE") == "postgresql"
PASSWORD = "a-long-lotus-pond-47"
PR_SET_PDEATHSIG = 1
# Everything that every database of ours holds. The tokens of ten people are printed: logging ten people in
# would take longer than most tests.
PREPARE = f"""
import django, json
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("seed_demo", "--password={PASSWORD}", stdout=open("/dev/null", "w"))
from accounts.authentication import SessionToken
from accounts.models import User
people = [User.objects.create_user(f"devotee{{number}}@example.com", None) for number in range(10)]
print(json.dumps([str(SessionToken.for_user(person).access_token) for person in people]))
"""

T = TypeVar("T")
P = TypeVar("P", bound="Process")
numbers = count(1)
running: list["Process"] = []


class Process:
    """A program of ours; `death_signal` is what it gets when the test run dies."""

    def __init__(
        self,
        name: str,
        *arguments: str,
        environment: dict[str, str],
        pass_fds: tuple[int, ...] = (),
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        descriptor, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".log")
        self._log = Path(path)
        prctl = ctypes.CDLL(None).prctl  # loaded here: between fork and exec nothing may be imported
        self._popen = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
            start_new_session=True,
            preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, death_signal),
        )
        os.close(descriptor)
        running.append(self)

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def children(self) -> list[int]:
        pid = self._popen.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    @property
    def has_ended(self) -> bool:
        return self._popen.poll() is not None

    def ask_to_end(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._popen.send_signal(number)

    def wait(self) -> int:
        """Its exit code. What has not ended after ten seconds is a failure."""
        return self._popen.wait(timeout=10)

    def stop(self) -> None:
        """Politely, and for certain."""
        self.ask_to_end()
        try:
            self.wait()
        finally:
            self.kill()

    def kill(self) -> None:
        """As the kernel does it when memory is short: at once, and its children with it."""
        if not self.has_ended:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
        if self in running:
            running.remove(self)
            self._log.unlink()


class Server(Process):
    """One gunicorn of ours. Who calls before it is ready waits in its queue; when it is dead they are refused."""

    def __init__(
        self,
        listener: socket.socket,
        environment: dict[str, str],
        application: str = "okpuja.wsgi:application",
    ) -> None:
        self.url = address_of(listener)
        super().__init__(
            "server",
            *("-m", "gunicorn", application, "--bind", f"fd://{listener.fileno()}"),
            *(
                "--worker-class",
                "gthread",
                "--threads",
                "8",
                "--graceful-timeout",
                "2",
                "--no-control-socket",
            ),
            environment=environment,
            pass_fds=(listener.fileno(),),
        )
        listener.close()


class Installation:
    """One shop: a fresh, seeded database, the settings for it, and the processes that run over it.

    The first server has the address that PhonePe sends customers and webhooks to.
    """

    def __init__(self, **settings: Any) -> None:
        self._stack = ExitStack()
        self._listener = self._stack.enter_context(listening())
        self.url = address_of(self._listener)
        self.database_url, self.tokens = self._stack.enter_context(database())
        self.servers: list[Server] = []
        self._environment = surroundings(DATABASE_URL=self.database_url, PUBLIC_BASE_URL=self.url, **settings)
        self._processes: list[Process] = []

    def __enter__(self) -> "Installation":
        return self

    def __exit__(self, *failure: object) -> None:
        for process in self._processes:
            process.ask_to_end()  # all of them first: they end side by side
        for process in self._processes:
            self._stack.callback(process.stop)
        self._stack.close()

    def serve(self, *application: str) -> Server:
        listener = self._stack.enter_context(listening()) if self.servers else self._listener
        server = Server(listener, self._environment, *application)
        self.servers.append(server)
        return self._keep(server)

    def work(self) -> Process:
        return self._keep(
            Process("worker", "manage.py", "work", "--interval", "0.1", environment=self._environment)
        )

    def serve_and_work(self) -> Process:
        """`manage.py serve`, which opens the port of `url` itself, and ends its children when it is told to."""
        self._listener.close()
        port = self.url.rpartition(":")[2]
        return self._keep(
            Process(
                *("serve", "manage.py", "serve", "--port", port),
                environment=self._environment,
                death_signal=signal.SIGTERM,
            )
        )

    def query(self, statement: str) -> list[Any]:
        """SQL, as the person on call would type it."""
        return query(self.database_url, statement)

    def _keep(self, process: P) -> P:
        self._processes.append(process)
        return process


class Simulator(Process):
    """PhonePe, played by a process of its own. Tell it where V2 webhooks go before anybody pays."""

    def __init__(self) -> None:
        super().__init__(
            "simulator",
            *("manage.py", "phonepe_simulator", "--port", "0"),
            environment=surroundings(LOG_LEVEL="ERROR"),
        )
        self.url = eventually(self._address, "the simulator is ready")

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        return f"{self.url}/simulator/apis/pg-sandbox"

    def control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Pulls a string behind the stage: POST with a body, else GET."""
        method = "GET" if body is None else "POST"
        answer = requests.request(method, f"{self.url}/simulator/control/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def _address(self) -> str:
        assert not self.has_ended, self.said
        return self.said.partition("ready on ")[2].partition("\n")[0]


def surroundings(**settings: Any) -> dict[str, str]:
    """The whole environment of a process: nothing of the machine's own but the path."""
    wanted = WANTED | {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "okpuja.settings",
        "ALLOWED_HOSTS": "127.0.0.1",
        "CACHE_URL": "db://cache",
        "LOG_LEVEL": "INFO",
        "SIMULATOR_DELIVERS": "True",
    }
    return wanted | said(settings)


def said(settings: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in settings.items()}


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A free port, taken before anybody is told of it, so that nobody else can have it."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener


def address_of(listener: socket.socket) -> str:
    return "http://{}:{}".format(*listener.getsockname())


def eventually(look: Callable[[], T], what: str, seconds: float = 20) -> T:
    """What `look` returns as soon as it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"after {seconds} seconds it is still not so that {what}")


@contextmanager
def database() -> Iterator[tuple[str, list[str]]]:
    """The address of a database that nobody else uses, and the access tokens of ten people in it."""
    template, tokens = _template()
    name = f"installation_{os.getpid()}_{next(numbers)}"
    if ON_POSTGRESQL:
        query(_sibling("postgres"), f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield _sibling(name), tokens
        finally:
            query(_sibling("postgres"), f"DROP DATABASE {name} WITH (FORCE)")
        return
    with tempfile.TemporaryDirectory(prefix="okpuja-") as folder:
        file = Path(folder) / "okpuja.sqlite3"
        shutil.copy(template, file)
        yield f"sqlite:///{file}", tokens


@contextmanager
def empty_database() -> Iterator[str]:
    """The address of a database without a table."""
    name = f"empty_{os.getpid()}_{next(numbers)}"
    if ON_POSTGRESQL:
        query(_sibling("postgres"), f"CREATE DATABASE {name}")
        try:
            yield _sibling(name)
        finally:
            query(_sibling("postgres"), f"DROP DATABASE {name} WITH (FORCE)")
        return
    with tempfile.TemporaryDirectory(prefix="okpuja-") as folder:
        yield f"sqlite:///{Path(folder) / 'okpuja.sqlite3'}"


def query(database_url: str, statement: str) -> list[Any]:
    if not database_url.startswith("sqlite:///"):
        with psycopg.connect(database_url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []
    with (
        closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=10)) as connection,
        connection,
    ):
        return connection.execute(statement).fetchall()


@cache
def _template() -> tuple[str, list[str]]:
    """Migrated and seeded once for each test process; every other database is a copy of it."""
    if ON_POSTGRESQL:
        name = f"template_{os.getpid()}"
        query(_sibling("postgres"), f"CREATE DATABASE {name}")
        return name, _prepare(_sibling(name))
    file = Path(os.environ["TEST_DATABASE_NAME"]).parent / f"template-{os.getpid()}.sqlite3"
    return str(file), _prepare(f"sqlite:///{file}")


def _prepare(database_url: str) -> list[str]:
    """Returns the tokens."""
    made = subprocess.run(
        [sys.executable, "-c", PREPARE],
        cwd=ROOT,
        env=surroundings(DATABASE_URL=database_url, LOG_LEVEL="ERROR"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


def _sibling(name: str) -> str:
    """Another database on the server of this run."""
    return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"
