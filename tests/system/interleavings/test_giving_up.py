"""A customer gives their payment up while, before or after they pay it."""

from functools import partial

import pytest

from booking.models import Cart
from payment.models import Payment, PaymentAttempt
from payment.states import AttemptState, Fulfilment, PaymentState
from tests.harness.races import at_once
from tests.system.interleavings.scenarios import (
    bookings,
    call_us,
    click,
    ledger,
    orders,
    outcome,
    places,
    status,
    work,
)

pytestmark = pytest.mark.proof(every=3)

PAID = (PaymentState.SUCCESS, Fulfilment.BOOKED)
GIVEN_UP = (PaymentState.CANCELLED, Fulfilment.NONE)


@pytest.fixture
def payment(generation, phone, cart):
    click(phone, cart)
    return Payment.objects.get()


@pytest.fixture
def give_up(phone, cart):
    return partial(phone.post, f"/api/cart/carts/{cart.pk}/cleanup_old_payments/")


def test_who_has_paid_cannot_give_up(payment, give_up, cart, slot, phonepe):
    phonepe.decide(phonepe.order_ids[0])

    answer = give_up()

    assert (answer.status_code, answer.json()["code"]) == (409, "already_paid")
    assert answer.json()["payment_id"] == payment.pk
    assert outcome(payment) == PAID
    assert (places(slot), status(cart)) == ((0, 1), Cart.Status.CONVERTED)


def test_who_pays_after_giving_up_gets_their_booking(payment, give_up, cart, slot, phonepe):
    assert give_up().json()["cleaned_count"] == 1
    assert outcome(payment) == GIVEN_UP
    assert (places(slot), status(cart)) == ((0, 0), Cart.Status.ACTIVE)

    phonepe.decide(phonepe.order_ids[0])
    assert call_us(phonepe.webhooks[-1]) == 200

    assert outcome(payment) == PAID
    assert ledger() == [("RECEIPT", 110_000)]
    assert (bookings(), places(slot), status(cart)) == (1, (0, 1), Cart.Status.CONVERTED)


def test_who_gives_up_and_starts_again_and_pays_the_old_page_is_booked_once(
    payment, give_up, phone, cart, slot, phonepe
):
    give_up()
    again = click(phone, cart)
    assert again.status_code == 201
    assert again.json()["payment_id"] != payment.pk

    for order in phonepe.order_ids:
        phonepe.decide(order)
        assert call_us(phonepe.webhooks[-1]) == 200

    second = Payment.objects.get(pk=again.json()["payment_id"])
    assert (outcome(payment), outcome(second)) == (PAID, (PaymentState.SUCCESS, Fulfilment.REFUND_DUE))
    assert (bookings(), places(slot)) == (1, (0, 1))


def test_who_pays_between_our_question_and_our_closing_is_booked(payment, give_up, cart, slot, phonepe, line):
    """PhonePe says "not paid yet"; before we have written that down, it is paid and announced."""

    def is_paid(request):
        phonepe.decide(phonepe.order_ids[0])
        assert call_us(phonepe.webhooks[-1]) == 200

    line.after["status"].append(is_paid)

    answer = give_up()

    assert (answer.status_code, answer.json()["code"]) == (409, "already_paid")
    assert outcome(payment) == PAID
    assert orders(payment) == [(1, AttemptState.COMPLETED)]
    assert (bookings(), places(slot), status(cart)) == (1, (0, 1), Cart.Status.CONVERTED)


def test_who_pays_between_our_question_and_our_closing_without_a_webhook_is_booked_by_the_worker(
    payment, give_up, cart, slot, phonepe, line
):
    line.after["status"].append(lambda request: phonepe.decide(phonepe.order_ids[0]))
    assert give_up().status_code == 200
    assert outcome(payment) == GIVEN_UP

    work()

    assert outcome(payment) == PAID
    assert (bookings(), places(slot), status(cart)) == (1, (0, 1), Cart.Status.CONVERTED)


def test_giving_up_and_paying_at_once_end_in_a_booking_either_way(payment, give_up, cart, slot, phonepe):
    phonepe.decide(phonepe.order_ids[0])

    answer, told, _ = at_once(give_up, partial(call_us, phonepe.webhooks[-1]), partial(work, "attempts"))

    assert told == 200
    assert answer.status_code in (200, 409)
    assert outcome(payment) == PAID
    assert ledger() == [("RECEIPT", 110_000)]
    assert (bookings(), places(slot), status(cart)) == (1, (0, 1), Cart.Status.CONVERTED)


def test_giving_up_twice_at_once_closes_the_payment_once(payment, give_up, cart, slot):
    answers = at_once(give_up, give_up)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert outcome(payment) == GIVEN_UP
    assert (places(slot), status(cart)) == ((0, 0), Cart.Status.ACTIVE)


def test_giving_up_and_clicking_again_at_once_leaves_one_open_payment_or_none(
    payment, give_up, phone, cart, slot, phonepe
):
    gave_up, clicked = at_once(give_up, partial(click, phone, cart))

    assert gave_up.status_code == 200
    assert clicked.status_code in (200, 201)
    still_open = Payment.objects.filter(state=PaymentState.PENDING)
    held = 1 if still_open.exists() else 0
    assert still_open.count() <= 1
    assert places(slot) == (held, 0)
    assert status(cart) == (Cart.Status.CHECKED_OUT if held else Cart.Status.ACTIVE)


def test_nobody_gives_up_what_phonepe_keeps_silent_about(payment, give_up, cart, slot, phonepe):
    phonepe.decide(phonepe.order_ids[0])
    phonepe.inject_fault("status", "status_503", times=99)

    answer = give_up()

    assert (answer.status_code, answer.json()["code"]) == (504, "outcome_unknown")
    assert outcome(payment)[0] == PaymentState.PENDING
    assert (places(slot), status(cart)) == ((1, 0), Cart.Status.CHECKED_OUT)
    phonepe.clear_faults()
    work()
    assert outcome(payment) == PAID
    assert PaymentAttempt.objects.get().state == AttemptState.COMPLETED
