"""From a cart to a page that can be paid, whatever happens to the call. PhonePe is the simulated one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Cart, SlotHold
from core import waiting
from core.errors import Conflict, Unavailable
from core.waiting import WaitSlots
from payment.gateways import NotSent, OutcomeUnknown, Rejected
from payment.models import GatewayCall, Payment, PaymentAttempt
from payment.phonepe.transport import Deadline
from payment.services import attempts as attempts_service
from payment.services.attempts import (
    AlreadyPaid,
    Claim,
    PaymentClosed,
    PaymentUnderWay,
    TooManyAttempts,
    request_page,
)
from payment.services.checkout import CartNotFound, reopen, start_donation, start_payment
from payment.services.outcomes import apply_status
from payment.services.status import poll, refresh
from payment.states import AttemptState, Fulfilment, PaymentState
from simulator.models import Merchant
from simulator.models import Order as SimulatedOrder
from tests.unit.payment.builders import completed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A second click looks once, it does not wait for real."""
    monkeypatch.setattr(attempts_service, "SECONDS_TO_WAIT_FOR_ANOTHER_REQUEST", 0.05)


def attempts(payment: Payment) -> list[tuple[int, str]]:
    return list(payment.attempts.values_list("number", "state"))


def lease_ends() -> None:
    PaymentAttempt.objects.update(call_lease_until=timezone.now() - timedelta(seconds=1))


def test_a_cart_becomes_one_open_payment_with_a_page(generation, alice, cart, slot, phonepe):
    started = start_payment(alice, cart_id=cart.pk)

    assert started.is_new
    assert started.payment.amount_paise == 110_000
    assert started.attempt.generation == generation
    assert started.attempt.page_url.startswith("http://testserver/simulator/transact/")
    assert phonepe.order_ids == [started.attempt.merchant_order_id]
    cart.refresh_from_db()
    slot.refresh_from_db()
    assert cart.status == Cart.Status.CHECKED_OUT
    assert slot.held == 1


def test_a_second_click_finds_the_same_payment_and_page(alice, cart, phonepe):
    first = start_payment(alice, cart_id=cart.pk)
    second = start_payment(alice, cart_id=cart.pk)

    assert not second.is_new
    assert (second.payment, second.attempt.page_url) == (first.payment, first.attempt.page_url)
    assert len(phonepe.order_ids) == 1


def test_nobody_pays_for_the_cart_of_a_stranger(charlie, cart, phonepe):
    with pytest.raises(CartNotFound):
        start_payment(charlie, cart_id=cart.pk)

    assert phonepe.order_ids == []


def test_every_try_is_kept_without_secrets(alice, cart):
    payment = start_payment(alice, cart_id=cart.pk).payment

    calls = list(payment.calls.values_list("operation", "stage", "http_status"))
    assert calls == [("token", "BODY", 200), ("pay", "BODY", 200)]
    row = repr(list(GatewayCall.objects.values()))
    assert "sim-secret" not in row
    assert alice.phone.removeprefix("+91") not in row


def test_what_never_was_sent_leaves_the_payment_for_the_next_click(generation, alice, cart, phonepe):
    phonepe.inject_fault("pay", "refuse", times=9)
    with pytest.raises(NotSent) as refused:
        start_payment(alice, cart_id=cart.pk)
    assert refused.value.extra["payment_id"] == Payment.objects.get().pk
    assert refused.value.error_category == "CONNECTION_REFUSED"
    assert attempts(Payment.objects.get()) == [(1, AttemptState.CREATED)]
    assert PaymentAttempt.objects.get().sent_at is None

    phonepe.clear_faults()
    again = start_payment(alice, cart_id=cart.pk)

    assert not again.is_new
    assert attempts(again.payment) == [(1, AttemptState.PENDING)]
    assert len(phonepe.order_ids) == 1


def click_in_vain(alice, cart, phonepe, expires_in: timedelta) -> PaymentAttempt:
    """PhonePe was unreachable at the first click, and has come back; the order's time ends `expires_in`."""
    phonepe.inject_fault("pay", "refuse", times=9)
    with pytest.raises(NotSent):
        start_payment(alice, cart_id=cart.pk)
    phonepe.clear_faults()
    expires_at = timezone.now() + expires_in
    PaymentAttempt.objects.update(expires_at=expires_at)
    SlotHold.objects.update(expires_at=expires_at)
    return PaymentAttempt.objects.get()


