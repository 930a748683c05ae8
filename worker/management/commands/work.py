import logging
import signal
import threading
from queue import SimpleQueue
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, connection

from core.printable import PrintableCommand
from worker.jobs import (
    DATABASE_KINDS,
    DIAGNOSIS_KINDS,
    KINDS,
    NOTIFICATION_KINDS,
    PHONEPE_KINDS,
    RECONCILE_KINDS,
    WATCH_KINDS,
    run_due,
)

logger = logging.getLogger(__name__)

THREADS: tuple[tuple[tuple[str, ...], int], ...] = (
    (PHONEPE_KINDS, 4),
    (DATABASE_KINDS, 2),
    (NOTIFICATION_KINDS, 2),
    (DIAGNOSIS_KINDS, 1),
    (WATCH_KINDS, 1),
    (RECONCILE_KINDS, 1),
)
# The checks find no due rows, they only look; reconciliation is due once a day.
LEAST_PAUSE: dict[tuple[str, ...], float] = {WATCH_KINDS: 5, RECONCILE_KINDS: 60}
LONGEST_PAUSE = 30
ASKED, DIED = "asked to end", "a thread died"


class Command(PrintableCommand):
    help = (
        "Polls PhonePe, handles webhook events, ends holds, sends mail. Runs until SIGTERM; --once for cron."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is due now, then end")
        parser.add_argument("--interval", type=float, default=0.5, help="seconds between looks when idle")

    def handle(self, *args: Any, once: bool, interval: float, **options: Any) -> None:
        if once:
            while run_due(KINDS):
                pass
            return
        # Not an Event: a signal that comes while another one sets it would wait for that one, and so for itself.
        ends: SimpleQueue[str] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ends.put(ASKED))
        stop = threading.Event()
        workers = [
            threading.Thread(
                target=guarded_loop,
                args=(kinds, stop, ends, max(interval, LEAST_PAUSE.get(kinds, 0))),
                name=f"{kinds[0]}-{n}",
            )
            for kinds, count in THREADS
            for n in range(count)
        ]
        for worker in workers:
            worker.start()
        logger.info("worker started", extra={"threads": len(workers)})
        first = ends.get()
        # Finish what runs, claim no more. Exiting from a handler would leave claimed rows to their leases.
        stop.set()
        for worker in workers:
            worker.join()
        logger.info("worker ended")
        if first == DIED:
            raise CommandError("a thread of the worker died; see the log")


def guarded_loop(
    kinds: tuple[str, ...], stop: threading.Event, ends: SimpleQueue[str], interval: float
) -> None:
    """Errors of a row are caught where it is claimed (`payment.services.leases`). Any other error of a thread ends the
    whole process with an error, so that its supervisor starts it again."""
    finished = False
    try:
        loop(kinds, stop, interval)
        finished = True
    finally:
        if not finished:
            ends.put(DIED)


def loop(kinds: tuple[str, ...], stop: threading.Event, interval: float) -> None:
    """Until `stop` is set. While the database is away the loop waits; that never ends it."""
    pause = interval
    while not stop.is_set():
        try:
            found = run_due(kinds, limit=1)
            pause = interval
        except (DatabaseError, InterfaceError):  # away, or its migrations have not been applied yet
            logger.exception("the database cannot be used; trying again")
            connection.close()
            found, pause = 0, min(pause * 2, LONGEST_PAUSE)
        if not found:
            connection.close()
            stop.wait(pause)
    connection.close()
