"""A customer is reminded of the time that their booking has, once for each moment, and of nothing that is over."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from booking.models import Booking
from booking.services import next_reminder
from notifications.models import Notification
from payment.services.booking_changes import move_booking
from payment.services.notification_delivery import attach, reason_to_drop
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import cancel_booking
from payment.services.reminders import remind
from payment.services.slot_closure import move_all
from tests.harness import builders
from tests.harness.races import at_once
from tests.unit.payment.builders import completed, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def hours(settings):
    settings.REMINDER_HOURS = [24, 1]


@pytest.fixture
def slot(service):
    return builders.make_slot(service, days=5)


@pytest.fixture
def booking(alice, package, slot) -> Booking:
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    return Booking.objects.get(checkout=payment.checkout)


def starts_in(booking: Booking, hours: float, due_hours_ago: float = 0.01) -> None:
    now = timezone.now()
    Booking.objects.filter(pk=booking.pk).update(
        starts_at=now + hours * HOUR, next_reminder_at=now - due_hours_ago * HOUR
    )


def reminders() -> list[Notification]:
    return list(Notification.objects.filter(kind="reminder").order_by("pk"))


def due_at() -> datetime | None:
    return Booking.objects.get().next_reminder_at


def test_it_is_due_a_day_and_an_hour_before(booking):
    assert due_at() == booking.starts_at - 24 * HOUR

    starts_in(booking, 23.99)
    run_due(["reminders"])
    assert due_at() == Booking.objects.get().starts_at - HOUR
    starts_in(booking, 0.9, due_hours_ago=0.1)
    run_due(["reminders"])
    assert due_at() is None
    assert len(reminders()) == 2


def test_it_names_puja_time_and_place_with_the_links(booking):
    starts_in(booking, 23)
    run_due(["reminders"])
    told = reminders()[0]

    assert told.facts["puja"] == booking.checkout.puja_title
    assert told.facts["book_id"] == booking.book_id
    assert "/booking/" in attach(told).change_link


@pytest.mark.parametrize(("hours", "expected"), [(26, 24), (23, 1), (0.5, None)])
def test_a_moment_that_has_passed_when_it_is_booked_is_left_out(hours, expected):
    now = timezone.now()
    start = now + hours * HOUR
    assert next_reminder(start, now) == (start - expected * HOUR if expected else None)


def test_what_became_due_while_no_worker_ran_is_one_message(booking):
    starts_in(booking, 0.5, due_hours_ago=23)
    run_due(["reminders"])
    run_due(["reminders"])

    assert len(reminders()) == 1
    assert due_at() is None


def test_a_puja_that_has_begun_is_not_reminded_of(booking):
    starts_in(booking, -0.1)
    run_due(["reminders"])

    assert reminders() == []
    assert due_at() is None


def test_who_has_cancelled_hears_nothing(booking):
    cancel_booking(booking, "test")
    assert due_at() is None


def test_a_message_that_waited_is_dropped_when_it_was_cancelled_or_has_begun(booking):
    starts_in(booking, 23)
    run_due(["reminders"])
    told = reminders()[0]
    assert reason_to_drop(told) == ""

    past = timezone.now() - HOUR
    Booking.objects.update(starts_at=past)
    told.facts["starts_at"] = past.isoformat()
    assert reason_to_drop(told) == "the puja has begun"
    Booking.objects.update(status="CANCELLED")
    assert reason_to_drop(told) == "the booking has been cancelled"


@pytest.mark.parametrize("by", ["customer", "temple"])
def test_after_a_move_it_is_reminded_of_the_new_time(booking, slot, service, staff, by):
    later = builders.make_slot(service, days=9)
    if by == "customer":
        move_booking(booking, later.pk)
    else:
        move_all(slot, "the river has risen", staff, to=later)

    assert due_at() == later.starts_at - 24 * HOUR


def test_a_time_that_was_called_off_is_not_reminded_of(booking):
    starts_in(booking, 23)
    Booking.objects.update(choose_until=timezone.now() + HOUR)
    run_due(["reminders"])

    assert reminders() == []


def test_without_the_setting_nobody_is_reminded(settings, alice, package, slot):
    settings.REMINDER_HOURS = []
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(payment.attempts.get().pk, completed(), "worker")

    assert due_at() is None


@pytest.mark.slow
def test_two_workers_remind_once(booking):
    starts_in(booking, 23)
    at_once(lambda: remind(booking.pk), lambda: remind(booking.pk))
    assert len(reminders()) == 1
