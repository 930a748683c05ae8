"""Opening hours and closed periods bound what is sold, at once and everywhere; what is booked stays."""

from datetime import date, datetime, time, timedelta
from functools import partial

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from booking.models import Booking, Checkout, ClosedPeriod, OpeningHours, Slot, SlotHold, WaitingEntry
from booking.services import SlotGone, book, free_slots, move_by_customer, nearby_slots
from booking.services.openings import (
    ClosingResult,
    HoursOverlap,
    Period,
    bookings_in,
    close_periods,
    open_again,
    set_hours,
)
from booking.services.places import SlotFull
from core.errors import InvalidField
from storefront.calendar import FreeTimes
from tests.harness import builders
from tests.harness.races import at_once, while_uncommitted
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


def midnight(days: int) -> datetime:
    return builders.in_days(days, 0)


def whole_day(days: int, service: int | None = None) -> Period:
    return Period(midnight(days), midnight(days + 1), service, "eclipse")


def weekday(days: int) -> int:
    return timezone.localtime(builders.in_days(days)).isoweekday()


def slot_times(api, service) -> list[str]:
    rows = api().get(f"/api/puja/services/{service.pk}/slots/").json()
    return [row["starts_at"][11:16] for row in rows]


@pytest.fixture
def slots(service):
    return [builders.make_slot(service, 3, hour) for hour in (8, 12, 18)]


@pytest.fixture
def any_time(db):
    """A package of a puja without slots."""
    return builders.make_package(builders.make_service(type="ONLINE"))


def test_a_closed_day_sells_no_slot_whatever_way_is_taken(alice, api, package, slots):
    taken = builders.make_checkout(builders.make_cart(alice, package, slots[0].starts_at))
    close_periods([whole_day(3)], None)
    assert slot_times(api, package.puja_service) == []
    assert not free_slots(package.puja_service_id, timezone.now()).exists()
    assert nearby_slots(taken) == []
    with pytest.raises(InvalidField):
        builders.make_cart(builders.make_user(), package, slots[1].starts_at)


def test_a_held_place_is_given_back_and_its_late_money_finds_no_place(alice, package, slots):
    checkout = builders.make_checkout(builders.make_cart(alice, package, slots[0].starts_at))
    close_periods([whole_day(3)], None)
    slots[0].refresh_from_db()
    assert (slots[0].held, SlotHold.objects.get().state) == (0, "RELEASED")
    with pytest.raises(SlotGone):
        book(checkout)


def test_what_is_booked_stays_and_is_listed(alice, package, slots):
    booking = book(builders.make_checkout(builders.make_cart(alice, package, slots[0].starts_at)))
    done = close_periods([whole_day(3)], None)
    booking.refresh_from_db()
    slots[0].refresh_from_db()
    assert (done.bookings, booking.status, slots[0].booked) == (1, "CONFIRMED", 1)
    assert list(bookings_in([whole_day(3)])) == [booking]


def test_a_puja_without_slots_is_closed_too(alice, any_time):
    close_periods([whole_day(3)], None)
    with pytest.raises(InvalidField) as refusal:
        builders.make_cart(alice, any_time, builders.in_days(3))
    assert "We are closed then" in str(refusal.value)
    assert builders.make_cart(alice, any_time, builders.in_days(4)).pk


def test_money_that_comes_after_the_closing_books_nothing_without_slots(alice, any_time):
    checkout = builders.make_checkout(builders.make_cart(alice, any_time, builders.in_days(3)))
    close_periods([whole_day(3)], None)
    with pytest.raises(SlotGone):
        book(checkout)
    assert not Booking.objects.exists()


def test_one_puja_is_closed_and_the_others_go_on(package, slots):
    other = builders.make_slot(builders.make_service(), 3, 12)
    close_periods([whole_day(3, package.puja_service_id)], None)
    assert set(Slot.objects.filter(is_suspended=False)) == {other}


