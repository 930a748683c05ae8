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
from functools import cache
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.models import Exists, OuterRef, QuerySet

from core.clocks import database_now
from core.compiled import CompiledRead, CompiledValues
from core.databases import Query, read_together, reserving_keys
from core.logging import log_scope, redact
from notifications.services import alert, cases_alerted_today
from payment.models import WorkLease
from payment.models.work import CLOCK_TOLERANCE
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
LEFT = timedelta(hours=1)  # a worker that runs finds a row that is due long before

Act = Callable[[int], datetime | None]


class NoProgress(RuntimeError):
    """The work on a row ended, and the row is still due: the worker would repeat it at once, without end."""


@dataclass(frozen=True)
class Job:
    """One kind of work. `due` gives rows (or their keys), the most neglected first; `act` works on one key.

    `act` returns when the row is due again, for work that is kept by no column of its own, else None.
    `lease` must be longer than the longest `act`. `columns` say when a row is due, `kept` after the first of them.
    Without columns, a row is due as soon as `due` gives it. `constant`: `due` compares columns with its moment and with
    nothing else, so that its statements are compiled once (`core.compiled`).
    """

    due: Callable[[datetime], QuerySet[Any] | Sequence[int]]
    act: Act
    lease: timedelta = LEASE
    columns: tuple[str, ...] = ()
    kept: timedelta = timedelta()
    constant: bool = False


def process_next_row(
    kind: str, job: Job, now: datetime, claimed: Callable[[], object] = lambda: None
) -> bool:
    """Work on the most neglected free row of those that were due at `now`. False when there is none.

    `claimed` is called before the work on the row begins. Raises only when the database cannot be used.
    """
    rows: list[int] = []
    clock = now
    with push_back_on_error(kind, WHOLE_KIND), _quiet_while_pushed_back(kind, now):
        clock, rows = _free_rows(kind, job, now)
    while rows:
        row = rows.pop(0)
        lease, is_due = _claim_if_due(kind, job, row, now, clock)
        if lease is None:
            random.shuffle(
                rows
            )  # whoever has it found the same rows: in one order we would meet at each of them
            continue
        claimed()
        with log_scope(), push_back_on_error(kind, row, lease):
            if is_due is None:
                is_due = _is_due(job, row, now)
            if not is_due:  # the last holder of the lease has done it
                _end(lease, None)
                continue
            again_at = job.act(row)
            if again_at is None and not _end_if_done(lease, job, now):
                raise NoProgress(f"{kind} {row}")
            if again_at is not None:
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
        logger.exception("failed here, left to the worker", extra={"kind": kind, "row": row})


def left_leases(now: datetime) -> QuerySet[WorkLease]:
    """Whose rows nobody finds due any more: after a failed try, a webhook or a request has done the work."""
    return WorkLease.objects.filter(held_until__lte=now - LEFT)


def pause_after(tries: int) -> timedelta:
    """How long a row is pushed back after so many failed tries in a row."""
    return scaled(min(FIRST_PAUSE * 2 ** min(tries - 1, 20), LONGEST_PAUSE))


def _free_rows(kind: str, job: Job, now: datetime) -> tuple[datetime, list[int]]:
    """With the time of the database's clock."""
    found: list[Any] | None = None
    if job.constant:
        free_rows = _free_constant_rows(kind, job).every(now, now + CLOCK_TOLERANCE)
        (clock, _), wholes, found = read_together(
            reserving_keys(), _leases_of_row.query(kind, WHOLE_KIND), free_rows
        )
    else:
        (clock, _), wholes = read_together(reserving_keys(), _leases_of_row.query(kind, WHOLE_KIND))
    whole = next(iter(wholes), None)
    if whole is not None and whole.is_held(now):
        return clock, []
    if found is not None:
        rows = [row for (row,) in found]
    elif isinstance(looked_for := job.due(now), QuerySet):
        rows = list(free(looked_for, kind, now).values_list("pk", flat=True)[:CANDIDATES])
    else:
        held = set(WorkLease.objects.filter(WorkLease.held(now), kind=kind).values_list("row", flat=True))
        rows = [row for row in looked_for if row not in held][:CANDIDATES]
    if whole is not None and whole.error and WHOLE_KIND not in rows:
        _end(whole, None)  # its rows can be looked for again
    return clock, rows


@contextmanager
def _quiet_while_pushed_back(kind: str, now: datetime) -> Iterator[None]:
    """Rows of a constant job are looked for together with the lease of their kind: a look that fails cannot see it."""
    try:
        yield
    except DatabaseError:
        close_unusable_connection()
        if not WorkLease.objects.filter(WorkLease.held(now), kind=kind, row=WHOLE_KIND).exists():
            raise


