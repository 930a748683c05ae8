"""When PhonePe is asked what became of an order.

PhonePe prescribes the questions up to the end of the page's life (docs/phonepe.md, "When to ask").
The tail after it is ours: money has been seen to arrive after expiry.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings

MINUTE, HOUR, DAY = 60, 3_600, 86_400

# For so many seconds, a question every so many seconds; then one a minute until the page expires.
PRESCRIBED = ((30, 3), (60, 6), (60, 10), (60, 30))
TAIL = (5 * MINUTE, HOUR, 6 * HOUR, *(day * DAY for day in range(1, 8)))


def scaled(seconds: int) -> timedelta:
    """A span of our own schedules, holds and leases; PAYMENT_TIME_SCALE makes them shorter in tests."""
    return timedelta(seconds=seconds) / settings.PAYMENT_TIME_SCALE


def next_question(
    sent_at: datetime, expires_at: datetime, now: datetime, *, closed: bool = False
) -> datetime | None:
    """The first prescribed moment after `now`, or None when the tail has ended.

    Computed from the table each time, so that late answers do not make the schedule drift.
    """
    moments = _tail(expires_at) if closed else _moments(sent_at, expires_at)
    return next((moment for moment in moments if moment > now), None)


def _moments(sent_at: datetime, expires_at: datetime) -> Iterator[datetime]:
    # Not while the request that sends it is still at it.
    moment = sent_at + scaled(max(20, settings.PHONEPE_DEADLINE + 5))
    yield moment
    for span, step in PRESCRIBED:
        for _ in range(span // step):
            moment += scaled(step)
            yield moment
    while (moment := moment + scaled(MINUTE)) < expires_at:
        yield moment
    yield from _tail(max(expires_at, moment - scaled(MINUTE)))


def _tail(expires_at: datetime) -> Iterator[datetime]:
    return (expires_at + scaled(offset) for offset in TAIL)
