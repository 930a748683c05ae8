"""The embedded default: the server and its background worker side by side, on loopback."""

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

ENDS = (signal.SIGTERM, signal.SIGINT)
SECONDS_TO_END = 25


class Command(BaseCommand):
    help = "Serves on 127.0.0.1 with one background worker beside it. For production see docs/deployment.md."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--threads", type=int, default=8)

    def handle(self, *args: Any, port: int, threads: int, **options: Any) -> None:
        stop = threading.Event()
        for number in ENDS:
            signal.signal(number, lambda *_: stop.set())
        commands = {
            "server": [
                sys.executable,
                "-m",
                "gunicorn",
                "okpuja.wsgi:application",
                "--bind",
                f"127.0.0.1:{port}",
            ]
            + [
                "--worker-class",
                "gthread",
                "--threads",
                str(threads),
                "--timeout",
                "60",
                "--log-level",
                "warning",
            ],
            "worker": [sys.executable, "manage.py", "work"],
        }
        children = {name: start(command) for name, command in commands.items()}
        self.say_where()
        ended = None
        while not stop.wait(0.5) and ended is None:
            ended = next((name for name, child in children.items() if child.poll() is not None), None)
        for child in children.values():
            end(child)
        if ended:
            raise CommandError(f"the {ended} ended by itself; its message stands above")

    def say_where(self) -> None:
        base = settings.PUBLIC_BASE_URL
        for name, path in {
            "API documentation": "/api/docs/",
            "Admin": "/admin/",
            "Whose fault is it": "/api/payments/payments/debug-connectivity/",
            "One whole demo payment": "/api/payments/payments/simulate-payment-success/",
        }.items():
            self.stdout.write(f"  {name:<24}{base}{path}")
        password = os.environ.get("DEMO_PASSWORD", "")
        for email in ("devotee@example.com", "staff@example.com") if password else ():
            self.stdout.write(f"  {'Demo login':<24}{email}  {password}")
        self.stdout.write("  Ctrl-C ends the server and its worker.")
        self.stdout.flush()


def start(command: list[str]) -> subprocess.Popen[bytes]:
    # A group of its own: Ctrl-C reaches us alone, and we end both in order.
    return subprocess.Popen(command, cwd=settings.BASE_DIR, start_new_session=True)


def end(child: subprocess.Popen[bytes]) -> None:
    """Politely; what has not ended after a while is killed. Rows survive that."""
    child.terminate()
    deadline = time.monotonic() + SECONDS_TO_END
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    if child.poll() is None:
        child.kill()
    child.wait()