def test_a_page_that_came_at_the_second_click_has_its_whole_time_and_its_place(
    generation, alice, cart, phonepe
):
    first = click_in_vain(alice, cart, phonepe, timedelta(minutes=1))

    started = start_payment(alice, cart_id=cart.pk)

    assert started.attempt.pk == first.pk
    assert started.attempt.expires_at > timezone.now() + timedelta(minutes=14)
    assert SlotHold.objects.get().expires_at > started.attempt.expires_at


def test_an_order_that_never_left_in_its_time_is_followed_by_a_fresh_checkout(
    generation, alice, cart, slot, phonepe
):
    first = click_in_vain(alice, cart, phonepe, timedelta(minutes=-16))

    started = start_payment(alice, cart_id=cart.pk)
    poll(started.attempt, Deadline(5), "worker")

    started.payment.refresh_from_db()
    assert (started.is_new, started.payment.is_open) == (True, True)
    assert Payment.objects.get(pk=first.payment_id).state == PaymentState.CANCELLED
    assert phonepe.order_ids == [started.attempt.merchant_order_id]
    held = SlotHold.objects.get(state=SlotHold.State.HELD)
    assert held.checkout == started.payment.checkout
    assert held.expires_at > started.attempt.expires_at
    slot.refresh_from_db()
    assert slot.held == 1


def test_a_donation_that_never_left_in_its_time_gets_its_page_all_the_same(phonepe):
    phonepe.inject_fault("pay", "refuse", times=9)
    with pytest.raises(NotSent):
        start_donation(None, amount_paise=10_000)
    phonepe.clear_faults()
    PaymentAttempt.objects.update(expires_at=timezone.now() - timedelta(minutes=1))

    attempt = reopen(Payment.objects.get())
    poll(attempt, Deadline(5), "worker")

    assert Payment.objects.get().is_open


def test_an_order_that_has_ended_is_not_said_again_while_an_earlier_one_is_watched(alice, cart, phonepe):
    phonepe.inject_fault("pay", "reset_after")
    started = start_payment(alice, cart_id=cart.pk)
    PaymentAttempt.objects.filter(number=2).update(
        state=AttemptState.EXPIRED
    )  # PhonePe has never heard of it
    SimulatedOrder.objects.filter(pk=SimulatedOrder.objects.latest("pk").pk).update(merchant_order_id="other")

    again = start_payment(alice, cart_id=cart.pk)

    assert again.payment == started.payment
    assert attempts(again.payment) == [
        (1, AttemptState.PENDING),
        (2, AttemptState.EXPIRED),
        (3, AttemptState.PENDING),
    ]
    PaymentAttempt.objects.filter(number=3).update(state=AttemptState.EXPIRED)
    with pytest.raises(TooManyAttempts):
        start_payment(alice, cart_id=cart.pk)


def test_an_order_whose_page_was_lost_is_watched_while_another_is_opened(generation, alice, cart, phonepe):
    phonepe.inject_fault("pay", "reset_after")

    started = start_payment(alice, cart_id=cart.pk)

    assert started.attempt.number == 2
    assert started.attempt.page_url
    assert attempts(started.payment) == [(1, AttemptState.PENDING), (2, AttemptState.PENDING)]
    assert started.payment.attempts.get(number=1).next_check_at
    assert len(phonepe.order_ids) == 2


def test_a_reset_before_the_order_was_made_opens_one_order(generation, alice, cart, phonepe):
    phonepe.inject_fault("pay", "reset_before")

    started = start_payment(alice, cart_id=cart.pk)

    assert attempts(started.payment) == [(1, AttemptState.PENDING)]
    assert phonepe.order_ids == [started.attempt.merchant_order_id]


def test_no_answer_at_all_is_unknown_and_never_failed(generation, alice, cart, phonepe):
    phonepe.inject_fault("pay", "reset_after")
    phonepe.inject_fault("status", "status_500", times=9)
    with pytest.raises(OutcomeUnknown) as unknown:
        start_payment(alice, cart_id=cart.pk)

    payment = Payment.objects.get()
    assert unknown.value.extra["payment_id"] == payment.pk
    assert payment.state == PaymentState.PENDING
    assert attempts(payment) == [(1, AttemptState.UNKNOWN)]
    assert SlotHold.objects.get().state == SlotHold.State.HELD

    phonepe.clear_faults()
    again = start_payment(alice, cart_id=cart.pk)
    assert (again.payment, again.attempt.number) == (payment, 2)


