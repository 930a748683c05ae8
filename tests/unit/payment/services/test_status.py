"""Asking PhonePe and settling what it says: bounded, shared, and never a reason to fail."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from booking.models import Booking, Cart
from core import waiting
from core.errors import Conflict
from core.waiting import WaitSlots
from payment.gateways import GatewayError
from payment.models import GatewayCall, Payment, PaymentAttempt
from payment.phonepe.enums import ProviderStatus
from payment.services import status
from payment.services.checkout import start_payment
from payment.services.status import give_up, next_poll_at, refresh
from payment.states import AttemptState, Fulfilment, PaymentState
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def started(alice, cart):
    return start_payment(alice, cart_id=cart.pk)


def questions() -> int:
    return GatewayCall.objects.filter(operation="status").count()


def test_asking_finds_the_money_when_the_webhook_was_lost(generation, started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)

    payment = refresh(started.payment, 5, "check-booking")

    assert (payment.state, payment.fulfilment) == (PaymentState.SUCCESS, Fulfilment.BOOKED)


def test_a_silent_phonepe_leaves_the_payment_as_it_was(generation, started, phonepe):
    phonepe.inject_fault("status", "status_503", times=99)

    assert refresh(started.payment, 5, "check-booking").state == PaymentState.PENDING


def test_everybody_shares_one_question_in_two_seconds(started, phonepe):
    refresh(started.payment, 1, "webhook")
    refresh(started.payment, 0.3, "return page")

    assert questions() == 1


def test_whoever_waits_sees_what_the_other_one_learned(started, phonepe, monkeypatch):
    Payment.objects.update(asked_at=timezone.now())  # somebody is asking
    phonepe.decide(started.attempt.merchant_order_id)

    def somebody_else_learns(seconds):
        monkeypatch.setattr(waiting.time, "sleep", lambda seconds: None)  # PhonePe takes its time as well
        status.poll(started.attempt, status.Deadline(5), "webhook")

    monkeypatch.setattr(waiting.time, "sleep", somebody_else_learns)
    payment = refresh(started.payment, 5, "return page")

    assert payment.state == PaymentState.SUCCESS
    assert questions() == 1


def test_who_finds_no_place_to_wait_is_told_what_is_known_at_once(started, monkeypatch):
    """Would wait for ten minutes if there were a place."""
    Payment.objects.update(asked_at=timezone.now())
    monkeypatch.setattr(status, "SECONDS_BETWEEN_POLLS", 600)
    monkeypatch.setattr(waiting, "wait_slots", WaitSlots(1))

    with waiting.wait_slots.reserve():
        assert refresh(started.payment, 600, "check-booking").state == PaymentState.PENDING

    assert questions() == 0


def test_a_question_that_takes_long_is_not_asked_beside_itself(started, monkeypatch):
    """A silent PhonePe is asked by one thread about one payment, however often its customer reloads the page."""
    monkeypatch.setattr(status, "SECONDS_BETWEEN_POLLS", 0)
    status.polls_in_progress.begin(started.payment.pk)
    try:
        assert refresh(started.payment, 0.2, "check-booking").state == PaymentState.PENDING
        assert questions() == 0
    finally:
        status.polls_in_progress.end(started.payment.pk)

    refresh(started.payment, 5, "check-booking")
    assert questions() == 1


def test_who_comes_back_the_moment_the_webhook_has_settled_sees_it(started, phonepe):
    seen_before = Payment.objects.get()
    phonepe.decide(started.attempt.merchant_order_id)
    status.poll(started.attempt, status.Deadline(5), "webhook")

    assert refresh(seen_before, 5, "return page").state == PaymentState.SUCCESS


def test_a_decided_payment_is_not_asked_about(started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)
    payment = refresh(started.payment, 5, "webhook")

    refresh(payment, 5, "check-booking")

    assert questions() == 1


def test_all_open_orders_of_a_payment_are_asked_about(alice, cart, phonepe):
    phonepe.inject_fault("pay", "reset_after")
    started = start_payment(alice, cart_id=cart.pk)
    phonepe.decide(started.payment.attempts.get(number=1).merchant_order_id)

    assert refresh(started.payment, 5, "check-booking").fulfilment == Fulfilment.BOOKED


def test_without_the_merchants_credentials_a_row_is_parked(started, phonepe):
    PaymentAttempt.objects.update(merchant="SOMEBODY-WE-WERE")

    assert refresh(started.payment, 5, "check-booking").state == PaymentState.PENDING


def test_giving_up_frees_the_cart(generation, started, cart, phonepe):
    payment = give_up(started.payment, 5)

    assert payment.state == PaymentState.CANCELLED
    cart.refresh_from_db()
    assert cart.status == Cart.Status.ACTIVE


def test_giving_up_what_was_paid_books_it(started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)

    assert give_up(started.payment, 5).fulfilment == Fulfilment.BOOKED


def test_nobody_gives_up_while_phonepe_cannot_be_asked(started, cart, phonepe):
    phonepe.inject_fault("status", "status_500", times=99)

    with pytest.raises(GatewayError):
        give_up(started.payment, 5)

    cart.refresh_from_db()
    assert (Payment.objects.get().state, cart.status) == (PaymentState.PENDING, Cart.Status.CHECKED_OUT)


def test_nobody_gives_up_while_the_page_is_being_opened(started):
    PaymentAttempt.objects.update(call_lease_until=timezone.now() + timedelta(seconds=9))

    with pytest.raises(Conflict) as wait:
        give_up(started.payment, 5)

    assert wait.value.code == "payment_under_way"


def test_money_after_giving_up_is_still_a_booking(started, phonepe):
    give_up(started.payment, 5)
    phonepe.decide(started.attempt.merchant_order_id)

    payment = status.poll(started.attempt, status.Deadline(5), "worker")

    assert (payment.state, payment.fulfilment) == (PaymentState.SUCCESS, Fulfilment.BOOKED)
    assert Booking.objects.count() == 1
    assert PaymentAttempt.objects.get().state == AttemptState.COMPLETED


ENDED = (AttemptState.FAILED, AttemptState.EXPIRED)
AGES = [
    timedelta(),
    timedelta(minutes=20),
    timedelta(hours=7),
    timedelta(days=7, minutes=16),
    timedelta(days=400),
]


@pytest.mark.parametrize("age", AGES, ids=str)
@pytest.mark.parametrize("heard", [None, *ProviderStatus])
@pytest.mark.parametrize("state", AttemptState)
def test_only_an_answer_that_ends_the_order_ends_the_questions(state, heard, age):
    now = timezone.now()
    sent_at = now - age
    attempt = PaymentAttempt(state=state, sent_at=sent_at, expires_at=sent_at + timedelta(minutes=15))

    following = next_poll_at(attempt, heard, now)

    has_ended = (
        state in ENDED
        and heard in (ProviderStatus.FAILED, ProviderStatus.NOT_FOUND)
        and age > timedelta(days=7)
    )
    assert (following is None) == (state == AttemptState.COMPLETED or has_ended)
    assert following is None or now < following <= now + timedelta(days=1)


def a_question_is_due(**fields) -> PaymentAttempt:
    """Another one than the last of the schedule was never planned."""
    past = timezone.now() - timedelta(days=8)
    due = {"next_check_at": timezone.now() - timedelta(seconds=1)}
    PaymentAttempt.objects.update(sent_at=past, expires_at=past + timedelta(minutes=15), **due, **fields)
    run_due(["attempts"])
    return PaymentAttempt.objects.get()


@pytest.mark.parametrize("state", [AttemptState.PENDING, AttemptState.UNKNOWN, *ENDED])
def test_a_last_question_that_phonepe_does_not_answer_is_asked_again(state, started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)
    phonepe.inject_fault("status", "status_503", times=99)
    for _ in range(3):
        assert a_question_is_due(state=state).next_check_at > timezone.now()

    phonepe.clear_faults()
    assert a_question_is_due(state=state).next_check_at is None
    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED


def test_without_the_merchants_credentials_the_last_question_waits_for_them(started, phonepe):
    attempt = a_question_is_due(state=AttemptState.EXPIRED, merchant="SOMEBODY-WE-WERE")

    assert attempt.next_check_at > timezone.now()


def test_an_ended_order_that_phonepe_still_calls_pending_is_asked_about_daily(started):
    """Its customer gave it up; their bank may still pay it."""
    attempt = a_question_is_due(state=AttemptState.EXPIRED)

    assert timedelta(hours=23) < attempt.next_check_at - timezone.now() <= timedelta(days=1)


def test_no_open_order_can_be_left_without_a_next_question(started):
    with pytest.raises(IntegrityError), transaction.atomic():
        PaymentAttempt.objects.update(next_check_at=None)
