"""Moments that another clock has told, or our own before it was set: believed only where they can be true.

A clock that is stepped back by an hour leaves leases and marks behind that end in an hour. Whoever writes one knows the
longest time that it can lie ahead; what lies further ahead was written by a wrong clock and counts as over.
"""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q
from django.utils import timezone

SKEW = timedelta(seconds=60)  # by so much the clocks of two machines may differ
SOONEST_END = timedelta(seconds=60)


def told_end(told: datetime | None, now: datetime, longest: timedelta) -> datetime | None:
    """An end that PhonePe has told, if it lies between a minute from now and `longest`; else None, "not told"."""
    return told if told and now + SOONEST_END <= told <= now + longest else None


def is_running(until: datetime | None, now: datetime, longest: timedelta) -> bool:
    """Whether a lease or a page, written as `longest` from its own now, has not ended."""
    return until is not None and now < until <= now + longest


def has_passed(since: datetime, now: datetime, span: timedelta) -> bool:
    """Whether `span` has passed since then. A moment further ahead than `SKEW` counts as long ago: nobody knows."""
    return not now - span < since <= now + SKEW


def over(column: str, now: datetime, longest: timedelta) -> Q:
    """Rows whose lease in `column` is empty or does not run, in the sense of `is_running`."""
    running = Q(**{f"{column}__gt": now, f"{column}__lte": now + longest})
    return Q(**{f"{column}__isnull": True}) | ~running


def database_now() -> datetime:
    """SQLite has no clock of its own: it lives on this machine."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now