def test_half_a_day_is_closed_from_its_first_minute_until_before_its_last(service, slots):
    close_periods([Period(slots[1].starts_at, slots[2].starts_at)], None)
    assert list(Slot.objects.filter(is_suspended=True)) == [slots[1]]


def test_nobody_waits_for_a_closed_time(alice, package, slots):
    Slot.objects.filter(pk=slots[0].pk).update(capacity=1, held=1)
    row = {"slot": slots[0], "package": package}
    offered_until = timezone.now() + timedelta(hours=1)
    WaitingEntry.objects.create(user=alice, state="OFFERED", offered_until=offered_until, **row)
    WaitingEntry.objects.create(user=builders.make_user(), **row)
    close_periods([whole_day(3)], None)
    slots[0].refresh_from_db()
    assert slots[0].held == 0
    run_due(["waiting"])
    assert set(WaitingEntry.objects.values_list("state", flat=True)) == {"PASSED"}


def test_the_same_period_twice_is_one(service):
    first, again = close_periods([whole_day(3)], None), close_periods([whole_day(3)] * 2, None)
    assert (len(first.made), len(again.made), again.already_closed) == (1, 0, 2)
    assert ClosedPeriod.objects.count() == 1


def test_a_day_that_opens_again_sells_what_was_open_before(service, slots):
    Slot.objects.filter(pk=slots[2].pk).update(is_open=False)
    period = close_periods([whole_day(3)], None).made[0]
    assert open_again(period) == 3
    assert list(free_slots(service.pk, timezone.now())) == slots[:2]
    assert open_again(period) == 0


def test_a_day_that_two_periods_close_stays_closed_until_both_are_gone(service, slots):
    first = close_periods([whole_day(3)], None).made[0]
    close_periods([whole_day(3, service.pk)], None)
    open_again(first)
    assert Slot.objects.filter(is_suspended=True).count() == 3


def test_a_slot_that_is_made_on_a_closed_day_is_not_sold(service):
    close_periods([whole_day(3)], None)
    assert not builders.make_slot(service, 3, 10).is_on_sale
    assert builders.make_slot(service, 4, 10).is_on_sale


def test_hours_of_a_weekday_bound_slots_and_pujas_without_slots(alice, service, slots, any_time):
    set_hours(None, {weekday(3): [(time(6), time(12)), (time(16), time(17, 30))]})
    assert list(Slot.objects.filter(is_suspended=True)) == [slots[2]]
    assert builders.make_cart(alice, any_time, builders.in_days(3, 16)).pk
    with pytest.raises(InvalidField) as refusal:
        builders.make_cart(alice, any_time, builders.in_days(3, 14))
    assert "6:00 AM–12:00 PM, 4:00 PM–5:30 PM" in str(refusal.value)
    assert builders.make_cart(alice, any_time, builders.in_days(4, 14)).pk  # another weekday: the setting


def test_hours_of_one_puja_take_the_place_of_those_of_all(service, slots):
    set_hours(None, {weekday(3): []})
    set_hours(service.pk, {weekday(3): [(time(8), time(8))]})
    assert list(Slot.objects.filter(is_suspended=False)) == [slots[0]]
    set_hours(service.pk, {weekday(3): None})
    assert not Slot.objects.filter(is_suspended=False).exists()
    set_hours(None, {weekday(3): None})
    assert Slot.objects.filter(is_suspended=False).count() == 3


@pytest.mark.parametrize(
    "spans", [[(time(6), time(12)), (time(11), time(13))], [(time(9), time(8))], [(time(6), time(6))] * 2]
)
def test_hours_that_overlap_are_refused(db, spans):
    with pytest.raises(HoursOverlap):
        set_hours(None, {1: spans})
    assert not OpeningHours.objects.exists()


