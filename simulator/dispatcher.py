"""The background thread: sends webhooks, expires orders, settles refunds."""

import logging
import threading
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from django.db.models import Min

from simulator import clock, refunds, transitions, webhook_deliveries
from simulator.models import Delivery, Order, Refund, State

logger = logging.getLogger(__name__)

# Another process may add a delivery or advance the clock without waking this thread.
POLL_SECONDS = 2.0


def run_due() -> int:
    """Does all that is due; returns how many deliveries were tried."""
    transitions.apply_all_due()
    refunds.settle_due()
    return webhook_deliveries.send_due()


def next_due() -> datetime | None:
    """When the next work is due; None if there is none."""
    moments = (
        Delivery.objects.aggregate(moment=Min("due_at")),
        Order.objects.filter(state=State.PENDING).aggregate(moment=Min("expires_at")),
        Order.objects.aggregate(moment=Min("bank_answers_at")),
        Refund.objects.filter(state__in=refunds.OPEN).aggregate(moment=Min("settles_at")),
    )
    return min((found["moment"] for found in moments if found["moment"]), default=None)


class Dispatcher:
    """At most one thread per process. The first `wake` starts it; it ends when nothing is due."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wakeup = threading.Event()
        self._has_work = False
        self._thread: threading.Thread | None = None

    def wake(self, at_once: bool = True) -> None:
        """Call it after a commit that may have added work, due now or (not `at_once`) later."""
        with self._lock:
            self._has_work = True
            if at_once:
                self._wakeup.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="simulator-dispatcher", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._wakeup.clear()
            self._has_work = False
            wait = self._run_once()
            if wait is not None:
                self._wakeup.wait(wait)
                continue
            with self._lock:  # so that a concurrent `wake` is never lost
                if not self._has_work:
                    self._thread = None
                    return

    def _run_once(self) -> float | None:
        """Seconds until the next run, None when nothing is due. Holds no database connection while it waits."""
        try:
            run_due()
            due = next_due()
            return None if due is None else min(max((due - clock.now()).total_seconds(), 0), POLL_SECONDS)
        except (OperationalError, InterfaceError):
            logger.warning("the simulator's database is busy or gone", exc_info=True)
            return POLL_SECONDS
        finally:
            connections.close_all()


_dispatcher = Dispatcher()


def wake(at_once: bool = True) -> None:
    if settings.SIMULATOR_DELIVERS:
        _dispatcher.wake(at_once)
