"""What our own rows of a day say, without asking anybody."""

import pytest
from django.utils import timezone

from booking.models import Booking
from payment.models import LedgerEntry, WebhookEvent
from payment.reconciliation.standing import compare_rows

pytestmark = pytest.mark.django_db(transaction=True)


def kinds(day):
    return [(found.kind.value, found.fix.name) for found in compare_rows(day.day)]


def test_a_booking_that_was_paid_is_well(day, paid):
    assert kinds(day) == []


def test_a_booking_without_a_receipt_has_no_money(day, paid):
    LedgerEntry.objects.all().delete()

    assert kinds(day) == [("booking without money", "LOOK_UP")]


def test_a_booking_whose_money_all_went_back_should_be_cancelled(day, paid):
    attempt, entry = day.order(paid), LedgerEntry.objects.get()
    LedgerEntry.objects.create(
        payment=paid, attempt=attempt, kind="CHARGEBACK", amount_paise=-entry.amount_paise, reference="D1"
    )

    assert kinds(day) == [("booking without money", "CANCEL")]
    Booking.objects.update(status="CANCELLED")
    assert kinds(day) == []


def test_a_booking_of_which_a_part_went_back_stands(day, paid):
    attempt = day.order(paid)
    for kind, paise in (("REFUND", -100_000), ("FEE", -20_000)):
        LedgerEntry.objects.create(
            payment=paid, attempt=attempt, kind=kind, amount_paise=paise, reference=kind
        )

    assert kinds(day) == []


def test_what_phonepe_calls_about_and_nobody_here_knows_is_unknown_to_us(day):
    WebhookEvent.objects.create(
        digest="d",
        scheme="sha",
        body=b"",
        event="checkout.order.completed",
        merchant_order_id="STRANGER1",
        claimed_verdict="COMPLETED",
        claimed_paise=110_000,
        state=WebhookEvent.State.UNMATCHED,
    )

    (found,) = compare_rows(day.day)
    assert (found.kind.value, found.order, found.theirs_paise) == ("unknown to us", "STRANGER1", 110_000)


def test_a_refund_that_phonepe_told_and_never_confirmed_is_listed_when_nobody_asks_any_more(day, paid):
    event = WebhookEvent.objects.create(
        digest="d",
        scheme="authorization",
        body=b"",
        event="pg.refund.completed",
        merchant_order_id=day.order(paid).merchant_order_id,
        merchant_refund_id="DASH1",
        claimed_verdict="COMPLETED",
        claimed_paise=50,
        attempt=day.order(paid),
        next_check_at=timezone.now(),
    )
    assert kinds(day) == []

    WebhookEvent.objects.filter(pk=event.pk).update(next_check_at=None)
    (found,) = compare_rows(day.day)
    assert (found.kind.value, found.refund) == ("unknown to us", "DASH1")
