"""Opening hours and closed periods are changed, and the slots with them. Nothing that is booked is touched by it.

Each change holds the locks of its pujas, under which slots are made too: no slot escapes a change that is just made.
The column of a slot is written with it, so that an UPDATE that waits for the slot sees the change in the locked row.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from simple_history.utils import bulk_create_with_history

from accounts.models import User
from accounts.services import lock_user
from booking.models import (
    ON_SALE,
    Booking,
    Checkout,
    ClosedPeriod,
    OpeningHours,
    OpeningTimes,
    PujaService,
    Slot,
    WaitingEntry,
)
from booking.models.opening import Span
from booking.services.places import give_back_held, lock_in_order, withdraw_offers
from core.errors import Conflict

WRITTEN_AT_ONCE = 500
NEVER = [(None, None)]  # the hours of a day on which nothing begins


class HoursOverlap(Conflict):
    default_code = "hours_overlap"
    default_detail = _("The hours of one day overlap, or end before they begin.")


@dataclass(frozen=True)
class Period:
    """Moments from `begins` until before `ends`; of one puja, or of all (None)."""

    begins: datetime
    ends: datetime
    service: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class ClosingPlan:
    """What `close_periods` would do now. `bookings` are left as they are."""

    slots: int
    held: int
    bookings: QuerySet[Booking]


@dataclass(frozen=True)
class ClosingResult:
    made: list[ClosedPeriod]
    already_closed: int
    bookings: int  # that still take place in them: staff move or refund each


def plan_closing(periods: Collection[Period]) -> ClosingPlan:
    slots = Slot.objects.filter(ON_SALE, _within(periods), starts_at__gt=timezone.now())
    sums = slots.aggregate(number=Count("pk"), held=Coalesce(Sum("held"), 0))
    return ClosingPlan(sums["number"], sums["held"], bookings_in(periods))


def close_periods(periods: Collection[Period], by: User | None) -> ClosingResult:
    """Nothing is sold in these periods any more, held places are given back, and nobody waits for them.

    Bookings stay as they are: `bookings_in` lists them. A period that was closed before is left alone. After it
    returns, no payment that was under way can still become a booking there.
    """
    made, closed_slots = _write_periods(periods, by)
    give_back_held(closed_slots)
    _await_bookings_under_way(periods)
    return ClosingResult(made, len(periods) - len(made), bookings_in(periods).count())


@transaction.atomic
def _write_periods(periods: Collection[Period], by: User | None) -> tuple[list[ClosedPeriod], list[Slot]]:
    _lock_services(period.service for period in periods)
    begins = {each.begins for each in periods}
    there = set(ClosedPeriod.objects.filter(begins__in=begins).values_list("service", "begins", "ends"))
    reasons = {(each.service, each.begins, each.ends): each.reason for each in periods}
    missing = [
        ClosedPeriod(service_id=service, begins=begins, ends=ends, reason=reason, created_by=by)
        for (service, begins, ends), reason in reasons.items()
        if (service, begins, ends) not in there
    ]
    made = bulk_create_with_history(missing, ClosedPeriod)
    closed = _refresh(Slot.objects.filter(_within(made)))
    return made, closed


def _await_bookings_under_way(periods: Collection[Period]) -> None:
    """Bookings are written under the lock of their person: those begun before the period was closed are waited for."""
    paying = Checkout.objects.filter(_within(periods, "puja_service"), state=Checkout.State.RESERVED)
    for user_id in paying.order_by().values_list("user", flat=True).distinct():
        with transaction.atomic():
            lock_user(user_id)


@transaction.atomic
def open_again(period: ClosedPeriod) -> int:
    """Deletes the closed period. Returns how many slots are on sale again; twice is once."""
    _lock_services([period.service_id])
    ClosedPeriod.objects.filter(pk=period.pk).delete()
    slots = Slot.objects.filter(_within([Period(period.begins, period.ends, period.service_id)]))
    suspended = set(slots.filter(is_suspended=True).values_list("pk", flat=True))
    _refresh(slots)
    return slots.filter(pk__in=suspended, is_suspended=False).count()


@transaction.atomic
def set_hours(service: int | None, week: Mapping[int, Collection[Span] | None]) -> None:
    """The hours of the given weekdays (1 is Monday), of one puja or of all (None), in place of those before.

    None: no hours of its own that day; an empty list: nothing begins that day. A span that stays keeps its row, so that
    the history tells what was changed. Raises HoursOverlap.
    """
    for spans in week.values():
        ordered = sorted(spans or ())
        if any(opens > closes for opens, closes in ordered) or any(
            first[1] >= second[0] for first, second in pairwise(ordered)
        ):
            raise HoursOverlap
    _lock_services([service])
    before = {
        (row.weekday, row.opens, row.closes): row.pk
        for row in OpeningHours.objects.filter(service=service, weekday__in=week)
    }
    added = [
        (weekday, *span) for weekday, spans in week.items() if spans is not None for span in spans or NEVER
    ]
    ended = [pk for key, pk in before.items() if key not in added]
    OpeningHours.objects.filter(pk__in=ended).delete()
    new = [
        OpeningHours(service_id=service, weekday=weekday, opens=opens, closes=closes)
        for weekday, opens, closes in added
        if (weekday, opens, closes) not in before
    ]
    bulk_create_with_history(new, OpeningHours)
    of_service = Q(service=service) if service is not None else Q()
    _refresh(Slot.objects.filter(of_service, starts_at__gte=timezone.now()))


def bookings_in(periods: Collection[Period]) -> "QuerySet[Booking]":
    """Confirmed ones that still begin in one of the periods, the earliest first."""
    within = _within(periods, "checkout__puja_service")
    confirmed = Booking.objects.filter(within, status=Booking.Status.CONFIRMED, starts_at__gt=timezone.now())
    return confirmed.select_related("user", "checkout").order_by("starts_at", "pk")


def _lock_services(services: Iterable[int | None]) -> None:
    """In one order. None stands for all."""
    keys = set(services)
    rows = PujaService.objects.select_for_update(no_key=True).order_by("pk")
    list((rows if None in keys else rows.filter(pk__in=keys)).values_list("pk", flat=True))


def _within(periods: Collection[Period] | Collection[ClosedPeriod], service: str = "service") -> Q:
    condition = Q(pk__in=())
    for period in periods:
        of = period.service_id if isinstance(period, ClosedPeriod) else period.service
        span = Q(starts_at__gte=period.begins, starts_at__lt=period.ends)
        condition |= span if of is None else span & Q(**{service: of})
    return condition


def _refresh(slots: "QuerySet[Slot]") -> list[Slot]:
    """Writes `is_suspended` where it has changed, under the locks of the pujas. Returns what is suspended since."""
    rows = list(slots.order_by("pk"))
    if not rows:
        return []
    starts = [slot.starts_at for slot in rows]
    times = OpeningTimes.around(min(starts), max(starts))
    changed = [
        slot for slot in rows if times.allow_slot(slot.service_id, slot.starts_at) == slot.is_suspended
    ]
    for slot in changed:
        slot.is_suspended = not slot.is_suspended
    for first in range(0, len(changed), WRITTEN_AT_ONCE):
        some = changed[first : first + WRITTEN_AT_ONCE]
        lock_in_order(*(slot.pk for slot in some))
        for state in (True, False):
            keys = [slot.pk for slot in some if slot.is_suspended is state]
            Slot.objects.filter(pk__in=keys).update(is_suspended=state)
    suspended = [slot for slot in changed if slot.is_suspended]
    offered = WaitingEntry.objects.filter(slot__in=suspended, state=WaitingEntry.State.OFFERED)
    for slot in Slot.objects.filter(pk__in=offered.values("slot")).order_by("pk"):
        withdraw_offers(slot)
    return suspended
