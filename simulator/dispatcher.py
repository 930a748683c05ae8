"""The thread that does what nobody asks for: sends webhooks, ends overdue orders, settles refunds."""

import logging
import threading
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from django.db.models import Min

from simulator import clock, refunds, transitions, webhook_deliveries
from simulator.models import Delivery, Order, Refund, State

logger = logging.getLogger(__name__)

# Another process may write a delivery or advance the clock, and does not ring our bell.
LONGEST_WAIT = 2.0


def work() -> int:
    """One round; returns how many deliveries were tried."""
    transitions.catch_up_due()
    refunds.settle_due()
    return webhook_deliveries.send_due()


def next_due() -> datetime | None:
    """When something will have to be done; None while all is at rest."""
    moments = (
        Delivery.objects.aggregate(moment=Min("due_at")),
        Order.objects.filter(state=State.PENDING).aggregate(moment=Min("expires_at")),
        Order.objects.aggregate(moment=Min("bank_answers_at")),
        Refund.objects.filter(state__in=refunds.NOT_SETTLED).aggregate(moment=Min("settles_at")),
    )
    return min((found["moment"] for found in moments if found["moment"]), default=None)


class Courier:
    """At most one thread in a process. It starts at the first ring and ends when all is at rest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._has_news = False
        self._thread: threading.Thread | None = None

    def ring(self, at_once: bool = True) -> None:
        """Call it after a commit that may have left something to do, now or (not `at_once`) in a while."""
        with self._lock:
            self._has_news = True
            if at_once:
                self._bell.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="simulator-courier", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._bell.clear()
            self._has_news = False
            wait = self._round()
            if wait is not None:
                self._bell.wait(wait)
            elif self._may_rest():
                return

    def _may_rest(self) -> bool:
        """Decided under the lock: a ring that comes now finds either a thread that goes on, or none."""
        with self._lock:
            if self._has_news:
                return False
            self._thread = None
            return True

    def _round(self) -> float | None:
        """Seconds until the next round, None when all is at rest. Holds no connection while it waits."""
        try:
            work()
            due = next_due()
            return None if due is None else min(max((due - clock.now()).total_seconds(), 0), LONGEST_WAIT)
        except (OperationalError, InterfaceError):
            logger.warning("the simulator's database is busy or gone", exc_info=True)
            return LONGEST_WAIT
        finally:
            connections.close_all()


_courier = Courier()


def ring(at_once: bool = True) -> None:
    if settings.SIMULATOR_DELIVERS:
        _courier.ring(at_once)