@CompiledRead
def _leases_of_row(kind: str, row: int) -> QuerySet[WorkLease]:
    return WorkLease.objects.filter(kind=kind, row=row)


@cache
def _free_constant_rows(kind: str, job: Job) -> CompiledValues[[datetime, datetime]]:
    """`taken_before`: see WorkLease.held."""

    def build(now: datetime, taken_before: datetime) -> QuerySet[Any, Any]:
        held = WorkLease.objects.filter(
            taken_at__lte=taken_before, held_until__gt=now, kind=kind, row=OuterRef("pk")
        )
        return _due_rows(job, now).exclude(Exists(held)).values_list("pk")[:CANDIDATES]

    return CompiledValues(build)


@cache
def _constant_row(job: Job) -> CompiledValues[[datetime, int]]:
    """The row, if it is due."""

    def build(now: datetime, row: int) -> QuerySet[Any, Any]:
        return _due_rows(job, now).filter(pk=row).order_by().values_list("pk")

    return CompiledValues(build, may_ignore=() if job.columns else ("now",))


def _due_rows(job: Job, now: datetime) -> QuerySet[Any]:
    found = job.due(now)
    assert isinstance(found, QuerySet)  # noqa: S101 - of a constant job
    return found


def _is_due(job: Job, row: int, now: datetime) -> bool:
    found = job.due(now)
    return found.filter(pk=row).exists() if isinstance(found, QuerySet) else row in found


def _claim_if_due(
    kind: str, job: Job, row: int, now: datetime, clock: datetime
) -> tuple[WorkLease | None, bool | None]:
    """The lease, if the row has no holder, and whether the row is still due; None: that was not looked at.

    `clock`: the database's, just before.
    """
    if not job.constant:
        return _claim(kind, row, job.lease, clock), None
    claiming = WorkLease.claiming(kind, row, clock, clock + max(job.lease, pause_after(1)))
    lease, found = read_together(claiming, _constant_row(job).query(now, row))
    return _after_tries(lease, job.lease), found is not None


def _claim(kind: str, row: int, length: timedelta, now: datetime | None = None) -> WorkLease | None:
    """The lease, if the row has no holder."""
    now = now or database_now()
    return _after_tries(WorkLease.claim(kind, row, now, now + max(length, pause_after(1))), length)


def _after_tries(lease: WorkLease | None, length: timedelta) -> WorkLease | None:
    """Longer after failed tries."""
    if lease is None or lease.tries == 1:
        return lease
    _alert_if_often(
        lease, lease.tries - 1
    )  # the last try may have killed its process before it could alert anybody
    if (longest := pause_after(lease.tries)) > length:
        lease.held_until = lease.taken_at + longest
        WorkLease.objects.filter(pk=lease.pk, token=lease.token).update(held_until=lease.held_until)
    return lease


def _end(lease: WorkLease, again_at: datetime | None) -> None:
    """The work is done. A caller that has lost the lease meanwhile changes nothing."""
    if again_at is None:
        read_together(_ending(lease))
    else:
        ours = WorkLease.objects.filter(pk=lease.pk, token=lease.token)
        ours.update(held_until=again_at, tries=0, error="")


def _ending(lease: WorkLease, unless: Query[Any] | None = None) -> Query[bool]:
    """Deletes the lease, if it is ours and `unless` finds no row; says whether it did.

    The ORM's `delete` opens a transaction, and nothing refers to a lease.
    """
    sql = "DELETE FROM payment_worklease WHERE id = %s AND token = %s"
    token = lease.token if connection.features.has_native_uuid_field else lease.token.hex
    parameters = [lease.pk, token]
    if unless is not None:
        sql, parameters = f"{sql} AND NOT EXISTS ({unless.sql})", [*parameters, *unless.parameters]
    return Query(f"{sql} RETURNING id", parameters, bool)


def _end_if_done(lease: WorkLease, job: Job, now: datetime) -> bool:
    """As `_end`, unless the row is still due: then nothing is changed, and it says False."""
    if job.constant:
        [is_ended] = read_together(_ending(lease, unless=_constant_row(job).query(now, lease.row)))
        if is_ended:
            return True
    if _is_due(job, lease.row, now):
        return False
    _end(lease, None)
    return True


def close_unusable_connection() -> None:
    if connection.errors_occurred and not connection.in_atomic_block and not connection.is_usable():
        connection.close()  # the next query connects again


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
        cause = lease.error or "unknown: its process has ended"
        fields = {"work": lease.kind, "row": lease.row, "tries": lease.tries, "cause": cause}
        alert("work_fails", str(lease), fields)
