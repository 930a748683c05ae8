"""The scheduler of a worker: one thread looks for all kinds of work, and wakes the threads that do it.

It looks when it is woken, when a row becomes due, and after its interval in any case. What it finds only wakes
threads: the leases decide which worker gets a row, and a look that was wrong costs a query.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue

from django.db import DatabaseError, InterfaceError, connection

from core.databases import discard_dead_connections
from worker.jobs import RECONCILE_KINDS, run_due
from worker.moments import read_due_moments
from worker.wake_up import WakeUp, make_wake_up

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds while the database is away, doubled each time
# Without notifications from the database, rows are looked for this often.
POLL_SECONDS = 1.0
# Two looks are at least so far apart, and so many times as long as a look takes: a busy worker is woken for every row.
LEAST_SECONDS_APART, LOOKS_APART = 0.03, 10
# Several workers hear one notification. The first of them takes the row, and the others find nothing any more.
SPREAD_SECONDS = 0.01
# Which days are to be compared is no matter of rows; there is a new one once a day.
SECONDS_BETWEEN_COMPARISONS = 60
# A signal that comes in the moment before the main thread waits does not wake it, and a second one may be lost in the
# first: its handler runs when the wait ends.
SECONDS_BETWEEN_SIGNALS = 1.0
ASKED, DIED = "asked to end", "a thread died"
DATABASE_AWAY = (DatabaseError, InterfaceError)


class Crew:
    """Threads that work on some kinds, so that what hangs in one of them stops no other crew."""

    def __init__(self, kinds: tuple[str, ...], count: int, wake_up: WakeUp) -> None:
        self.kinds, self._wake_up = kinds, wake_up
        self._due: dict[str, int] = {}  # kinds with due rows, and the number of the look that found them
        self._changed = threading.Condition()
        self._end = threading.Event()
        self.names = [f"{kinds[0]}-{number}" for number in range(count)]

    def wake(self, due: Iterable[str], look: int) -> None:
        """One thread; it wakes the next one when it has found a row."""
        with self._changed:
            self._due = {kind: look for kind in self.kinds if kind in due}
            if self._due:
                self._changed.notify()

    def end(self) -> None:
        """Finish what runs, claim no more."""
        self._end.set()
        with self._changed:
            self._changed.notify_all()

    def work(self) -> None:
        """Until `end`. While the database is away it waits; that never ends it."""
        pause = FIRST_PAUSE
        while due := self._wait_for_work():
            try:
                for kind, look in due.items():
                    if not self._end.is_set():
                        self._work_on(kind, look)
                pause = FIRST_PAUSE
            except DATABASE_AWAY:
                logger.exception("the database cannot be used; trying again")
                connection.close()
                self._end.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _wait_for_work(self) -> dict[str, int]:
        """Empty at the end."""
        with self._changed:
            if not self._due:
                connection.close()  # back to the pool, which keeps it
            self._changed.wait_for(lambda: self._due or self._end.is_set())
            return {} if self._end.is_set() else dict(self._due)

    def _work_on(self, kind: str, look: int) -> None:
        if run_due([kind], limit=1, claimed=self._wake_another):
            self._wake_up.send()  # the work may have made other rows due, or this one later
            return
        with self._changed:
            if self._due.get(kind) == look:  # else it was found again meanwhile
                del self._due[kind]

    def _wake_another(self) -> None:
        with self._changed:
            self._changed.notify()


class Scheduler:
    def __init__(self, crews: Iterable[tuple[tuple[str, ...], int]], interval: float) -> None:
        self._wake_up = make_wake_up()
        self._interval = interval
        self.crews = [Crew(kinds, count, self._wake_up) for kinds, count in crews]
        self._end = threading.Event()
        self._looks = 0
        self._comparisons_at = 0.0  # time.monotonic()

    def run(self, ends: "SimpleQueue[str]") -> str:
        """Starts the threads, and works until something is put into `ends`. Returns what that was.

        Errors of a row are caught where it is claimed (`payment.services.leases`). Any other error of a thread ends
        the whole process with an error, so that its supervisor starts it again.
        """

        def guarded(task: Callable[[], None]) -> None:
            finished = False
            try:
                task()
                finished = True
            finally:
                connection.close()
                if not finished:
                    ends.put(DIED)

        tasks = [(self._look_for_work, "scheduler")]
        tasks += [(crew.work, name) for crew in self.crews for name in crew.names]
        threads = [threading.Thread(target=guarded, args=(task,), name=name) for task, name in tasks]
        for thread in threads:
            thread.start()
        logger.info("worker started", extra={"threads": len(threads)})
        reason = ""
        while not reason:
            with suppress(Empty):
                reason = ends.get(timeout=SECONDS_BETWEEN_SIGNALS)
        self._end.set()
        self._wake_up.send()
        for crew in self.crews:
            crew.end()
        for thread in threads:
            thread.join()
        self._wake_up.close()
        logger.info("worker ended")
        return reason

    def _look_for_work(self) -> None:
        pause = FIRST_PAUSE
        while not self._end.is_set():
            began, least = time.monotonic(), LEAST_SECONDS_APART
            try:
                seconds = self._look()
                least = max(least, LOOKS_APART * (time.monotonic() - began))
                woken = self._wake_up.wait(seconds)
                pause = FIRST_PAUSE
            except DATABASE_AWAY:
                logger.exception("the database cannot be used; trying again")
                discard_dead_connections()
                self._end.wait(pause)
                woken, pause = False, min(pause * 2, LONGEST_PAUSE)
            if woken:
                least -= time.monotonic() - began
                self._end.wait(max(min(least, POLL_SECONDS), random.uniform(0, SPREAD_SECONDS)))

    def _look(self) -> float:
        """Wakes the crews. Returns the seconds until the next look."""
        self._wake_up.listen()
        moments = read_due_moments()
        due, now = set(moments.due), time.monotonic()
        if now >= self._comparisons_at:
            due.update(RECONCILE_KINDS)
            self._comparisons_at = now + SECONDS_BETWEEN_COMPARISONS
        self._looks += 1
        for crew in self.crews:
            crew.wake(due, self._looks)
        interval = self._interval if self._wake_up.hears_others else min(self._interval, POLL_SECONDS)
        if moments.next_at is None:
            return interval
        return min(interval, (moments.next_at - moments.now).total_seconds())
