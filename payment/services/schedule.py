"""When the status of an order is polled.

PhonePe prescribes the polls up to the end of the page's life (docs/phonepe.md, "When the status is fetched").
The tail after it is our own rule: money has arrived after expiry. An order that stays open is polled
every day without end; a poll that got no answer is repeated before the next one is due. An order that nobody has tried
to pay needs fewer polls (docs/decisions.md, "An abandoned order is polled less often").
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

from django.conf import settings

MINUTE, HOUR, DAY = 60, 3_600, 86_400

# For so many seconds, a poll every so many seconds; then one a minute until the page expires.
PRESCRIBED = ((30, 3), (60, 6), (60, 10), (60, 30))
DAYS_OF_TAIL = 7
TAIL = (5 * MINUTE, HOUR, 6 * HOUR, *(day * DAY for day in range(1, DAYS_OF_TAIL + 1)))
# Of an order that nobody has tried to pay: no bank can be late, and its page is closed.
TAIL_IF_UNTRIED = (5 * MINUTE, HOUR, DAY)
# After the first half minute, a poll of such an order waits for at least this part of the order's age.
PART_IF_UNTRIED = 5


def scaled(seconds: int) -> timedelta:
    """A span of our own schedules, holds and leases; PAYMENT_TIME_SCALE makes them shorter in tests."""
    return timedelta(seconds=seconds) / settings.PAYMENT_TIME_SCALE


def burst() -> timedelta:
    """From the moment an order is sent to the last of the polls that come close together."""
    return _first_pause() + scaled(sum(span for span, _ in PRESCRIBED))


def longest_pause_on_page() -> timedelta:
    return max(_first_pause(), scaled(MINUTE))


def next_poll(
    sent_at: datetime, expires_at: datetime, now: datetime, *, closed: bool = False, untried: bool = False
) -> datetime | None:
    """The first prescribed moment after `now`. None only for a closed order, when its tail has ended.

    Computed from the table each time, so that late answers do not make the schedule drift. `untried`: PhonePe knows
    the order, and nobody has tried to pay it.
    """
    moments = _tail(expires_at, untried) if closed else _moments(sent_at, expires_at, now)
    if untried and not closed:
        moments = _thinned(moments, sent_at, expires_at)
    return next((moment for moment in moments if moment > now), None)


def repeated_poll(
    sent_at: datetime, expires_at: datetime, now: datetime, *, closed: bool = False
) -> datetime:
    """When to poll again after no answer: a quarter of the time since the missed moment, 1 minute to 1 day.

    Never later than the next prescribed moment.
    """
    moments = _tail(expires_at) if closed else _moments(sent_at, expires_at, now)
    missed, following = sent_at, None
    for moment in moments:
        if moment > now:
            following = moment
            break
        missed = moment
    again = now + min(max((now - missed) / 4, scaled(MINUTE)), scaled(DAY))
    return min(again, following) if following else again


def _first_pause() -> timedelta:
    """No poll while the request that sends the order is still running."""
    return scaled(max(20, settings.PHONEPE_DEADLINE + 5))


def _moments(sent_at: datetime, expires_at: datetime, now: datetime) -> Iterator[datetime]:
    moment = sent_at + _first_pause()
    yield moment
    for span, step in PRESCRIBED:
        for _ in range(span // step):
            moment += scaled(step)
            yield moment
    while (moment := moment + scaled(MINUTE)) < expires_at:
        yield moment
    tail_begins = max(expires_at, moment - scaled(MINUTE))
    yield from _tail(tail_begins)
    # After the tail one poll a day, without end. The days long past are left out.
    day = scaled(DAY)
    first = max(DAYS_OF_TAIL + 1, (now - tail_begins) // day)
    yield from (tail_begins + number * day for number in count(first))


def _thinned(moments: Iterator[datetime], sent_at: datetime, expires_at: datetime) -> Iterator[datetime]:
    """Without those that follow too soon after another one; but with the first ones, and the last before the expiry."""
    last, begins = sent_at, sent_at + _first_pause() + scaled(PRESCRIBED[0][0])
    for moment in moments:
        is_kept = moment <= begins or moment + scaled(MINUTE) >= expires_at
        if is_kept or moment - last >= (last - sent_at) / PART_IF_UNTRIED:
            last = moment
            yield moment


def _tail(expires_at: datetime, untried: bool = False) -> Iterator[datetime]:
    return (expires_at + scaled(offset) for offset in (TAIL_IF_UNTRIED if untried else TAIL))
