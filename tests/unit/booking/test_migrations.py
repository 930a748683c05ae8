"""Rows that were written by an older release are mended when the database is migrated."""

import pytest
from django.db import connection
from django.db.models import F

from booking.models import Booking, Slot, SlotHold
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import cancel_booking
from tests.harness import builders
from tests.harness.invariants import LAWS, query, violations
from tests.harness.migrations import UnsquashedExecutor
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)
LAW = "held and booked places are those of the holds"
REPAIR = "0029_places_of_moved_bookings"


def repair() -> None:
    """As the upgrade does it, once more."""
    executor = UnsquashedExecutor(connection)
    module = executor.loader.get_migration("booking", REPAIR)
    module.operations[0].code(executor.loader.project_state(("booking", REPAIR)).apps, None)


@pytest.fixture
def moved(alice, charlie, package, service):
    """Two bookings in one slot, as the former release left them: counted, and without a hold."""
    slot = builders.make_slot(service, capacity=5)
    for person in (alice, charlie):
        cart = builders.make_cart(person, package, slot.starts_at)
        payment = make_payment(builders.make_checkout(cart))
        apply_status(payment.attempts.get().pk, completed(), "worker")
    SlotHold.objects.filter(slot=slot).delete()
    assert Slot.objects.get(pk=slot.pk).booked == 2
    return slot


def test_a_moved_booking_gets_the_hold_that_it_lacks_and_gives_its_place_back(moved):
    assert violations(query, {LAW: LAWS[LAW]})
    for _ in range(2):
        repair()
        assert not violations(query, {LAW: LAWS[LAW]})
        assert (Slot.objects.get(pk=moved.pk).booked, SlotHold.objects.filter(slot=moved).count()) == (2, 2)

    cancel_booking(Booking.objects.select_related("checkout").earliest("pk"), "cannot come")
    assert Slot.objects.get(pk=moved.pk).booked == 1
    assert not violations(query, {LAW: LAWS[LAW]})


def test_the_place_of_a_booking_that_was_cancelled_since_is_free_again(moved):
    Booking.objects.filter(pk=Booking.objects.earliest("pk").pk).update(status="CANCELLED")
    repair()
    assert Slot.objects.get(pk=moved.pk).booked == 1
    assert not violations(query, {LAW: LAWS[LAW]})


def test_a_slot_that_is_right_is_left_alone(moved, service):
    Slot.objects.filter(pk=moved.pk).update(booked=0)
    other = builders.make_slot(service, days=9, capacity=2)
    Slot.objects.filter(pk=other.pk).update(held=F("held"))
    repair()
    assert not SlotHold.objects.exists()
    assert {each.booked for each in Slot.objects.all()} == {0}
