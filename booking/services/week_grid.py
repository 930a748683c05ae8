"""The slots of some days with their fill, for staff: two queries, whatever they hold."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.utils import timezone

from booking.models import ClosedPeriod, Slot

MOST_SLOTS = 600


@dataclass
class GridDay:
    date: date
    slots: list[Slot] = field(default_factory=list)
    closed: list[ClosedPeriod] = field(default_factory=list)

    @property
    def capacity(self) -> int:
        return sum(slot.capacity for slot in self.slots if slot.is_on_sale)

    @property
    def booked(self) -> int:
        return sum(slot.booked for slot in self.slots)


@dataclass(frozen=True)
class Grid:
    days: list[GridDay]
    is_cut: bool  # there are more slots than MOST_SLOTS


def grid_of(first: date, days: int, service: int | None = None) -> Grid:
    """Of one puja, or of all."""
    by_day = {day: GridDay(day) for ahead in range(days) for day in (first + timedelta(days=ahead),)}
    since, until = (
        timezone.make_aware(datetime.combine(day, time.min)) for day in (first, first + timedelta(days=days))
    )
    slots = Slot.objects.select_related("service").filter(starts_at__gte=since, starts_at__lt=until)
    closed = ClosedPeriod.objects.select_related("service").filter(begins__lt=until, ends__gt=since)
    if service is not None:
        slots, closed = slots.filter(service=service), closed.of(service)
    rows = list(slots.order_by("starts_at", "service__title")[: MOST_SLOTS + 1])
    for slot in rows[:MOST_SLOTS]:
        by_day[timezone.localdate(slot.starts_at)].slots.append(slot)
    for period in closed:
        for day, each in by_day.items():
            if (
                timezone.localdate(period.begins)
                <= day
                <= timezone.localdate(period.ends - timedelta(minutes=1))
            ):
                each.closed.append(period)
    return Grid(list(by_day.values()), len(rows) > MOST_SLOTS)
