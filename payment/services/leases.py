"""Leases of rows: every kind of background work claims one row at a time here.

A row is claimed in a short transaction, worked on without one, and released by its token. A worker that dies loses its
lease and nothing else. A row whose work raises is pushed back with exponential backoff; the others are not delayed.
"""

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.db.models import QuerySet

from core.clocks import database_now
from core.logging import log_scope, redact
from notifications.services import alert, cases_alerted_today
from payment.models import WorkLease
from payment.services.queue import free
from payment.services.schedule import HOUR, scaled

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)  # longer than any call, and never scaled: calls are not faster in tests
FIRST_PAUSE, LONGEST_PAUSE = 10, HOUR  # seconds after a failed try; doubled each time
ALERT_AFTER = 5  # failed tries of one row
MOST_ALERTS = 20  # a day about one kind: a bug that breaks all rows must not send a mail for each
WHOLE_KIND = 0  # the row that stands for a kind of work as a whole
DATABASE_TROUBLE = (OperationalError, InterfaceError)
CANDIDATES = 10  # so many free rows are tried until one is ours

Act = Callable[[int], datetime | None]


class NoProgress(RuntimeError):
    """The work on a row ended, and the row is still due: the worker would repeat it at once, without end."""


@dataclass(frozen=True)
class Job:
    """One kind of work. `due` gives rows (or their keys), the most neglected first; `act` works on one key.

    `act` returns when the row is due again, for work that is kept by no column of its own, else None.
    `lease` must be longer than the longest `act`. `columns` say when a row is due, `kept` after the first of them.
    Without columns, a row is due as soon as `due` gives it.
    """

    due: Callable[[datetime], QuerySet[Any] | Sequence[int]]
    act: Act
    lease: timedelta = LEASE
    columns: tuple[str, ...] = ()
    kept: timedelta = timedelta()


def process_next_row(
    kind: str, job: Job, now: datetime, claimed: Callable[[], object] = lambda: None
) -> bool:
    """Work on the most neglected free row of those that were due at `now`. False when there is none.

    `claimed` is called before the work on the row begins. Raises only when the database cannot be used.
    """
    rows: list[int] = []
    with push_back_on_error(kind, WHOLE_KIND):
        rows = _free_rows(kind, job, now)
    while rows:
        row = rows.pop(0)
        lease = _claim(kind, row, job.lease)
        if lease is None:
            random.shuffle(
                rows
            )  # whoever has it found the same rows: in one order we would meet at each of them
            continue
        claimed()
        with log_scope(), push_back_on_error(kind, row, lease):
            if not _is_due(job, row, now):  # the last holder of the lease has done it
                _end(lease, None)
                continue
            again_at = job.act(row)
            if again_at is None and _is_due(job, row, now):
                raise NoProgress(f"{kind} {row}")
            _end(lease, again_at)
        return True
    return False


@contextmanager
def lease_row(kind: str, row: int, length: timedelta = LEASE) -> Iterator[bool]:
    """Holds the lease of this row, which the background takes too. Yields False while another process has it.

    An error of the block pushes the row back, as in the background; only one of the database is raised again.
    """
    lease = _claim(kind, row, length)
    if lease is None:
        yield False
        return
    with push_back_on_error(kind, row, lease):
        yield True
        _end(lease, None)


@contextmanager
def hold_lease(kind: str, row: int, length: timedelta = LEASE) -> Iterator[bool]:
    """Holds the lease of this row for work that somebody waits for. Yields False while another process has it.

    It ends with the block. An error of the block is the caller's: nothing is pushed back, and the next one may try.
    """
    lease = _claim(kind, row, length)
    try:
        yield lease is not None
    finally:
        if lease is not None:
            _end(lease, None)


def process_row(kind: str, row: int, act: Act, length: timedelta = LEASE) -> bool:
    """Work on this row now, under the same lease as the background. False while another process has it."""
    lease = _claim(kind, row, length)
    if lease is None:
        return False
    with log_scope(), push_back_on_error(kind, row, lease):
        _end(lease, act(row))
    return True


