"""The server for developers: it reloads changed code, shows stacks, and stops at `breakpoint()`."""

import logging
import threading
import time
from typing import Any

from django.contrib.staticfiles.management.commands.runserver import Command as RunServer
from django.core.management import call_command
from django.db import DatabaseError, InterfaceError, connections

from core.printable import PrintableCommand
from okpuja.serving_address import publish_address

logger = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two rounds of background work


class Command(PrintableCommand, RunServer):
    help = "Django's development server on 127.0.0.1, with the background worker in a thread of the same process."

    def run(self, **options: Any) -> None:
        publish_address(int(self.port))  # type: ignore[attr-defined]  # set by `handle`
        super().run(**options)

    def inner_run(self, *args: Any, **options: Any) -> None:
        """Runs in each process that the reloader starts. The thread ends with the process: no work is lost by that."""
        threading.Thread(target=work_forever, name="worker", daemon=True).start()
        super().inner_run(*args, **options)


def work_forever() -> None:
    """Does what is due, over and over. One thread, so that a breakpoint stops all of the work."""
    while True:
        try:
            call_command("work", once=True)
        except (DatabaseError, InterfaceError):  # away, or its migrations have not been applied yet
            logger.exception("the database cannot be used; trying again")
        connections.close_all()
        time.sleep(PAUSE)
