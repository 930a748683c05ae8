"""The embedded default: the server and its background worker side by side, on loopback."""

import ctypes
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from core.printable import PrintableCommand
from okpuja.serving_address import publish_address

logger = logging.getLogger(__name__)

ENDS = (signal.SIGTERM, signal.SIGINT)
SECONDS_TO_START, SECONDS_TO_END = 10, 25
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds before a child is started again; doubled while it ends soon
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Command(PrintableCommand):
    help = "Serves on 127.0.0.1 with one background worker beside it. For production see docs/deployment.md."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--threads", type=int, default=8)

    def handle(self, *args: Any, port: int, threads: int, **options: Any) -> None:
        refuse_taken(port)
        url = publish_address(port)
        # Not an Event: a signal that comes while the Event is read, or set, would wait for itself.
        received_signals: list[int] = []
        for number in ENDS:
            signal.signal(number, lambda number, _: received_signals.append(number))
        children = [
            Child("server", server(port, threads), must_start=True),
            Child("worker", [sys.executable, "manage.py", "work"], must_start=False),
        ]
        self.say_where(url, port)
        try:
            while not received_signals:
                time.sleep(0.5)
                for child in children:
                    child.keep_alive()
        finally:
            for child in children:
                child.end()
        # The interpreter takes its handlers back while it ends: one more signal would make that an end by a signal.
        for number in ENDS:
            signal.signal(number, signal.SIG_IGN)

    def say_where(self, base: str, port: int) -> None:
        if base.startswith("http://127.0.0.1") and not base.endswith(f":{port}"):
            self.stdout.write(f"  PUBLIC_BASE_URL is set to {base}, but this server listens on port {port}.")
        for name, path in {
            **({"Shop": "/"} if settings.STOREFRONT else {}),
            "API documentation": "/api/docs/",
            "Admin": "/admin/",
            "Whose fault is it": "/api/payments/payments/debug-connectivity/",
            "One whole demo payment": "/api/payments/payments/simulate-payment-success/",
        }.items():
            self.stdout.write(f"  {name:<24}{base}{path}")
        if folder := getattr(settings, "EMAIL_FOLDER", ""):
            self.stdout.write(f"  {'Mails, one file each':<24}{folder}")
        password = settings.DEMO_PASSWORD
        for email in ("devotee@example.com", "staff@example.com") if password else ():
            self.stdout.write(f"  {'Demo login':<24}{email}  {password}")
        self.stdout.write("  Ctrl-C ends the server and its worker.")
        self.stdout.flush()


def refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(f"port {port} is taken; try make run PORT={port + 1}") from error


def server(port: int, threads: int) -> list[str]:
    return [
        *(sys.executable, "-m", "gunicorn", "okpuja.wsgi:application", f"--bind=127.0.0.1:{port}"),
        *("--config=python:okpuja.gunicorn_config", f"--threads={threads}", "--log-level=warning"),
    ]


def ending_with_its_parent() -> Callable[[], Any] | None:
    """What a child does first, so that no child keeps the port after a kill -9 of this process. On Linux only."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # loaded here: between fork and exec nothing may be imported
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A process that is started again when it ends by itself, with exponential backoff while it ends soon or the system
    cannot start it.

    A child that `must_start` ends this command when it ends soon after its first start: nothing is served then. Later,
    and for the others always, the command goes on: the server works without a worker.
    """

    def __init__(self, name: str, command: list[str], *, must_start: bool) -> None:
        self.name, self.command, self.must_start = name, command, must_start
        self.pause, self.start_at = FIRST_PAUSE, 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """A system without free memory or processes may have some later."""
        self.started = time.monotonic()
        try:
            # A session of its own: Ctrl-C reaches this process only, which ends both in order.
            self.process = subprocess.Popen(
                self.command,
                cwd=settings.BASE_DIR,
                start_new_session=True,
                preexec_fn=ending_with_its_parent(),
            )
        except (OSError, subprocess.SubprocessError) as error:
            if self.must_start and self.process is None:
                raise CommandError(f"the {self.name} does not start: {error}") from error
            self._plan_start("a child could not be started; it will be tried again", error=str(error))

    def keep_alive(self) -> None:
        """Call it often; it never waits."""
        if self.start_at or self.process is None:
            if time.monotonic() >= self.start_at:
                self.start_at = 0.0
                self.start()
            return
        ended = self.process.poll()
        if ended is None:
            self.must_start = self.must_start and time.monotonic() - self.started < SECONDS_TO_START
        elif self.must_start and ended >= 0:  # below zero: killed from outside
            raise CommandError(f"the {self.name} does not start; see its message above")
        else:
            self._plan_start("a child has ended; it will be started again", exit_code=ended)

    def _plan_start(self, message: str, **why: Any) -> None:
        now = time.monotonic()
        seconds = now - self.started
        self.pause = FIRST_PAUSE if seconds >= LONGEST_PAUSE else min(self.pause * 2, LONGEST_PAUSE)
        self.start_at = now + self.pause
        logger.error(message, extra={"child": self.name, "seconds": self.pause, **why})

    def end(self) -> None:
        """SIGTERM, and SIGKILL for a child that does not end in time: no work is lost by that."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
