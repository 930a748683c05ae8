"""Slots in bulk: the preview says what is made, and nothing is made twice."""

from datetime import date, time, timedelta

import pytest
from django.utils import timezone

from booking.models import Slot
from booking.services.openings import Period, close_periods, set_hours
from booking.services.slot_series import MOST_SLOTS, SeriesTooLong, SlotSeries, make_series, plan_series
from tests.harness import builders

pytestmark = pytest.mark.django_db(transaction=True)
EVERY_DAY = frozenset(range(1, 8))


def series(service, **fields) -> SlotSeries:
    today = timezone.localdate()
    defaults = {
        "weekdays": EVERY_DAY,
        "times": (time(8), time(18, 30)),
        "capacity": 5,
        "first": today + timedelta(days=1),
        "last": today + timedelta(days=7),
    }
    return SlotSeries(service, **defaults | fields)


def test_every_start_of_the_series_is_made_once(service):
    assert len(make_series(series(service)).new) == 14
    again = make_series(series(service))
    assert (again.new, len(again.existing), Slot.objects.count()) == ([], 14, 14)
    assert set(Slot.objects.values_list("capacity", flat=True)) == {5}


def test_only_the_chosen_weekdays(service):
    tomorrow = timezone.localdate() + timedelta(days=1)
    plan = make_series(series(service, weekdays=frozenset({tomorrow.isoweekday()}), times=(time(9),)))
    assert [timezone.localdate(start) for start in plan.new] == [tomorrow]


def test_what_there_is_keeps_its_places_and_its_bookings(service):
    there = builders.make_slot(service, 2, 8, capacity=2, booked=1)
    plan = make_series(series(service))
    there.refresh_from_db()
    assert (plan.existing, there.capacity, there.booked) == ([there], 2, 1)


def test_no_slot_is_made_on_a_closed_day_outside_the_hours_or_in_the_past(service):
    day = timezone.localdate() + timedelta(days=2)
    close_periods([Period(builders.in_days(2, 0), builders.in_days(3, 0))], None)
    set_hours(None, {(day + timedelta(days=1)).isoweekday(): [(time(6), time(12))]})
    plan = make_series(series(service, first=date(2020, 1, 1), last=date(2020, 1, 1)))
    assert (len(plan.passed), Slot.objects.count()) == (2, 0)
    plan = make_series(series(service))
    assert [timezone.localdate(start) for start in plan.closed] == [day, day]
    assert [timezone.localtime(start).hour for start in plan.outside_hours] == [18]
    assert Slot.objects.filter(is_suspended=False).count() == len(plan.new) == 11


def test_the_preview_makes_nothing_and_says_that_any_time_ends(service):
    assert plan_series(series(service)).is_first
    assert not Slot.objects.exists()
    make_series(series(service))
    assert not plan_series(series(service)).is_first


def test_a_series_has_a_bound(service):
    last = timezone.localdate() + timedelta(days=700)
    times = tuple(time(hour) for hour in range(6, 18))
    assert 700 * len(times) > MOST_SLOTS
    with pytest.raises(SeriesTooLong):
        plan_series(series(service, last=last, times=times))
