"""PhonePe's accounts beside ours, on its real wire: each way to differ is found, and mended only when asked."""

from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Booking, Slot
from payment.models import LedgerEntry, Payment, PaymentAttempt, Refund
from payment.services.outcomes import apply_status
from payment.states import Fulfilment, RefundState
from simulator.models import Order as SimulatedOrder
from simulator.models import Refund as SimulatedRefund
from tests.unit.payment.builders import completed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("generation"),
]


def test_a_day_on_which_all_went_well_is_clean(day, paid):
    report = day.compare()

    assert report.is_clean
    assert report.answered == 1


def test_paid_at_phonepe_and_not_with_us_is_paid_without_booking_and_becomes_one(day, opened):
    day.pays(opened)

    (found,) = day.compare().discrepancies
    assert (found.kind.value, found.ours_paise, found.theirs_paise) == ("paid without booking", 0, 110_000)
    assert found.payment_id == opened.pk

    day.mends()
    assert Booking.objects.get().checkout == opened.checkout


def test_nothing_is_changed_without_being_asked(day, opened, rows):
    day.pays(opened)
    before = rows()

    assert day.found() == ["paid without booking"]
    assert rows() == before


def test_another_amount_is_held_for_staff_and_found_until_they_decide(day, opened):
    day.pays(opened, amount_paise=50_000)

    (found,) = day.compare(fix=True).discrepancies
    assert (found.kind.value, found.mended) == ("amount differs", False)
    assert Payment.objects.get().fulfilment == Fulfilment.HELD_FOR_STAFF
    assert not Booking.objects.exists()

    (found,) = day.compare(fix=True).discrepancies
    assert (found.kind.value, found.mended) == ("amount differs", False)
    assert "admin" in found.fix.value


def test_what_the_database_still_refuses_is_not_mended(day, opened, slot):
    Slot.objects.filter(pk=slot.pk).update(held=0)  # taking the hold would make it negative
    day.receives(opened)
    assert Payment.objects.get().fulfilment == Fulfilment.DUE

    (found,) = day.compare(fix=True).discrepancies
    assert (found.kind.value, found.mended) == ("paid without booking", False)


def test_our_row_says_another_amount_than_phonepe(day, paid):
    PaymentAttempt.objects.update(received_paise=100_000)

    (found,) = day.compare(fix=True).discrepancies
    assert (found.kind.value, found.ours_paise, found.theirs_paise, found.mended) == (
        *("amount differs", 100_000, 110_000),
        False,
    )


def test_a_booking_that_phonepe_has_no_money_for_is_found_and_left_to_people(day, opened):
    attempt = day.order(opened)
    apply_status(attempt.pk, completed(opened.amount_paise), "a lie")

    (found,) = day.compare(fix=True).discrepancies
    assert (found.kind.value, found.booking) == ("booking without money", Booking.objects.get().book_id)
    assert not found.mended
    assert Booking.objects.get().status == Booking.Status.CONFIRMED


def test_a_booking_without_a_receipt_is_found(day, paid):
    LedgerEntry.objects.all().delete()

    assert "booking without money" in day.found()


def test_an_order_that_phonepe_does_not_know_is_unknown_to_them(day, opened):
    SimulatedOrder.objects.all().delete()

    assert day.found() == ["unknown to them"]


def test_an_order_that_never_arrived_is_no_difference(day, opened):
    SimulatedOrder.objects.all().delete()
    PaymentAttempt.objects.update(state="EXPIRED")

    assert day.found() == []


def test_a_refund_that_phonepe_has_credited_is_entered(day, paid):
    day.refunds(paid)
    day.phonepe.advance_clock(10)

    assert day.found() == ["refund not credited"]
    day.mends()
    assert Refund.objects.get().state == RefundState.COMPLETED
    assert LedgerEntry.objects.get(kind="REFUND").amount_paise == -30_000


def test_a_refund_that_failed_at_phonepe_is_created_again_under_another_id(day, paid):
    refund = day.refunds(paid)
    day.phonepe.control(f"refunds/{refund.merchant_refund_id}/decide/", {"outcome": "failure"})

    day.mends()
    assert list(Refund.objects.order_by("pk").values_list("state", flat=True)) == ["FAILED", "WAITING"]


def test_a_refund_that_only_we_call_credited_is_found_and_left_to_people(day, paid):
    day.refunds(paid)
    Refund.objects.update(state=RefundState.COMPLETED)

    (found,) = day.compare(fix=True).discrepancies
    assert (found.kind.value, found.mended) == ("refund not credited", False)


def test_a_refund_that_phonepe_does_not_know_is_unknown_to_them(day, paid):
    day.refunds(paid)
    SimulatedRefund.objects.all().delete()

    assert day.found() == ["unknown to them"]


def test_a_refund_of_long_ago_that_is_later_than_promised_is_found_today(day, paid):
    day.refunds(paid)
    ago = timezone.now() - timedelta(days=9)
    Refund.objects.update(created_at=ago, expected_by=ago)

    (found,) = day.compare().discrepancies
    assert (found.kind.value, found.refund) == (
        "refund not credited",
        Refund.objects.get().merchant_refund_id,
    )


def test_a_refund_of_a_rehearsal_that_is_over_is_no_difference(day, paid, settings):
    day.refunds(paid)
    ago = timezone.now() - timedelta(days=9)
    Refund.objects.update(created_at=ago, expected_by=ago)
    settings.PHONEPE_SIMULATION_MODE = False

    assert day.found() == []


def test_a_silent_phonepe_is_said_and_never_taken_for_agreement(day, opened):
    day.pays(opened)
    day.phonepe.inject_fault("status", "status_500", times=99)

    report = day.compare(fix=True)
    assert [found.kind.value for found in report.discrepancies] == ["PhonePe was not asked"]
    assert not report.is_clean
    assert Payment.objects.get().is_open


def test_an_order_of_former_credentials_is_said_to_be_unasked(day, opened):
    PaymentAttempt.objects.update(merchant="GONE", simulated=False)

    (found,) = day.compare().discrepancies
    assert found.kind.value == "PhonePe was not asked"
    assert "PHONEPE_PREVIOUS" in found.fix.value


def test_only_that_day_is_looked_at(day, opened):
    day.pays(opened)
    PaymentAttempt.objects.update(created_at=timezone.now() - timedelta(days=2))

    assert day.found() == []
