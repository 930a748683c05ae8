"""Asking PhonePe and settling what it says: bounded, shared, and never a reason to fail."""

from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Booking, Cart
from okpuja import waiting
from okpuja.errors import Conflict
from okpuja.waiting import Places
from payment.gateways import GatewayError
from payment.models import GatewayCall, Payment, PaymentAttempt
from payment.services import asking
from payment.services.asking import give_up, refresh
from payment.services.checkout import start_payment
from payment.states import AttemptState, Fulfilment, PaymentState

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
    phonepe.breaks("status", "status_503", times=99)

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
        asking.ask(started.attempt, asking.Deadline(5), "webhook")

    monkeypatch.setattr(waiting.time, "sleep", somebody_else_learns)
    payment = refresh(started.payment, 5, "return page")

    assert payment.state == PaymentState.SUCCESS
    assert questions() == 1


def test_who_finds_no_place_to_wait_is_told_what_is_known_at_once(started, monkeypatch):
    """Would wait for ten minutes if there were a place."""
    Payment.objects.update(asked_at=timezone.now())
    monkeypatch.setattr(asking, "SECONDS_BETWEEN_QUESTIONS", 600)
    monkeypatch.setattr(waiting, "places", Places(1))

    with waiting.places.take():
        assert refresh(started.payment, 600, "check-booking").state == PaymentState.PENDING

    assert questions() == 0


def test_a_question_that_takes_long_is_not_asked_beside_itself(started, monkeypatch):
    """A silent PhonePe is asked by one thread about one payment, however often its customer reloads the page."""
    monkeypatch.setattr(asking, "SECONDS_BETWEEN_QUESTIONS", 0)
    asking.questions_under_way.begin(started.payment.pk)
    try:
        assert refresh(started.payment, 0.2, "check-booking").state == PaymentState.PENDING
        assert questions() == 0
    finally:
        asking.questions_under_way.end(started.payment.pk)

    refresh(started.payment, 5, "check-booking")
    assert questions() == 1


def test_who_comes_back_the_moment_the_webhook_has_settled_sees_it(started, phonepe):
    seen_before = Payment.objects.get()
    phonepe.decide(started.attempt.merchant_order_id)
    asking.ask(started.attempt, asking.Deadline(5), "webhook")

    assert refresh(seen_before, 5, "return page").state == PaymentState.SUCCESS


def test_a_decided_payment_is_not_asked_about(started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)
    payment = refresh(started.payment, 5, "webhook")

    refresh(payment, 5, "check-booking")

    assert questions() == 1


def test_all_open_orders_of_a_payment_are_asked_about(alice, cart, phonepe):
    phonepe.breaks("pay", "reset_after")
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
    phonepe.breaks("status", "status_500", times=99)

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

    payment = asking.ask(started.attempt, asking.Deadline(5), "worker")

    assert (payment.state, payment.fulfilment) == (PaymentState.SUCCESS, Fulfilment.BOOKED)
    assert Booking.objects.count() == 1
    assert PaymentAttempt.objects.get().state == AttemptState.COMPLETED
