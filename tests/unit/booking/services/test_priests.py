"""A priest is never at two pujas at one time, and is freed with the booking, however it goes."""

from datetime import time, timedelta
from itertools import pairwise

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from booking.models import Assignment, Booking, Priest, PriestHours, PriestLanguage
from booking.services import book, call_off_time, cancel, move, move_by_customer
from booking.services.priests import (
    NotAssignable,
    PriestAway,
    PriestBusy,
    assign,
    close_feed,
    open_feed,
    priest_of_feed,
    set_leave,
    suggest,
    unassign,
    without_priest,
)
from tests.harness import builders
from tests.harness.races import at_once, while_uncommitted

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def make_booking(package):
    """Bookings of pujas of ninety minutes."""

    def make(days: int = 3, hour: int = 10) -> Booking:
        slot = builders.make_slot(package.puja_service, days, hour)
        cart = builders.make_cart(builders.make_user(), package, slot.starts_at)
        return book(builders.make_checkout(cart))

    return make


@pytest.fixture
def priest(service):
    made = Priest.objects.create(name="Pandit Ravi", email="ravi@example.com")
    made.services.add(service)
    PriestLanguage.objects.create(priest=made, language="HINDI")
    return made


def holders(booking) -> list[str]:
    return [each.priest.name for each in Assignment.objects.filter(booking=booking, freed_at=None)]


def test_a_priest_is_assigned_once_for_the_length_of_the_puja(make_booking, priest, staff):
    booking = make_booking()
    first, again = assign(booking, priest, staff), assign(booking, priest, staff)
    assert (first, first.ends - first.begins, first.news) == (again, timedelta(minutes=90), "NEW")
    assert Assignment.objects.count() == 1


@pytest.mark.parametrize(("hour", "is_free"), [(9, False), (10, False), (11, False), (8, True), (12, True)])
def test_no_two_pujas_of_one_priest_overlap(make_booking, priest, hour, is_free):
    assign(make_booking(hour=10), priest, None)
    other = make_booking(days=3, hour=hour) if hour != 10 else make_booking_at_ten(make_booking)
    if is_free:
        assert assign(other, priest, None)
    else:
        with pytest.raises(PriestBusy):
            assign(other, priest, None)


def make_booking_at_ten(make_booking) -> Booking:
    booking = make_booking(hour=15)
    Booking.objects.filter(pk=booking.pk).update(starts_at=builders.in_days(3, 10))
    booking.refresh_from_db()
    return booking


