"""Many slots of one puja at once: the same times on chosen weekdays of a span of dates."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from booking.models import OpeningTimes, PujaService, Slot
from core.errors import Refusal

MOST_SLOTS = 2000
FURTHEST_DAY = timedelta(days=2 * 365)


class SeriesTooLong(Refusal):
    default_code = "series_too_long"
    default_detail = format_lazy(_("At most {most} times can be made at once."), most=MOST_SLOTS)


@dataclass(frozen=True)
class SlotSeries:
    """`weekdays` are those of ISO: 1 is Monday. Dates and times as people in our time zone mean them."""

    service: PujaService
    weekdays: frozenset[int]
    times: tuple[time, ...]
    capacity: int
    first: date
    last: date

    def starts(self) -> list[datetime]:
        """Raises SeriesTooLong."""
        days = (self.first + timedelta(days=ahead) for ahead in range((self.last - self.first).days + 1))
        chosen = [day for day in days if day.isoweekday() in self.weekdays]
        if len(chosen) * len(self.times) > MOST_SLOTS:
            raise SeriesTooLong
        return [
            timezone.make_aware(datetime.combine(day, start))
            for day in chosen
            for start in sorted(set(self.times))
        ]


@dataclass(frozen=True)
class SeriesPlan:
    """What becomes of each start of a series. Slots that there are keep their capacity and their bookings."""

    new: list[datetime] = field(default_factory=list)
    existing: list[Slot] = field(default_factory=list)
    closed: list[datetime] = field(default_factory=list)
    outside_hours: list[datetime] = field(default_factory=list)
    passed: list[datetime] = field(default_factory=list)
    is_first: bool = False  # the puja had no slots: it could be booked at any time until now


def plan_series(series: SlotSeries) -> SeriesPlan:
    """What `make_series` would do now. Raises SeriesTooLong."""
    starts, now = series.starts(), timezone.now()
    of_service = Slot.objects.filter(service=series.service)
    plan = SeriesPlan(is_first=not of_service.exists())
    if not starts:
        return plan
    there = {slot.starts_at: slot for slot in of_service.filter(starts_at__range=(starts[0], starts[-1]))}
    times = OpeningTimes.around(starts[0], starts[-1])
    for start in starts:
        if start in there:
            plan.existing.append(there[start])
        elif start <= now:
            plan.passed.append(start)
        elif times.is_closed(series.service.pk, start):
            plan.closed.append(start)
        elif not times.allow_slot(series.service.pk, start):
            plan.outside_hours.append(start)
        else:
            plan.new.append(start)
    return plan


@transaction.atomic
def make_series(series: SlotSeries) -> SeriesPlan:
    """Twice is once. What was made is `new` of the plan that it returns. Raises SeriesTooLong."""
    PujaService.objects.select_for_update(no_key=True).get(pk=series.service.pk)
    plan = plan_series(series)
    Slot.objects.bulk_create(
        Slot(service=series.service, starts_at=start, capacity=series.capacity) for start in plan.new
    )
    return plan
