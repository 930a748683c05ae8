"""Processes for tests: servers, workers and a simulated PhonePe.

Each process gets an environment that is written down here, and dies with the test run even when that is killed.
Its output is kept: a test that fails shows it.
"""

import ctypes
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import requests

from tests.harness import ROOT
from tests.harness.control_api import ControlApi
from tests.harness.environment import WANTED

PR_SET_PDEATHSIG = 1
# What a program of ours writes with the stack of an error that nobody expected.
UNEXPECTED = "Internal Server Error"

T = TypeVar("T")
running: list["Process"] = []


class Process:
    """A program of ours; `death_signal` is what it gets when the test run dies. `code`: where another release lies."""

    def __init__(
        self,
        name: str,
        *arguments: str,
        environment: dict[str, str],
        pass_fds: tuple[int, ...] = (),
        death_signal: signal.Signals = signal.SIGKILL,
        code: Path = ROOT,
    ) -> None:
        self.name = name
        descriptor, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".log")
        self._log = Path(path)
        prctl = ctypes.CDLL(None).prctl  # loaded here: between fork and exec nothing may be imported
        self._popen = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=code,
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
    def output(self) -> str:
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
        """Its exit code. What has not ended after a minute is a failure."""
        return self._popen.wait(timeout=60)

    def stop(self) -> None:
        """Politely, and for certain."""
        self.ask_to_end()
        try:
            self.wait()
        except subprocess.TimeoutExpired as late:
            self.ask_to_end(signal.SIGABRT)  # PYTHONFAULTHANDLER: the stack of each thread
            self._popen.wait(timeout=10)
            raise AssertionError(f"{self.name} goes on after SIGTERM:\n{self.output[-10_000:]}") from late
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
        code: Path = ROOT,
    ) -> None:
        self.url = address_of(listener)
        super().__init__(
            "server",
            *("-m", "gunicorn", application, "--bind", f"fd://{listener.fileno()}"),
            *(
                "--worker-class",
                "okpuja.gunicorn_worker.Worker",
                "--threads",
                "8",
                "--graceful-timeout",
                "2",
                "--no-control-socket",
            ),
            environment=environment,
            pass_fds=(listener.fileno(),),
            code=code,
        )
        listener.close()


class RestartableProcess:
    """A process that can be killed and started again. What it logged before is kept as far as it is a complaint."""

    def __init__(self, name: str, *arguments: str, environment: dict[str, str]) -> None:
        self.name, self._arguments, self._environment = name, arguments, environment
        self._complaints: list[str] = []
        self._lock = threading.Lock()
        self.start()

    def start(self) -> None:
        self._process = Process(self.name, *self._arguments, environment=self._environment)

    def restart(self) -> None:
        """After kill -9."""
        with self._lock:
            self._kill()
            self.start()

    def restart_if_ended(self) -> None:
        """A process that ends without being killed has a fault of its own."""
        with self._lock:
            if self._process.has_ended:
                self._complaints.append(f"{self.name} ended by itself: {self._process.output[-2000:]}")
                self._kill()
                self.start()

    def ask_to_end(self) -> None:
        with self._lock:
            self._process.ask_to_end()

    def stop(self) -> None:
        with self._lock:
            self._process.stop()

    @property
    def complaints(self) -> list[str]:
        """Every unexpected error that it logged, before each of its deaths and since."""
        return self._complaints + self._new_complaints()

    def _kill(self) -> None:
        self._complaints += self._new_complaints()
        self._process.kill()

    def _new_complaints(self) -> list[str]:
        lines = self._process.output.splitlines()
        return [f"{self.name}: {line[:5000]}" for line in lines if UNEXPECTED in line]


class Simulator(Process, ControlApi):
    """PhonePe as a process of its own. Tell it where V2 webhooks go before anybody pays."""

    def __init__(self, books: Path | None = None) -> None:
        """`books`: the SQLite file that it keeps its orders in."""
        self.books = books
        super().__init__(
            "simulator",
            *("manage.py", "phonepe_simulator", "--port", "0"),
            *(("--database", str(books)) if books else ()),
            environment=process_environment(LOG_LEVEL="ERROR"),
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
        method = "GET" if body is None else "POST"
        answer = requests.request(method, f"{self.url}/simulator/control/{path}", json=body, timeout=120)
        answer.raise_for_status()
        return answer.json()

    def query(self, statement: str, *values: Any) -> list[Any]:
        """SQL over its own database."""
        assert self.books
        with closing(sqlite3.connect(self.books, timeout=30)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    @property
    def complaints(self) -> list[str]:
        """It writes a stack where it has failed itself."""
        _, traceback, rest = self.output.partition("Traceback")
        return [f"PhonePe: {traceback}{rest[:5000]}"] if traceback else []

    def _address(self) -> str:
        assert not self.has_ended, self.output
        return self.output.partition("ready on ")[2].partition("\n")[0]


def process_environment(**settings: Any) -> dict[str, str]:
    """The whole environment of a process: nothing of the machine's own but the path."""
    wanted = WANTED | {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "okpuja.settings",
        "ALLOWED_HOSTS": "127.0.0.1",
        "CACHE_URL": "db://cache",
        "LOG_LEVEL": "INFO",
        "PYTHONFAULTHANDLER": "1",
        "SIMULATOR_DELIVERS": "True",
    }
    return wanted | {name: str(value) for name, value in settings.items()}


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A free port, taken before anybody is told of it, so that nobody else can have it."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener


def address_of(listener: socket.socket) -> str:
    return "http://{}:{}".format(*listener.getsockname())


def eventually(look: Callable[[], T], what: str, seconds: float = 60) -> T:
    """What `look` returns as soon as it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"after {seconds} seconds it is still not so that {what}")