@pytest.mark.parametrize(
    "row",
    [
        lambda: ClosedPeriod(begins=midnight(4), ends=midnight(3)),
        lambda: OpeningHours(weekday=1, opens=time(9), closes=time(8)),
        lambda: OpeningHours(weekday=8, opens=time(8), closes=time(9)),
        lambda: OpeningHours(weekday=1, opens=time(8)),
    ],
)
def test_the_database_refuses_what_makes_no_sense(db, row):
    with pytest.raises(IntegrityError), transaction.atomic():
        row().save()


def test_hours_that_are_changed_leave_paid_and_held_places_alone(alice, package, slots):
    checkout = builders.make_checkout(builders.make_cart(alice, package, slots[0].starts_at))
    set_hours(None, {weekday(3): []})
    assert book(checkout).starts_at == slots[0].starts_at
    assert Checkout.objects.get().state == "BOOKED"


def test_a_closed_day_offers_no_time_in_the_shop(any_time):
    day: date = timezone.localdate(builders.in_days(3))
    close_periods([whole_day(3)], None)
    free = FreeTimes(any_time.puja_service)
    assert free.times(day) == []
    assert free.times(day + timedelta(days=1)) != []
    assert free.first_free_day(day) == day + timedelta(days=1)
    week = [each for row in free.month(day.replace(day=1)) for each in row if each and each.date == day]
    assert [each.is_free for each in week] == [False]


def test_who_checks_out_while_the_day_is_being_closed_gets_no_place(alice, package, slots):
    cart = builders.make_cart(alice, package, slots[0].starts_at)
    outcome = while_uncommitted(
        lambda: close_periods([whole_day(3)], None), lambda: builders.make_checkout(cart)
    )
    assert isinstance(outcome, (SlotFull, InvalidField))
    assert (Slot.objects.get(pk=slots[0].pk).held, SlotHold.objects.count()) == (0, 0)


def test_money_that_is_being_booked_while_the_day_is_closed_books_nothing_without_slots(alice, any_time):
    checkout = builders.make_checkout(builders.make_cart(alice, any_time, builders.in_days(3)))
    outcome = while_uncommitted(lambda: close_periods([whole_day(3)], None), lambda: book(checkout))
    assert isinstance(outcome, SlotGone)
    assert not Booking.objects.exists()


def test_a_move_onto_a_day_that_is_being_closed_is_refused(alice, package, slots):
    later = builders.make_slot(package.puja_service, 5, 10)
    booking = book(builders.make_checkout(builders.make_cart(alice, package, later.starts_at)))
    outcome = while_uncommitted(
        lambda: close_periods([whole_day(3)], None), lambda: move_by_customer(booking, slots[0])
    )
    assert isinstance(outcome, SlotGone)
    assert Booking.objects.get().starts_at == later.starts_at


def test_a_slot_that_is_made_while_the_day_is_being_closed_is_not_sold(service):
    made = while_uncommitted(
        lambda: close_periods([whole_day(3)], None), lambda: builders.make_slot(service, 3, 9)
    )
    assert Slot.objects.get(pk=made.pk).is_suspended


def test_after_a_rush_on_a_day_that_is_closed_no_place_is_held_there(package):
    slots = [builders.make_slot(package.puja_service, 3, hour, capacity=1) for hour in (8, 12)]
    carts = [
        builders.make_cart(builders.make_user(), package, slots[number % 2].starts_at) for number in range(4)
    ]
    close = partial(close_periods, [whole_day(3)], None)
    *outcomes, closed = at_once(*(partial(check_out_and_book, cart) for cart in carts), close)
    assert isinstance(closed, ClosingResult)
    booked = [each for each in outcomes if isinstance(each, Booking)]
    assert sorted(bookings_in([whole_day(3)]), key=str) == sorted(booked, key=str)
    assert not SlotHold.objects.filter(state="HELD").exists()
    assert sum(Slot.objects.values_list("held", flat=True)) == 0
    assert sum(Slot.objects.values_list("booked", flat=True)) == len(booked)


def check_out_and_book(cart):
    checkout = builders.make_checkout(cart)
    try:
        return book(checkout)
    except SlotGone as refusal:
        return refusal