def test_money_for_an_order_whose_page_was_lost_is_not_lost(alice, cart, phonepe):
    phonepe.inject_fault("pay", "reset_after")
    started = start_payment(alice, cart_id=cart.pk)
    lost = started.payment.attempts.get(number=1)

    phonepe.decide(lost.merchant_order_id)
    payment = poll(lost, Deadline(5), "worker")

    assert (payment.state, payment.fulfilment) == (PaymentState.SUCCESS, Fulfilment.BOOKED)


def test_phonepe_turning_us_away_leaves_the_payment_for_the_next_click(generation, alice, cart, phonepe):
    phonepe.inject_fault("pay", "status_429", times=9)

    with pytest.raises(NotSent) as busy:
        start_payment(alice, cart_id=cart.pk)

    assert busy.value.error_category == "RATE_LIMITED"
    assert attempts(Payment.objects.get()) == [(1, AttemptState.CREATED)]


def test_a_payment_that_failed_makes_room_for_a_fresh_one(generation, alice, cart, phonepe):
    first = start_payment(alice, cart_id=cart.pk)
    phonepe.decide(first.attempt.merchant_order_id, "failure")
    refresh(first.payment, 5, "test")

    second = start_payment(alice, cart_id=cart.pk)

    assert second.is_new
    assert second.payment != first.payment
    assert second.payment.checkout != first.payment.checkout


def test_a_click_after_the_page_expired_starts_afresh(alice, cart, phonepe):
    first = start_payment(alice, cart_id=cart.pk)
    phonepe.advance_clock(901)
    PaymentAttempt.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    second = start_payment(alice, cart_id=cart.pk)

    first.payment.refresh_from_db()
    assert not first.payment.is_open
    assert second.is_new
    assert second.attempt.page_url != first.attempt.page_url


def test_a_click_on_a_paid_cart_says_so(alice, cart, phonepe):
    started = start_payment(alice, cart_id=cart.pk)
    apply_status(started.attempt.pk, completed(), "webhook")

    with pytest.raises(AlreadyPaid) as paid:
        start_payment(alice, cart_id=cart.pk)

    assert paid.value.extra == {"payment_id": started.payment.pk}


def test_a_click_finds_out_that_the_customer_has_paid(alice, cart, phonepe):
    started = start_payment(alice, cart_id=cart.pk)
    phonepe.decide(started.attempt.merchant_order_id)
    PaymentAttempt.objects.update(page_url="")

    with pytest.raises(AlreadyPaid):
        start_payment(alice, cart_id=cart.pk)

    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED


def test_while_one_request_calls_phonepe_another_is_told_to_wait(alice, cart):
    started = start_payment(alice, cart_id=cart.pk)
    PaymentAttempt.objects.update(
        page_url="", state=AttemptState.CREATED, call_lease_until=timezone.now() + timedelta(seconds=20)
    )

    with pytest.raises(PaymentUnderWay) as wait:
        start_payment(alice, cart_id=cart.pk)

    assert wait.value.extra == {"payment_id": started.payment.pk}


def test_an_impatient_customer_does_not_take_every_thread_of_the_server(alice, cart, monkeypatch):
    """Would wait for ten minutes if there were a place to wait."""
    start_payment(alice, cart_id=cart.pk)
    being_called = timezone.now() + timedelta(seconds=20)
    PaymentAttempt.objects.update(page_url="", call_lease_until=being_called)
    monkeypatch.setattr(attempts_service, "SECONDS_TO_WAIT_FOR_ANOTHER_REQUEST", 600)
    monkeypatch.setattr(waiting, "wait_slots", WaitSlots(1))

    with waiting.wait_slots.reserve(), pytest.raises(PaymentUnderWay):
        start_payment(alice, cart_id=cart.pk)


def test_a_click_after_a_crash_between_intent_and_call_opens_one_order(generation, alice, cart, phonepe):
    start_payment(alice, cart_id=cart.pk)
    crashed = PaymentAttempt.objects.get()
    PaymentAttempt.objects.update(page_url="", state=AttemptState.CREATED, merchant_order_id="OKP-never-said")
    lease_ends()

    started = start_payment(alice, cart_id=cart.pk)

    assert phonepe.order_ids == [crashed.merchant_order_id, "OKP-never-said"]
    assert attempts(started.payment) == [(1, AttemptState.PENDING)]


