import signal
from queue import SimpleQueue
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from core.printable import PrintableCommand
from payment.services.gateway_calls import call_permits
from worker.jobs import (
    DATABASE_KINDS,
    DIAGNOSIS_KINDS,
    KINDS,
    NOTIFICATION_KINDS,
    PHONEPE_KINDS,
    RECONCILE_KINDS,
    WATCH_KINDS,
    WEBHOOK_KINDS,
    run_due,
)
from worker.scheduler import ASKED, DIED, Scheduler

ENDS = (signal.SIGTERM, signal.SIGINT)
THREADS: tuple[tuple[tuple[str, ...], int], ...] = (
    (PHONEPE_KINDS, settings.PHONEPE_POLLS_AT_ONCE),
    (DATABASE_KINDS, 2),
    (NOTIFICATION_KINDS, 2),
    (WEBHOOK_KINDS, 2),
    (DIAGNOSIS_KINDS, 1),
    (WATCH_KINDS, 1),
    (RECONCILE_KINDS, 1),
)


class Command(PrintableCommand):
    help = (
        "Polls PhonePe, handles webhook events, ends holds, sends mail. Runs until SIGTERM; --once for cron."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is due now, then end")
        parser.add_argument(
            "--interval",
            type=float,
            default=5,
            help="the longest pause between two looks for due rows, in seconds; at most 1 where the database"
            " cannot notify the worker",
        )

    def handle(self, *args: Any, once: bool, interval: float, **options: Any) -> None:
        # No customer waits for a thread of this process: all that ask may call, and the nightly comparison beside them.
        call_permits.count = settings.PHONEPE_POLLS_AT_ONCE + 1
        if once:
            while run_due(KINDS):
                pass
            return
        # Not an Event: a signal that comes while another one sets it would wait for that one, and so for itself.
        ends: SimpleQueue[str] = SimpleQueue()
        for number in ENDS:
            signal.signal(number, lambda *_: ends.put(ASKED))
        # Exiting from a handler would leave claimed rows to their leases.
        ended = Scheduler(THREADS, interval).run(ends)
        # The interpreter takes its handlers back while it ends: one more signal would make that an end by a signal.
        for number in ENDS:
            signal.signal(number, signal.SIG_IGN)
        if ended == DIED:
            raise CommandError("a thread of the worker died; see the log")