@contextmanager
def left_to_background(kind: str, row: int) -> Iterator[None]:
    """Logs any error of the block, and ends it: the row stays due, and another way or the background works on it.

    For work that a request does early, and whose failure must not fail the request. The block takes its own lock.
    """
    try:
        yield
    except Exception:  # any bug of ours, as in the background
        close_unusable_connection()
        logger.exception("left to the background", extra={"kind": kind, "row": row})


def pause_after(tries: int) -> timedelta:
    """How long a row is pushed back after so many failed tries in a row."""
    return scaled(min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE))


def _free_rows(kind: str, job: Job, now: datetime) -> list[int]:
    whole = WorkLease.objects.filter(kind=kind, row=WHOLE_KIND).first()
    if whole is not None and whole.is_held(now):
        return []
    found = job.due(now)
    if isinstance(found, QuerySet):
        rows = list(free(found, kind, now).values_list("pk", flat=True)[:CANDIDATES])
    else:
        held = set(WorkLease.objects.filter(WorkLease.held(now), kind=kind).values_list("row", flat=True))
        rows = [row for row in found if row not in held][:CANDIDATES]
    if whole is not None and whole.error and WHOLE_KIND not in rows:
        _end(whole, None)  # its rows can be looked for again
    return rows


def _is_due(job: Job, row: int, now: datetime) -> bool:
    found = job.due(now)
    return found.filter(pk=row).exists() if isinstance(found, QuerySet) else row in found


def _claim(kind: str, row: int, length: timedelta) -> WorkLease | None:
    """The lease, if the row has no holder."""
    now = database_now()
    lease = WorkLease.claim(kind, row, now, now + max(length, pause_after(1)))
    if lease is None or lease.tries == 1:
        return lease
    _alert_if_often(
        lease, lease.tries - 1
    )  # the last try may have killed its process before it could alert anybody
    if (longest := pause_after(lease.tries)) > length:
        lease.held_until = now + longest
        WorkLease.objects.filter(pk=lease.pk, token=lease.token).update(held_until=lease.held_until)
    return lease


def _end(lease: WorkLease, again_at: datetime | None) -> None:
    """The work is done. A caller that has lost the lease meanwhile changes nothing."""
    ours = WorkLease.objects.filter(pk=lease.pk, token=lease.token)
    if again_at is None:
        ours._raw_delete(ours.db)  # `delete` opens a transaction; nothing refers to a lease
    else:
        ours.update(held_until=again_at, tries=0, error="")


def close_unusable_connection() -> None:
    if connection.errors_occurred and not connection.in_atomic_block and not connection.is_usable():
        connection.close()  # the next query connects anew


@contextmanager
def push_back_on_error(kind: str, row: int, lease: WorkLease | None = None) -> Iterator[None]:
    """Catches every error, as `left_to_background` does: a bug with one row must not stop the others, nor the worker.

    An error of the database is raised again after the row is pushed back: the caller waits a little. When the database
    is down, the row keeps its lease instead.
    """
    try:
        yield
    except Exception as error:  # any bug of ours: it is logged, counted and alerted
        close_unusable_connection()
        lease = lease or _claim(kind, row, timedelta())
        if lease is not None:
            # The second line of a database's message shows the row.
            first_line = f"{type(error).__name__}: {error}".partition("\n")[0]
            lease.held_until = database_now() + pause_after(lease.tries)
            lease.error = redact(first_line)[:300]
            ours = WorkLease.objects.filter(pk=lease.pk, token=lease.token)
            if ours.update(held_until=lease.held_until, error=lease.error):
                _alert_if_often(lease, lease.tries)
        fields = {"kind": kind, "row": row, "tries": lease.tries if lease else None}
        if isinstance(error, DATABASE_TROUBLE):
            logger.warning("the database gave no answer", extra=fields)
            raise
        logger.exception("work failed", extra=fields)


def _alert_if_often(lease: WorkLease, failed_tries: int) -> None:
    if failed_tries < ALERT_AFTER:
        return
    alerted = [case for case in cases_alerted_today("work_fails") if case.startswith(f"{lease.kind}:")]
    if str(lease) not in alerted and len(alerted) < MOST_ALERTS:
        cause = lease.error or "no word of it: its process has ended"
        fields = {"work": lease.kind, "row": lease.row, "tries": lease.tries, "cause": cause}
        alert("work_fails", str(lease), fields)
