"""The temple closes a time that people have paid for."""

import pytest

from booking.models import Booking, Slot
from payment.models import Offer, Payment, Refund
from payment.services.closing import Outcome, move_all, refund_all
from payment.services.settling import settle
from payment.states import Fulfilment
from tests import people
from tests.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db


@pytest.fixture
def another(service, slot):
    return people.make_slot(service, days=4, capacity=1)


def book(who, package, slot) -> Payment:
    payment = make_payment(people.make_checkout(people.make_cart(who, package, slot.starts_at)))
    return settle(payment.attempts.get().pk, completed(), "worker")


@pytest.fixture
def booked(alice, charlie, package, slot):
    return [book(who, package, slot) for who in (alice, charlie)]


def outcomes(cleared) -> list[Outcome]:
    return [each.outcome for each in cleared]


def places(slot: Slot) -> tuple[int, int]:
    slot.refresh_from_db()
    return slot.held, slot.booked


def test_all_are_cancelled_and_get_everything_back_whatever_the_policy_says(booked, slot, staff, settings):
    settings.REFUND_POLICY = [(48, 0)]

    assert outcomes(refund_all(slot, "the river has risen", staff)) == [Outcome.REFUNDED] * 2

    assert set(Booking.objects.values_list("status", flat=True)) == {Booking.Status.CANCELLED}
    assert list(Refund.objects.values_list("amount_paise", "asked_by")) == [(110_000, staff.pk)] * 2
    assert places(slot) == (0, 0)
    assert not slot.is_open


def test_a_second_time_there_is_nothing_left_to_do(booked, slot, staff):
    refund_all(slot, "the river has risen", staff)

    assert refund_all(slot, "the river has risen", staff) == []
    assert Refund.objects.count() == 2


def test_they_are_moved_as_long_as_there_is_room_and_the_rest_is_left_for_another_call(
    booked, slot, another, staff
):
    assert outcomes(move_all(slot, "the priest is ill", another)) == [Outcome.MOVED, Outcome.NO_ROOM]
    assert (places(slot), places(another)) == ((0, 1), (0, 1))

    assert outcomes(refund_all(slot, "the priest is ill", staff)) == [Outcome.REFUNDED]

    first, second = Booking.objects.order_by("pk")
    assert (first.starts_at, first.status) == (another.starts_at, Booking.Status.CONFIRMED)
    assert first.moved_because == "the priest is ill"
    assert second.status == Booking.Status.CANCELLED
    assert (places(slot), places(another)) == ((0, 0), (0, 1))
    assert booked[0].changes.filter(rule="moved_by_temple").exists()


def test_without_a_chosen_time_each_goes_to_the_nearest_free_one(booked, slot, another, service):
    later = people.make_slot(service, days=9)

    assert outcomes(move_all(slot, "festival")) == [Outcome.MOVED] * 2

    assert (places(another), places(later)) == ((0, 1), (0, 1))


def test_a_moved_booking_that_is_cancelled_frees_its_new_place(booked, slot, another, staff):
    move_all(slot, "festival", another)

    refund_all(another, "and that one too", staff)

    assert places(another) == (0, 0)


def test_who_is_just_paying_for_a_closed_time_is_offered_another(alice, package, slot, another, staff):
    payment = make_payment(people.make_checkout(people.make_cart(alice, package, slot.starts_at)))

    assert refund_all(slot, "closed", staff) == []
    assert places(slot) == (0, 0)
    settled = settle(payment.attempts.get().pk, completed(), "worker")

    assert settled.fulfilment == Fulfilment.OFFERED
    assert Offer.objects.get().payment == payment
