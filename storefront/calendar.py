"""The free times of a puja: days of a month, and times of a day."""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.utils import timezone

from booking.models import PujaService, Slot
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
            days = (max(since, self.first_day) + timedelta(days=ahead) for ahead in range(2))
            return next((day for day in days if day <= self.last_day and any(self._open_hours(day))), None)
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
            return [Time(start, None) for start in self._open_hours(day)]
        slots = Slot.objects.filter(
            service=self.service,
            is_open=True,
            starts_at__gte=max(self.earliest, midnight(day)),
            starts_at__lt=midnight(day + timedelta(days=1)),
        )
        return [Time(slot.starts_at, slot.available, slot.pk) for slot in slots]

    def _free_days(self, first: date, last: date) -> set[date]:
        first, last = max(first, self.first_day), min(last, self.last_day)
        if not self.has_slots:
            days = {first + timedelta(days=ahead) for ahead in range((last - first).days + 1)}
            return days if first != self.first_day or any(self._open_hours(first)) else days - {first}
        free = free_slots(self.service.pk, max(self.earliest, midnight(first)))
        starts = free.filter(starts_at__lt=midnight(last + timedelta(days=1)))
        return {timezone.localdate(start) for start in starts.values_list("starts_at", flat=True)}

    def _open_hours(self, day: date) -> Iterator[datetime]:
        start = timezone.make_aware(datetime.combine(day, time(settings.OPENING_HOUR)))
        closes = timezone.make_aware(datetime.combine(day, time(settings.CLOSING_HOUR)))
        while start <= closes:
            if start >= self.earliest:
                yield start
            start += STEP


def midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def month_beside(first: date, months: int) -> date:
    """The first day of the month that is so many months later, or earlier."""
    number = first.year * 12 + first.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)
