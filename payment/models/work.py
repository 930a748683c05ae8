"""Rows that workers are busy with, and rows whose work has failed."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models
from django.db.models import Q
from django.db.models.expressions import Combinable

from core.databases import Query, read_together

# In place of several statements of the ORM, which has no "ON CONFLICT … WHERE": every piece of work begins with it.
CLAIM = """
INSERT INTO payment_worklease AS lease (kind, "row", token, taken_at, held_until, tries, error)
VALUES (%s, %s, %s, %s, %s, 1, '')
ON CONFLICT (kind, "row") DO UPDATE SET token = excluded.token, taken_at = excluded.taken_at,
    held_until = excluded.held_until, tries = lease.tries + 1
WHERE NOT (lease.taken_at <= %s AND lease.held_until > excluded.taken_at)
RETURNING id, tries, error
"""
# Callers read the clock a little before they look at a lease, and on SQLite each has its own.
CLOCK_TOLERANCE = timedelta(minutes=1)


class WorkLease(models.Model):
    """The lease of one worker on one row of one kind of work. It is deleted when the work has succeeded.

    A row whose work failed keeps it: the row is held until its backoff has passed. `tries` counts when a row is
    claimed, so that a row that kills its process counts too. Row 0 stands for a kind of work as a whole.
    """

    kind = models.CharField(max_length=32)
    row = models.BigIntegerField(help_text="primary key of the row; 0: the kind of work as a whole")
    token = models.UUIDField(help_text="who holds it")
    taken_at = models.DateTimeField()
    held_until = models.DateTimeField(help_text="no other worker takes the row before")
    tries = models.PositiveIntegerField(default=0, help_text="since the last success")
    error = models.CharField(max_length=300, blank=True, help_text="the last one, without personal data")

    class Meta:
        ordering = ["-tries", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "row"], name="work_lease_once_per_row"),
        ]
        indexes = [models.Index(fields=["held_until"], name="work_lease_ends")]

    def __str__(self) -> str:
        return f"{self.kind}:{self.row}"

    @classmethod
    def claim(cls, kind: str, row: int, now: datetime, until: datetime) -> "WorkLease | None":
        """Takes the lease if nobody holds it, in one statement. The database decides between several callers."""
        lease: WorkLease | None
        [lease] = read_together(cls.claiming(kind, row, now, until))
        return lease

    @classmethod
    def claiming(cls, kind: str, row: int, now: datetime, until: datetime) -> "Query[WorkLease | None]":
        """`claim`, in one message with what is read next."""
        token = uuid.uuid4()
        stored_token = token if connection.features.has_native_uuid_field else token.hex
        moments = map(connection.ops.adapt_datetimefield_value, (now, until, now + CLOCK_TOLERANCE))

        def read(rows: list[tuple[Any, ...]]) -> WorkLease | None:
            for key, tries, error in rows:
                lease = cls(key, kind, row, token, now, until, tries, error)
                lease._state.adding, lease._state.db = False, connection.alias
                return lease
            return None

        return Query(CLAIM, [kind, row, stored_token, *moments], read)

    def is_held(self, now: datetime) -> bool:
        """A lease that was taken in the future has ended: the clock was set back since."""
        return self.taken_at <= now + CLOCK_TOLERANCE and now < self.held_until

    @staticmethod
    def held(now: datetime | Combinable) -> Q:
        """`is_held` for queries."""
        return Q(taken_at__lte=now + CLOCK_TOLERANCE, held_until__gt=now)
