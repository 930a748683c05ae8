from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Booking
from core.errors import Conflict, Refusal
from payment.gateways import RefundStatus
from payment.models import Refund
from payment.phonepe.enums import ProviderStatus
from payment.services.outcomes import apply_status
from payment.services.refunds.outcomes import adopt_refund
from payment.services.refunds.requests import (
    NothingLeft,
    cancel_booking,
    refundable_paise,
    request_refund,
    withdraw_refund,
)
from payment.states import RefundState
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db


@pytest.fixture
def booking(cart):
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    return Booking.objects.select_related("checkout", "user").get()


def starts_in(booking: Booking, **span: int) -> None:
    booking.starts_at = timezone.now() + timedelta(**span)
    booking.save()


def test_a_cancelled_booking_refunds_the_money_and_frees_the_place(booking, slot):
    refund = cancel_booking(booking, "travelling")

    assert (refund.amount_paise, refund.state) == (110_000, RefundState.WAITING)
    booking.refresh_from_db()
    slot.refresh_from_db()
    assert booking.status == Booking.Status.CANCELLED
    assert slot.booked == 0


def test_less_than_forty_eight_hours_ahead_nothing_goes_back(booking):
    starts_in(booking, hours=47)

    assert cancel_booking(booking, "travelling") is None
    assert not Refund.objects.exists()


def test_forty_eight_hours_ahead_all_goes_back(booking):
    starts_in(booking, hours=48, minutes=1)

    assert cancel_booking(booking, "travelling").amount_paise == 110_000


def test_a_booking_is_cancelled_and_refunded_once(booking):
    cancel_booking(booking, "travelling")

    with pytest.raises(Conflict):
        cancel_booking(booking, "once more")

    assert Refund.objects.count() == 1


def test_a_puja_that_has_begun_is_not_cancelled(booking):
    starts_in(booking, minutes=-1)

    with pytest.raises(Refusal):
        cancel_booking(booking, "too late")


def test_nothing_is_refunded_twice(booking):
    refund = cancel_booking(booking, "travelling")

    assert refundable_paise(refund.attempt) == 0


def test_a_large_refund_in_small_pieces_needs_the_second_person_too(booking, staff, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 500

    pieces = [request_refund(booking.checkout.payment.pk, 40_000, "a gesture", staff) for _ in range(2)]

    assert [piece.held_because for piece in pieces] == ["", Refund.Hold.SECOND_PERSON]


def test_what_goes_back_follows_the_time_that_the_booking_has_now(booking):
    """The temple moved it while its owner was looking at the page."""
    read_before = Booking.objects.get()
    starts_in(booking, hours=47)

    assert cancel_booking(read_before, "travelling") is None


@pytest.fixture
def wish(booking, staff, settings):
    """Of the staff: all of it, which a colleague has not allowed yet."""
    settings.REFUND_SECOND_PERSON_ABOVE = 500
    return request_refund(booking.checkout.payment.pk, None, "a gesture", staff)


def test_what_a_cancelled_booking_is_owed_does_not_wait_for_a_wish_of_the_staff(booking, wish, staff):
    assert cancel_booking(booking, "travelling").amount_paise == 110_000

    wish.refresh_from_db()
    assert wish.state == RefundState.FAILED
    with pytest.raises(Conflict):
        withdraw_refund(wish.pk, staff)
    assert refundable_paise(wish.attempt) == 0


def test_a_wish_of_the_staff_outlives_a_cancellation_that_is_owed_nothing(booking, wish):
    starts_in(booking, hours=1)

    assert cancel_booking(booking, "too late for the terms") is None
    assert Refund.objects.get().state == RefundState.WAITING


def test_of_less_than_a_rupee_nothing_is_left(booking, staff):
    """The dashboard has sent all but fifty paise back, which PhonePe does not send."""
    attempt = booking.checkout.payment.attempts.get()
    adopt_refund(
        attempt, "DASH1", 109_950, RefundStatus(ProviderStatus.COMPLETED, amount_paise=109_950), "webhook"
    )

    with pytest.raises(NothingLeft):
        request_refund(booking.checkout.payment.pk, None, "the rest", staff)
    assert cancel_booking(booking, "the temple is closed", in_full=True) is None
    assert Refund.objects.count() == 1
