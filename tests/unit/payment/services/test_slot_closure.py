"""The temple closes a time that people have paid for."""

from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Booking, Slot
from payment.models import Offer, Payment, Refund
from payment.services.outcomes import apply_status
from payment.services.slot_closure import MOST_AT_ONCE, Outcome, move_all, refund_all
from payment.states import Fulfilment
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db


@pytest.fixture
def another(service, slot):
    return builders.make_slot(service, days=4, capacity=1)


def book(who, package, slot) -> Payment:
    payment = make_payment(builders.make_checkout(builders.make_cart(who, package, slot.starts_at)))
    return apply_status(payment.attempts.get().pk, completed(), "worker")


@pytest.fixture
def booked(alice, charlie, package, slot):
    return [book(who, package, slot) for who in (alice, charlie)]


def outcomes(closing) -> list[Outcome]:
    return [each.outcome for each in closing.cleared]


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

    assert refund_all(slot, "the river has risen", staff).cleared == []
    assert Refund.objects.count() == 2


def test_they_are_moved_as_long_as_there_is_room_and_the_rest_is_left_for_another_call(
    booked, slot, another, staff
):
    assert outcomes(move_all(slot, "the priest is ill", staff, another)) == [
        Outcome.MOVED,
        Outcome.NO_ROOM,
    ]
    assert (places(slot), places(another)) == ((0, 1), (0, 1))

    assert outcomes(refund_all(slot, "the priest is ill", staff)) == [Outcome.REFUNDED]

    first, second = Booking.objects.order_by("pk")
    assert (first.starts_at, first.status) == (another.starts_at, Booking.Status.CONFIRMED)
    assert first.moved_because == "the priest is ill"
    assert second.status == Booking.Status.CANCELLED
    assert (places(slot), places(another)) == ((0, 0), (0, 1))
    was = timezone.localtime(slot.starts_at)
    assert booked[0].changes.get(rule="moved_by_temple").detail.startswith(f"from {was:%Y-%m-%d %H:%M}: ")


def test_without_a_chosen_time_each_goes_to_the_nearest_free_one(booked, slot, another, service):
    later = builders.make_slot(service, days=9)

    assert outcomes(move_all(slot, "festival", builders.make_superuser())) == [Outcome.MOVED] * 2

    assert (places(another), places(later)) == ((0, 1), (0, 1))


def test_a_moved_booking_that_is_cancelled_frees_its_new_place(booked, slot, another, staff):
    move_all(slot, "festival", builders.make_superuser(), another)

    refund_all(another, "and that one too", staff)

    assert places(another) == (0, 0)


def test_who_is_just_paying_for_a_closed_time_is_offered_another(alice, package, slot, another, staff):
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))

    assert refund_all(slot, "closed", staff).cleared == []
    assert places(slot) == (0, 0)
    settled = apply_status(payment.attempts.get().pk, completed(), "worker")

    assert settled.fulfilment == Fulfilment.OFFERED
    assert Offer.objects.get().payment == payment


@pytest.fixture
def three_more(booked, service, package, slot):
    slot.capacity = 10
    slot.save(update_fields=["capacity"])
    for number in range(3):
        book(builders.make_user(f"guest{number}@example.com"), package, slot)


@pytest.mark.parametrize("action", ["refund", "move"])
def test_a_call_deals_with_so_many_and_the_next_goes_on(action, three_more, slot, service, staff):
    builders.make_slot(service, days=9, capacity=10)

    def close():
        if action == "refund":
            return refund_all(slot, "the river has risen", staff, most=2)
        return move_all(slot, "the river has risen", builders.make_superuser(), most=2)

    closings = [close() for _ in range(4)]

    assert [(len(closing.cleared), closing.left) for closing in closings] == [(2, 3), (2, 1), (1, 0), (0, 0)]
    dealt_with = [cleared.booking for closing in closings for cleared in closing.cleared]
    assert len(set(dealt_with)) == 5
    assert places(slot) == (0, 0)


def test_who_has_been_asked_to_choose_keeps_nobody_from_being_asked(three_more, slot, service):
    """They hold their place until they choose, and do not come up before others do."""
    soon = timezone.now() + timedelta(hours=5)
    Slot.objects.create(service=service, starts_at=soon.replace(second=0, microsecond=0), capacity=10)

    closings = [move_all(slot, "the river has risen", builders.make_superuser(), most=2) for _ in range(3)]

    assert [closing.left for closing in closings] == [3, 1, 0]
    assert Offer.objects.count() == 5


def test_a_request_deals_with_a_hundred_at_most():
    assert MOST_AT_ONCE == 100
