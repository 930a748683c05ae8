"""Counts requests in a table of their own: nothing is culled, and each count is one statement of the database.

The cache would not do: it culls keys when there are many, and reads before it writes. Redis is not needed for it.
"""

import threading
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from core.clocks import SKEW
from core.models import Counter

# Without a span that has ended, and without one that a clock has begun that was set back since.
RUNNING = f"core_counter.ends > excluded.started AND core_counter.started <= excluded.started + {SKEW.total_seconds()}"
COUNT = f"""
    INSERT INTO core_counter
        (key, scope, count, started, ends, refused, free_at, admitted, is_alarming, address)
    VALUES (%s, %s, 1, %s, %s, 0, 0, 0, FALSE, '')
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN {RUNNING} THEN core_counter.count + 1 ELSE 1 END,
        started = CASE WHEN {RUNNING} THEN core_counter.started ELSE excluded.started END,
        ends = CASE WHEN {RUNNING} THEN core_counter.ends ELSE excluded.ends END
    RETURNING count, started
"""  # noqa: S608 - names of columns and a number only
PURGED_AT_ONCE = 10_000
MOST_IN_MEMORY = 100_000


@dataclass(frozen=True)
class Count:
    """The number of this call in its span, from 1, and when the span began."""

    number: int
    started: float


def key_of(scope: str, subject: str) -> str:
    return salted_hmac("core.counters", f"{scope}:{subject}", algorithm="sha256").hexdigest()


def count(scope: str, subject: str, seconds: float, now: float) -> Count:
    """Adds one, for all processes, and begins a new span after `seconds`. Raises the errors of the database."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [key_of(scope, subject), scope, now, now + seconds])
        return Count(*cursor.fetchone())


def purge_expired(now: float) -> int:
    """Deletes rows whose span has ended; returns how many. In parts, so that no lock is held for long."""
    purged = 0
    while keys := list(expired(now).values_list("pk", flat=True)[:PURGED_AT_ONCE]):
        # The span is compared again: somebody may have begun a new one meanwhile.
        purged += expired(now).filter(pk__in=keys).delete()[0]
    return purged


def expired(now: float) -> "QuerySet[Counter]":
    return Counter.objects.filter(ends__lte=now)


class MemoryCounters:
    """The same, in this process only: for rates, while the database is down or busy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[Count, float]] = {}

    def count(self, scope: str, subject: str, seconds: float, now: float) -> Count:
        key = f"{scope}:{subject}"
        with self._lock:
            if len(self._counts) >= MOST_IN_MEMORY and key not in self._counts:
                # Whoever has been counted least lately: they have slowed down.
                del self._counts[next(iter(self._counts))]
            last, ends = self._counts.get(key, (Count(0, now), 0.0))
            if not (ends > now and last.started <= now + SKEW.total_seconds()):
                last, ends = Count(0, now), now + seconds
            self._counts.pop(key, None)  # so that the order is that of the last use
            self._counts[key] = Count(last.number + 1, last.started), ends
            return self._counts[key][0]

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()


memory_counters = MemoryCounters()