def test_money_that_staff_looks_at_is_not_asked_for_again(alice, cart):
    started = start_payment(alice, cart_id=cart.pk)
    apply_status(started.attempt.pk, completed(100), "webhook")

    with pytest.raises(Conflict) as held:
        start_payment(alice, cart_id=cart.pk)

    assert held.value.code == "held_for_staff"


def test_nobody_is_led_to_pay_for_a_cart_that_other_money_has_booked(alice, cart, phonepe):
    first = start_payment(alice, cart_id=cart.pk)
    phonepe.decide(first.attempt.merchant_order_id, "failure")
    refresh(first.payment, 5, "test")
    second = start_payment(alice, cart_id=cart.pk)
    apply_status(first.attempt.pk, completed(), "late money")

    with pytest.raises(PaymentClosed):
        reopen(second.payment)


def test_after_three_lost_pages_no_fourth_order_is_opened(alice, cart, phonepe):
    phonepe.inject_fault("pay", "reset_after", times=9)

    with pytest.raises(Conflict) as enough:
        start_payment(alice, cart_id=cart.pk)

    assert enough.value.code == "too_many_attempts"
    assert enough.value.error_category == "CONNECTION_RESET"
    assert "15 मिनट" in enough.value.user_message("hi")
    assert len(phonepe.order_ids) == 3


def test_two_requests_that_lost_the_same_page_open_one_more_order(alice, cart, phonepe):
    phonepe.inject_fault("pay", "reset_after")
    phonepe.inject_fault("status", "status_500", times=9)
    with pytest.raises(OutcomeUnknown):
        start_payment(alice, cart_id=cart.pk)
    phonepe.clear_faults()
    attempt = PaymentAttempt.objects.get()
    claim = Claim(
        attempt, sent_before=attempt.sent_at
    )  # of a process that was held up until its lease had ended

    first = request_page(claim, Deadline(5))
    with pytest.raises(PaymentUnderWay):
        request_page(claim, Deadline(5))

    assert attempts(first.payment) == [(1, AttemptState.PENDING), (2, AttemptState.PENDING)]
    assert len(phonepe.order_ids) == 2


def test_no_new_money_is_taken_while_payments_are_off(alice, cart, settings, phonepe):
    settings.PAYMENT_ENABLED = False

    with pytest.raises(Unavailable):
        start_payment(alice, cart_id=cart.pk)

    cart.refresh_from_db()
    assert cart.status == Cart.Status.ACTIVE


def test_a_donation_has_a_page_and_no_cart(generation, phonepe):
    started = start_donation(None, amount_paise=10_000, reference="test_user", mobile="9876543210")
    phonepe.decide(started.attempt.merchant_order_id)

    payment = refresh(started.payment, 5, "test")

    assert (payment.state, payment.fulfilment) == (PaymentState.SUCCESS, Fulfilment.DONATION)


def test_a_donation_whose_page_was_lost_can_be_reopened(phonepe):
    phonepe.inject_fault("pay", "refuse", times=9)
    with pytest.raises(NotSent):
        start_donation(None, amount_paise=10_000)
    phonepe.clear_faults()

    assert reopen(Payment.objects.get()).page_url


def test_an_order_is_asked_about_with_the_credentials_it_was_opened_with(alice, cart, settings, phonepe):
    settings.PHONEPE_API_VERSION = "v1"
    started = start_payment(alice, cart_id=cart.pk)
    phonepe.decide(started.attempt.merchant_order_id)

    settings.PHONEPE_API_VERSION = "v2"
    payment = refresh(started.payment, 5, "test")

    assert payment.fulfilment == Fulfilment.BOOKED


def test_wrong_credentials_are_a_refusal_and_the_cart_is_free_again(alice, cart, slot, phonepe, settings):
    settings.PHONEPE_API_VERSION = "v1"
    start_payment(alice, cart_id=cart.pk)
    Merchant.objects.update(salt_key="changed-at-phonepe")
    PaymentAttempt.objects.update(
        page_url="", state=AttemptState.CREATED, sent_at=None, call_lease_until=None
    )

    with pytest.raises(Rejected):
        start_payment(alice, cart_id=cart.pk)

    assert Payment.objects.get().state == PaymentState.FAILED
    cart.refresh_from_db()
    slot.refresh_from_db()
    assert (cart.status, slot.held) == (Cart.Status.ACTIVE, 0)
