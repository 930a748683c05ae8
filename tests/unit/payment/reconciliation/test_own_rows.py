"""What our own rows of a day say, without asking anybody."""

from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Booking
from payment.models import LedgerEntry, WebhookEvent
from payment.reconciliation.days import span
from payment.reconciliation.own_rows import (
    find_refunded_bookings,
    find_unconfirmed_events,
    find_unpaid_bookings,
)
from simulator.events import EVENTS

pytestmark = pytest.mark.django_db(transaction=True)


def compare_rows(day):
    for find in (find_unpaid_bookings, find_refunded_bookings, find_unconfirmed_events):
        yield from find(day.day)


def kinds(day):
    return [(found.kind.value, found.fix.name) for found in compare_rows(day)]


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
        claimed_state="COMPLETED",
        claimed_paise=110_000,
        state=WebhookEvent.State.UNMATCHED,
    )

    (found,) = compare_rows(day)
    assert (found.kind.value, found.order, found.theirs_paise) == ("unknown to us", "STRANGER1", 110_000)


def test_a_refund_that_phonepe_told_and_never_confirmed_is_listed_when_nobody_asks_any_more(day, paid):
    event = WebhookEvent.objects.create(
        digest="d",
        scheme="authorization",
        body=b"",
        event="pg.refund.completed",
        merchant_order_id=day.order(paid).merchant_order_id,
        merchant_refund_id="DASH1",
        claimed_state="COMPLETED",
        claimed_paise=50,
        attempt=day.order(paid),
        next_check_at=timezone.now(),
    )
    assert kinds(day) == []

    WebhookEvent.objects.filter(pk=event.pk).update(next_check_at=None)
    (found,) = compare_rows(day)
    assert (found.kind.value, found.refund) == ("unknown to us", "DASH1")


def heard(event, state="UNKNOWN", **more):
    return WebhookEvent.objects.create(
        digest=event, scheme="sha", body=b"", event=event, claimed_state=state, state="UNMATCHED", **more
    )


@pytest.mark.parametrize(
    ("event", "state"),
    [
        *(
            (event, "UNKNOWN")
            for event in EVENTS
            if event.startswith(("settlement", "order.split", "downtime"))
        ),
        *((f"subscription.{word}", "UNKNOWN") for word in ("paused", "unpaused", "cancelled", "revoked")),
        ("SUBSCRIPTION_NOTIFICATION_COMPLETED", "UNKNOWN"),
        ("downtime.netbanking.started", "UNKNOWN"),
        ("SETTLEMENT_DELAYED", "UNKNOWN"),
        ("subscription.notification.failed", "FAILED"),
        ("checkout.transaction.attempt.failed", "PENDING"),
        ("PG_TRANSACTION_ATTEMPT_FAILED", "PENDING"),
        ("checkout.order.failed", "FAILED"),
        ("pg.refund.failed", "FAILED"),
    ],
)
def test_news_that_moves_no_money_of_an_order_is_no_difference(day, event, state):
    heard(event, state, merchant_order_id="STRANGER1", claimed_paise=110_000)

    assert kinds(day) == []


@pytest.mark.parametrize(
    ("event", "state"),
    [
        ("checkout.order.completed", "COMPLETED"),
        ("checkout.order.completed", "FAILED"),
        ("pg.refund.completed", "COMPLETED"),
        ("pg.refund.accepted", "CONFIRMED"),
        ("paylink.order.completed", "COMPLETED"),
        ("subscription.redemption.order.completed", "COMPLETED"),
        ("payment.dispute.lost", "UNKNOWN"),
        ("unreadable", "UNKNOWN"),
        ("a.word.of.tomorrow", "UNKNOWN"),
        ("settlements", "UNKNOWN"),
    ],
)
def test_news_that_may_have_moved_money_is_a_difference_also_in_words_of_tomorrow(day, event, state):
    heard(event, state)

    assert kinds(day) == [("unknown to us", "STRANGER")]


def test_a_failure_of_ours_that_phonepe_never_confirmed_is_told(day, paid):
    event = heard("checkout.order.failed", "FAILED", attempt=day.order(paid))
    WebhookEvent.objects.filter(pk=event.pk).update(state=WebhookEvent.State.RECEIVED)

    assert kinds(day) == [("unknown to us", "STRANGER")]


@pytest.mark.parametrize(("hours_before", "is_told"), [(1, True), (23, True), (25, False)])
def test_what_is_given_up_after_the_night_of_its_day_is_told_by_the_next_night(
    day, paid, hours_before, is_told
):
    """PhonePe is asked about an event for a day; the night of its day is compared at three."""
    event = heard("pg.refund.completed", "COMPLETED", attempt=day.order(paid), merchant_refund_id="DASH1")
    received_at = span(day.day)[0] - timedelta(hours=hours_before)
    WebhookEvent.objects.filter(pk=event.pk).update(
        state=WebhookEvent.State.RECEIVED, received_at=received_at
    )

    assert kinds(day) == ([("unknown to us", "STRANGER")] if is_told else [])
