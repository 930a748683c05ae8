"""Background work on Celery, for installations of many machines: docs/scaling.md.

    celery --app okpuja.celery beat --scheduler okpuja.celery:RowTimer
    celery --app okpuja.celery worker --pool threads --concurrency 13

Celery is the timer and distributes the work; the leases of the rows stay the truth. A task says only which kind of
work is due. One that is lost is sent again, because its rows are still due; one that comes twice or late finds their
leases taken, or nothing due. No web process ever talks to the broker.
"""

import logging
import os
import threading
import time
from typing import Any

import django
from celery import Celery
from celery.beat import Scheduler
from celery.signals import setup_logging
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from kombu.exceptions import OperationalError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "okpuja.settings")
django.setup()

from core.databases import discard_dead_connections  # noqa: E402 - after the settings
from worker.jobs import KINDS, RECONCILE_KINDS, run_due  # noqa: E402
from worker.management.commands.work import THREADS  # noqa: E402
from worker.moments import read_due_moments  # noqa: E402
from worker.scheduler import DATABASE_AWAY, SECONDS_BETWEEN_COMPARISONS  # noqa: E402
from worker.wake_up import WakeUp, make_wake_up  # noqa: E402

logger = logging.getLogger(__name__)

ROWS_OF_A_TASK = 10  # then it sends itself again: others get their turn
LOOK_SECONDS = 1.0  # what a lost task costs at most
SECONDS_AFTER_LOOK = 0.05  # there is a wake-up for every row of a busy hour
EXPIRES_SECONDS = 10  # an older task has been sent again since
LONGEST_PAUSE = 10.0  # seconds, while the broker or the database is away

if not settings.BROKER_URL:
    raise ImproperlyConfigured("BROKER_URL is not set: Celery needs redis://… or amqp://…")

app = Celery("okpuja", broker=settings.BROKER_URL)
app.conf.update(
    task_ignore_result=True,
    task_default_queue="okpuja",
    # The rows keep the work: the broker need not write tasks to its disk, and has none to give back.
    task_default_delivery_mode="transient",
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_connection_timeout=3,
    broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 3},
    task_publish_retry=False,  # the timer tries again by itself
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    enable_utc=True,
)

# As the threads of `manage.py work`: a silent PhonePe takes four threads of a worker, and leaves the others.
PERMITS = {
    kind: permits
    for kinds, count in THREADS
    for permits in [threading.BoundedSemaphore(count)]
    for kind in kinds
}


@setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Celery leaves the log as the settings have made it, without two lines for each task."""
    logging.getLogger("celery").setLevel(logging.WARNING)


@app.task(name="okpuja.work")
def work(kind: str) -> int:
    """Works on due rows of this kind; returns how many. Without a free permit their turn comes with the next task."""
    permits = PERMITS[kind]
    if not permits.acquire(blocking=False):
        return 0
    try:
        tried = run_due([kind], limit=ROWS_OF_A_TASK)
    except DATABASE_AWAY:
        logger.warning("the database cannot be used", extra={"kind": kind})
        return 0
    finally:
        permits.release()
        connection.close()  # back to the pool
    if tried == ROWS_OF_A_TASK:
        send(kind)
    return tried


def send(kind: str) -> bool:
    """False while the broker is away: the rows stay due."""
    try:
        work.apply_async((kind,), expires=EXPIRES_SECONDS)
    except (OperationalError, OSError) as error:
        logger.warning("the broker cannot be reached", extra={"kind": kind, "cause": type(error).__name__})
        return False
    return True


class RowTimer(Scheduler):
    """Sends a task for each kind that has due rows, as soon as the database announces one. Any number may run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._wake_up: WakeUp | None = None
        self._comparisons_at, self._pause = 0.0, LOOK_SECONDS
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """No entries: the rows say what is due."""

    def tick(self, *_: Any, **__: Any) -> float:
        """Seconds until the next look."""
        wake_up = self._wake_up = self._wake_up or make_wake_up()
        try:
            wake_up.listen()
            is_sent = all(send(kind) for kind in self._due_kinds())  # the first one that fails is enough
            connection.close()
        except DATABASE_AWAY:
            logger.warning("the database cannot be used; trying again")
            discard_dead_connections()
            is_sent = False
        if not is_sent:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            return self._pause
        self._pause = LOOK_SECONDS
        wake_up.wait(LOOK_SECONDS)
        return SECONDS_AFTER_LOOK

    def _due_kinds(self) -> list[str]:
        due = set(read_due_moments().due)
        if (now := time.monotonic()) >= self._comparisons_at:
            due.update(RECONCILE_KINDS)
            self._comparisons_at = now + SECONDS_BETWEEN_COMPARISONS
        return [kind for kind in KINDS if kind in due]

    def close(self) -> None:
        if self._wake_up is not None:
            self._wake_up.close()
        super().close()
