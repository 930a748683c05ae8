"""Plausibility of moments that another clock has written, or our own clock before it was corrected.

A clock that is set back by an hour leaves leases behind that seem to end in an hour. The code that writes a moment
knows how far ahead it can lie; a moment further ahead was written by a wrong clock and counts as ended. `SKEW` is
allowed for: clocks differ, and a request that read the clock first may look at a lease that another one took later.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils import timezone

SKEW = timedelta(seconds=60)  # the clocks of two machines may differ by this much
MIN_REMAINING = timedelta(seconds=60)


def plausible_end(reported: datetime | None, now: datetime, longest: timedelta) -> datetime | None:
    """The end that PhonePe reports, if it lies between a minute and `longest` from now; else None."""
    return reported if reported and now + MIN_REMAINING <= reported <= now + longest else None


def is_running(until: datetime | None, now: datetime, longest: timedelta) -> bool:
    """Whether a lease or a page that was written for at most `longest` has not ended."""
    return until is not None and now < until <= now + longest + SKEW


def has_passed(since: datetime, now: datetime, span: timedelta) -> bool:
    """Whether `span` has passed since then. A moment further ahead than `SKEW` counts as long ago."""
    return not now - span < since <= now + SKEW


def lease_ended(column: str, now: datetime, longest: timedelta) -> Q:
    """Rows whose lease in `column` is empty or does not run, in the sense of `is_running`."""
    running = Q(**{f"{column}__gt": now, f"{column}__lte": now + longest + SKEW})
    return Q(**{f"{column}__isnull": True}) | ~running


def database_now() -> datetime:
    """The clock that all processes share. SQLite runs on this machine and uses its clock."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def moment_in(span: timedelta) -> tuple[str, Any]:
    """The same clock, so much later, as SQL with one parameter: for a statement that writes without asking first."""
    if connection.vendor == "sqlite":
        return "%s", connection.ops.adapt_datetimefield_value(timezone.now() + span)
    return "clock_timestamp() + %s", span