def test_the_database_itself_refuses_an_overlap(make_booking, priest):
    row = assign(make_booking(), priest, None)
    other = make_booking(hour=14)
    fields = {"booking": other, "priest": priest}
    for shift in (-89, -1, 0, 1, 89):
        begins = row.begins + timedelta(minutes=shift)
        with pytest.raises(IntegrityError), transaction.atomic():
            Assignment.objects.create(begins=begins, ends=begins + timedelta(minutes=90), **fields)
    beside = Assignment.objects.create(begins=row.ends, ends=row.ends + HOUR, **fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        Assignment.objects.filter(pk=beside.pk).update(begins=row.begins)
    Assignment.objects.filter(pk=row.pk).update(freed_at=timezone.now())
    assert Assignment.objects.filter(pk=beside.pk).update(begins=row.begins)
    with pytest.raises(IntegrityError), transaction.atomic():
        Assignment.objects.filter(pk=row.pk).update(freed_at=None)


def test_of_several_who_assign_one_priest_at_once_one_wins(make_booking, priest):
    bookings = [make_booking(hour=10), make_booking(hour=11), make_booking(hour=9)]
    outcomes = at_once(*(lambda each=each: assign(each, priest, None) for each in bookings))
    won = [each for each in outcomes if isinstance(each, Assignment)]
    rows = list(Assignment.objects.order_by("begins"))
    assert len(rows) == len(won) >= 1
    assert all(first.ends <= second.begins for first, second in pairwise(rows))
    assert all(isinstance(each, (Assignment, PriestBusy)) for each in outcomes)


def test_whoever_assigns_while_another_one_does_is_refused(make_booking, priest):
    first, second = make_booking(hour=10), make_booking(hour=11)
    outcome = while_uncommitted(lambda: assign(first, priest, None), lambda: assign(second, priest, None))
    assert isinstance(outcome, PriestBusy)
    assert Assignment.objects.get().booking == first


def test_rows_that_are_written_past_the_service_at_once_do_not_overlap(make_booking, priest):
    """No lock of ours: the constraint alone."""
    bookings = [make_booking(hour=10), make_booking(hour=11)]

    def write(booking):
        begins = booking.starts_at
        ends = begins + timedelta(minutes=90)
        return Assignment.objects.create(booking=booking, priest=priest, begins=begins, ends=ends)

    outcomes = at_once(*(lambda each=each: write(each) for each in bookings))
    assert sorted(type(each).__name__ for each in outcomes) == ["Assignment", "IntegrityError"]


def slot_in(booking, days, hour=10):
    return builders.make_slot(booking.checkout.puja_service, days, hour)


@pytest.mark.parametrize(
    "end",
    [
        lambda booking: cancel(booking, "ill"),
        lambda booking: call_off_time(booking, timezone.now() + HOUR, "eclipse"),
        lambda booking: unassign(booking.assignments.get(), "ill"),
    ],
    ids=["cancelled", "called off", "unassigned"],
)
def test_a_booking_that_ends_frees_its_priest_at_once(make_booking, priest, end):
    booking = make_booking()
    assign(booking, priest, None)
    assert end(booking)
    row = Assignment.objects.get()
    assert (row.freed_at is None, row.news) == (False, "FREED")
    assert assign(make_booking_at_ten(make_booking), priest, None)


@pytest.mark.parametrize(
    "shift",
    [lambda booking, slot: move(booking, slot, "eclipse"), move_by_customer],
    ids=["by the temple", "by the customer"],
)
def test_a_moved_booking_keeps_a_priest_who_is_free_then_and_frees_the_old_time(make_booking, priest, shift):
    booking = make_booking()
    assign(booking, priest, None)
    Assignment.objects.update(news="")
    new = slot_in(booking, 5)
    assert shift(booking, new)
    row = Assignment.objects.get()
    assert (row.begins, row.ends - row.begins, row.news) == (new.starts_at, timedelta(minutes=90), "MOVED")
    assert assign(make_booking_at_ten(make_booking), priest, None)


@pytest.mark.parametrize("why", ["busy", "on leave", "gone"])
def test_a_moved_booking_loses_a_priest_who_is_not_free_then(make_booking, priest, why):
    booking = make_booking()
    assign(booking, priest, None)
    new = slot_in(booking, 5)
    if why == "busy":
        assign(make_booking(days=5, hour=11), priest, None)
    elif why == "on leave":
        set_leave(priest, new.starts_at - HOUR, new.starts_at + HOUR)
    else:
        Priest.objects.update(is_active=False)
    assert move_by_customer(booking, new)
    assert holders(booking) == []


def test_a_move_that_is_refused_keeps_the_priest_as_they_were(make_booking, priest):
    booking = make_booking()
    before = assign(booking, priest, None)
    new = slot_in(booking, 5)
    type(new).objects.filter(pk=new.pk).update(is_open=False)
    with pytest.raises(Exception, match="no longer available"):
        move_by_customer(booking, new)
    before.refresh_from_db()
    assert (before.begins, before.freed_at, before.news) == (booking.starts_at, None, "NEW")


def test_nobody_is_assigned_on_leave_or_to_a_booking_that_does_not_stand(make_booking, priest):
    booking = make_booking()
    assert set_leave(priest, booking.starts_at + HOUR, booking.starts_at + 2 * HOUR) == 0
    with pytest.raises(PriestAway):
        assign(booking, priest, None)
    priest.leaves.all().delete()
    cancel(booking, "ill")
    with pytest.raises(NotAssignable):
        assign(booking, priest, None)


def test_leave_names_the_bookings_that_somebody_else_must_take(make_booking, priest):
    booking = make_booking()
    assign(booking, priest, None)
    assert set_leave(priest, booking.starts_at, booking.starts_at + HOUR) == 1
    assert holders(booking) == [priest.name]


def test_who_knows_the_puja_is_free_and_has_done_least_is_suggested_first(make_booking, priest, service):
    booking = make_booking()

    def add(name, knows=True, language="HINDI"):
        other = Priest.objects.create(name=name)
        if knows:
            other.services.add(service)
        PriestLanguage.objects.create(priest=other, language=language)
        return other

    _stranger, _foreign, busy, away, tired, late = (
        add("Stranger", knows=False),
        add("Foreign", language="ENGLISH"),
        add("Busy"),
        add("Away"),
        add("Tired"),
        add("Late riser"),
    )
    assign(make_booking(hour=11), busy, None)
    set_leave(away, booking.starts_at, booking.starts_at + HOUR)
    assign(make_booking(days=2, hour=18), tired, None)
    weekday = timezone.localtime(booking.starts_at).isoweekday()
    PriestHours.objects.create(priest=late, weekday=weekday, begins=time(12), ends=time(20))
    names = [each.priest.name for each in suggest(booking)]
    assert names[:2] == [priest.name, "Tired"]
    assert set(names[2:5]) == {"Stranger", "Foreign", "Late riser"}
    assert set(names[5:]) == {"Busy", "Away"}
    by_name = {each.priest.name: each for each in suggest(booking)}
    assert (by_name["Busy"].can, by_name["Away"].can, by_name["Tired"].load) == (False, False, 1)
    assert by_name["Tired"].minutes_apart == 14 * 60 + 30


def test_suggestions_take_as_many_queries_for_many_priests(make_booking, service, django_assert_num_queries):
    booking = Booking.objects.select_related("checkout").get(pk=make_booking().pk)
    for count in (2, 12):
        for number in range(count):
            Priest.objects.create(name=f"Pandit {number}").services.add(service)
        with django_assert_num_queries(6):
            suggest(booking)


def test_bookings_that_lack_a_priest_are_listed_until_they_have_enough(make_booking, priest):
    booking = make_booking()
    span = (timezone.now(), timezone.now() + timedelta(days=9))
    assert list(without_priest(*span)) == [booking]
    assign(booking, priest, None)
    assert list(without_priest(*span)) == []
    cancel(booking, "ill")
    assert list(without_priest(*span)) == []


def test_the_secret_of_a_feed_is_renewed_and_ended(priest):
    first = open_feed(priest)
    assert priest_of_feed(first) == priest
    second = open_feed(priest)
    assert (priest_of_feed(first), priest_of_feed(second)) == (None, priest)
    close_feed(priest)
    assert priest_of_feed(second) is None
