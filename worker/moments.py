"""When work of each kind is due next: one statement asks for all kinds, in scalar sub-selects that indexes answer.

The ORM writes the statement once in a process; compiling it each time would cost more than the database needs for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Exists, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from core.databases import Query, read_together, scalar_columns
from diagnostics.runner import failing_since, next_regular_run, regular_runs
from payment.models import WorkLease
from payment.services.leases import WHOLE_KIND, Job
from payment.services.queue import free
from worker.jobs import KINDS

EVER = datetime(9999, 1, 1, tzinfo=UTC)  # all rows are due by then


@dataclass(frozen=True)
class DueMoments:
    """What the rows said at `now`: which kinds are due, and the first later moment at which one will be."""

    now: datetime
    due: frozenset[str]
    next_at: datetime | None


@dataclass(frozen=True)
class Question:
    """`rows` has one column. `moment` turns its first value, or None, into when the kind is due; None: not at all."""

    kind: str
    rows: QuerySet[Any]
    moment: Callable[[Any, datetime], datetime | None]


def read_due_moments() -> DueMoments:
    """Asks the database, by its own clock. Work that is kept by no rows (`reconcile`) is not in it."""
    sql, parameters = _statement(connection.vendor)
    [(clock, *values)] = read_together(Query(sql, parameters, lambda rows: rows[0]))
    now = clock or timezone.now()
    moments = [
        (question.kind, question.moment(as_moment(value), now))
        for question, value in zip(_questions(), values, strict=True)
    ]
    later = [moment for _, moment in moments if moment and moment > now]
    due = frozenset(kind for kind, moment in moments if moment and moment <= now)
    return DueMoments(now, due - {""}, min(later, default=None))


@cache
def _statement(vendor: str) -> tuple[str, list[Any]]:
    """SQLite uses the clock of this machine.

    PostgreSQL plans it for longer than it takes, and plans it once when it has no parameters: they never change.
    """
    columns, parameters = scalar_columns([question.rows for question in _questions()])
    if vendor != "postgresql":
        return f"SELECT {', '.join(['NULL', *columns])}", parameters
    sql = f"SELECT {', '.join(['clock_timestamp()', *columns])}"
    written: str = connection.ops.compose_sql(sql, parameters)  # type: ignore[attr-defined]
    return written.replace("%", "%%"), []


@cache
def _questions() -> list[Question]:
    held = WorkLease.objects.filter(WorkLease.held(Now()))
    questions = [
        # When a lease ends: its worker has died, or its work has failed. Of no kind: the row is found then.
        Question("", held.order_by("held_until").values("held_until"), lambda value, _: value),
        Question(
            "watch",
            held.filter(kind="watch", row=WHOLE_KIND).values("pk"),
            lambda is_held, now: None if is_held else now,
        ),
        Question(
            "diagnosis",
            failing_since(Now()).values("pk"),
            lambda value, now: now if value and settings.DIAGNOSIS_EVERY_MINUTES else None,
        ),
        Question("diagnosis", regular_runs().values("occasion"), next_regular_run),
    ]
    for kind, job in KINDS.items():
        rows = job.due(EVER)
        if isinstance(rows, QuerySet):
            questions += _questions_about_rows(kind, job, rows)
    return questions


def _questions_about_rows(kind: str, job: Job, rows: "QuerySet[Any]") -> list[Question]:
    """Without rows and kinds that wait because their work failed: the end of their lease is asked for by itself."""
    whole = WorkLease.objects.filter(WorkLease.held(Now()), kind=kind, row=WHOLE_KIND)
    rows = free(rows, kind, Now()).filter(~Exists(whole))
    if not job.columns:
        return [Question(kind, rows.values("pk"), lambda value, now: now if value else None)]
    return [
        Question(kind, rows.order_by(column).values(column), lambda value, _: value and value + job.kept)
        for column in job.columns
    ]


def as_moment(value: Any) -> Any:
    """SQLite gives moments without their time zone, which is UTC, and as text where it has calculated them."""
    if isinstance(value, str) and value[:1].isdigit():
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
