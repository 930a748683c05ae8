"""Closing a time, as staff do it on the wire."""

from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Booking, Slot
from payment.models import Refund
from payment.services.outcomes import apply_status
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db


@pytest.fixture
def booked(cart):
    payment = make_payment(builders.make_checkout(cart))
    return apply_status(payment.attempts.get().pk, completed(), "worker")


@pytest.fixture
def close(api, staff, slot):
    def ask(**body):
        return api(staff).post(f"/api/puja/slots/{slot.pk}/close/", {"reason": "the river has risen", **body})

    return ask


def test_all_are_refunded_and_the_answer_names_them(close, booked):
    answer = close(then="refund")

    (cleared,) = answer.json()
    assert answer.headers["X-Bookings-Left"] == "0"
    assert (cleared["book_id"], cleared["result"]) == (Booking.objects.get().book_id, "refunded")
    assert Refund.objects.get().amount_paise == 110_000


def test_all_are_moved_to_the_time_that_was_named(close, booked, service):
    another = builders.make_slot(service, days=4)

    (cleared,) = close(then="move", to=another.pk).json()

    assert cleared["result"] == "moved"
    assert Booking.objects.get().starts_at == another.starts_at


def test_nobody_is_moved_to_another_puja_or_to_the_same_time(close, booked, slot):
    foreign = builders.make_slot(builders.make_service("Griha Shanti"))

    assert [close(then="move", to=pk).status_code for pk in (foreign.pk, slot.pk)] == [404, 404]
    slot.refresh_from_db()
    assert slot.is_open


def test_what_becomes_of_the_bookings_must_be_said(close, booked):
    answer = close()

    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["then"])


def test_a_time_that_is_too_near_is_offered_not_given(close, booked, service):
    near = Slot.objects.create(
        service=service, starts_at=timezone.now() + timedelta(seconds=7_000), capacity=1
    )
    before = Booking.objects.get().starts_at

    (cleared,) = close(then="move", to=near.pk).json()

    assert cleared["result"] == "offered"
    assert Booking.objects.get().starts_at == before


def test_who_is_refunded_cannot_be_moved_too(close, booked, service):
    another = builders.make_slot(service, days=4)

    answer = close(then="refund", to=another.pk)

    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["to"])
    assert not Refund.objects.exists()
