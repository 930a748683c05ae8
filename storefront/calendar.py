"""The free times of a puja: days of a month, and times of a day."""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.utils import timezone

from booking.models import ON_SALE, OpeningTimes, PujaService, Slot
from booking.services import earliest_start
from booking.services.carts import FURTHEST
from booking.services.places import free_slots

STEP = timedelta(minutes=30)  # between the times of a puja without slots
SUNDAY = 6


@dataclass(frozen=True)
class Day:
    date: date
    is_free: bool


@dataclass(frozen=True)
class Time:
    """`left` is the number of free places; None where they are not counted, and `slot_id` is 0 then."""

    starts_at: datetime
    left: int | None
    slot_id: int = 0


class FreeTimes:
    """Of one puja, as far as they can be bought now. Pujas without slots start whenever we are open."""

    def __init__(self, service: PujaService) -> None:
        self.service, self.earliest = service, earliest_start()
        self.first_day = timezone.localdate(self.earliest)
        self.last_day = timezone.localdate() + FURTHEST
        self.has_slots = service.slots.exists()

    def first_free_day(self, since: date) -> date | None:
        if not self.has_slots:
            first = max(since, self.first_day)
            times = OpeningTimes.around(midnight(first), midnight(self.last_day + timedelta(days=1)))
            days = (first + timedelta(days=ahead) for ahead in range((self.last_day - first).days + 1))
            return next((day for day in days if any(self._open_hours(day, times))), None)
        free = free_slots(self.service.pk, max(self.earliest, midnight(since)))
        start = free.values_list("starts_at", flat=True).first()
        return timezone.localdate(start) if start and timezone.localdate(start) <= self.last_day else None

    def month(self, first: date) -> list[list[Day | None]]:
        """Weeks from Sunday on; None for days of other months."""
        weeks = calendar.Calendar(SUNDAY).monthdatescalendar(first.year, first.month)
        free = self._free_days(weeks[0][0], weeks[-1][-1])
        return [
            [Day(day, day in free) if day.month == first.month else None for day in week] for week in weeks
        ]

    def times(self, day: date) -> list[Time]:
        """Full ones, too."""
        if not self.has_slots:
            if not self.first_day <= day <= self.last_day:
                return []
            times = OpeningTimes.around(midnight(day), midnight(day + timedelta(days=1)))
            return [Time(start, None) for start in self._open_hours(day, times)]
        if day > self.last_day:
            return []
        slots = Slot.objects.filter(
            ON_SALE,
            service=self.service,
            starts_at__gte=max(self.earliest, midnight(day)),
            starts_at__lt=midnight(day + timedelta(days=1)),
        )
        return [Time(slot.starts_at, slot.available, slot.pk) for slot in slots]

    def _free_days(self, first: date, last: date) -> set[date]:
        first, last = max(first, self.first_day), min(last, self.last_day)
        if not self.has_slots:
            times = OpeningTimes.around(midnight(first), midnight(last + timedelta(days=1)))
            days = (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
            return {day for day in days if any(self._open_hours(day, times))}
        free = free_slots(self.service.pk, max(self.earliest, midnight(first)))
        starts = free.filter(starts_at__lt=midnight(last + timedelta(days=1)))
        return {timezone.localdate(start) for start in starts.values_list("starts_at", flat=True)}

    def _open_hours(self, day: date, times: OpeningTimes) -> Iterator[datetime]:
        for opens, closes in times.open_spans(self.service.pk, day):
            start, last = (timezone.make_aware(datetime.combine(day, each)) for each in (opens, closes))
            while start <= last:
                if start >= self.earliest and not times.is_closed(self.service.pk, start):
                    yield start
                start += STEP


def midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def month_beside(first: date, months: int) -> date:
    """The first day of the month that is so many months later, or earlier."""
    number = first.year * 12 + first.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)
