"""A buyer asks their bank for the money back."""

import hashlib
import json

import pytest

from booking.models import Booking
from core.errors import Conflict
from payment.models import Dispute, Payment, Refund, WebhookEvent
from payment.services.disputes import confirm_dispute
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import (
    cancel_booking,
    create_refund,
    refund_without_booking,
    refundable_paise,
)
from payment.services.webhooks import process_event, receive_webhook
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(cart):
    payment = make_payment(builders.make_checkout(cart))
    return apply_status(payment.attempts.get().pk, completed(), "worker")


@pytest.fixture
def news(paid):
    """PhonePe's words about the dispute; `minute` is its clock."""

    def tell(status: str, minute: int, scheme: str = "hmac") -> WebhookEvent:
        payload = {
            "disputeId": "DSP1",
            "merchantOrderId": paid.attempts.get().merchant_order_id,
            "disputeAmount": 110_000,
            "updatedAt": 1_781_150_400_000 + minute * 60_000,
        }
        event = WebhookEvent.objects.create(
            digest=f"{status} {minute} {scheme}",
            scheme=scheme,
            body=json.dumps({"event": f"payment.dispute.{status}", "payload": payload}).encode(),
            event=f"payment.dispute.{status}",
            claimed_state="UNKNOWN",
            attempt=paid.attempts.get(),
        )
        process_event(event)
        return event

    return tell


@pytest.fixture
def cancelled(paid):
    """By its owner, in time, while the bank had the money."""
    return lambda: cancel_booking(Booking.objects.select_related("checkout", "user").get(), "travelling")


def test_what_the_bank_brings_back_of_a_booking_that_was_cancelled_meanwhile_is_put_before_a_person(
    news, paid, cancelled
):
    news("lost", 1)
    assert cancelled() is None
    news("won", 2)

    due = Refund.objects.get()
    assert (due.amount_paise, due.state, due.held_because) == (110_000, "WAITING", "SECOND_PERSON")


def chargebacks(payment: Payment) -> list[int]:
    return list(payment.ledger.filter(kind="CHARGEBACK").values_list("amount_paise", flat=True))


def test_a_dispute_is_kept_and_takes_no_money_yet(news, paid):
    event = news("created", 1)

    assert (Dispute.objects.get().status, Dispute.objects.get().amount_paise) == ("CREATED", 110_000)
    assert event.state == WebhookEvent.State.HANDLED
    assert chargebacks(paid) == []
    assert Booking.objects.get().status == Booking.Status.CONFIRMED


def test_a_dispute_that_is_lost_takes_the_money_once_and_leaves_none_to_refund(news, paid):
    news("lost", 1)
    news("lost", 2)

    assert chargebacks(paid) == [-110_000]
    assert refundable_paise(paid.attempts.get()) == 0


def test_money_that_the_bank_returns_is_entered_too(news, paid):
    news("lost", 1)
    news("won", 2)

    assert chargebacks(paid) == [-110_000, 110_000]
    assert refundable_paise(paid.attempts.get()) == 110_000


def test_older_news_that_comes_later_changes_nothing(news):
    news("won", 2)
    news("created", 1)

    assert Dispute.objects.get().status == "WON"


def test_what_no_signature_covers_takes_no_money_before_a_person_has_looked(news, paid, staff):
    news("lost", 1, scheme="authorization")
    assert chargebacks(paid) == []

    confirm_dispute(Dispute.objects.get().pk, staff)

    assert chargebacks(paid) == [-110_000]
    with pytest.raises(Conflict):
        confirm_dispute(Dispute.objects.get().pk, staff)


def test_what_staff_have_confirmed_is_the_news_they_have_seen_and_no_later_one(news, paid, staff):
    news("created", 1, scheme="authorization")
    confirm_dispute(Dispute.objects.get().pk, staff)

    news("lost", 2, scheme="authorization")

    assert chargebacks(paid) == []
    assert not Dispute.objects.get().is_proven


def test_a_dispute_about_no_order_of_ours_is_shown_to_staff(paid):
    body = {"event": "payment.dispute.lost", "payload": {"disputeId": "DSP2", "merchantOrderId": "NOBODYS"}}

    login = hashlib.sha256(b"sim_hook:Sim-pass-9").hexdigest()
    event = receive_webhook({"Authorization": login}, json.dumps(body).encode())

    assert event.state == WebhookEvent.State.UNMATCHED
    assert not Dispute.objects.exists()


def test_what_the_bank_has_taken_is_not_sent_back_a_second_time(news, paid):
    create_refund(paid.attempts.get(), 110_000, "a gesture", asked_by=None)

    news("lost", 1)

    assert Refund.objects.get().state == "FAILED"


@pytest.fixture
def owed(paid):
    """Its time was gone when the money came."""
    Booking.objects.all().delete()
    Payment.objects.update(fulfilment="DUE")
    paid.refresh_from_db()
    refund_without_booking(paid, "slot_gone", "the time was gone")


def test_the_bank_pays_our_debt_and_it_is_at_rest(news, owed):
    news("lost", 1)

    assert Payment.objects.get().fulfilment == "REFUNDED"


def test_what_the_bank_brings_back_is_owed_again_if_it_became_no_booking(news, owed):
    news("lost", 1)
    news("won", 2)

    assert Refund.objects.exclude(state="FAILED").get().amount_paise == 110_000


def test_what_the_bank_brings_back_to_a_booking_stays(news, paid):
    news("lost", 1)
    news("won", 2)

    assert not Refund.objects.exists()
