"""Several orders at PhonePe for what one customer wants: their ends come in any order, and at once."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from booking.models import Booking, Cart
from payment.models import Payment, PaymentAttempt, Refund, StateChange
from payment.phonepe.transport import Deadline
from payment.services.outcomes import apply_status
from payment.services.status import poll
from payment.states import AttemptState, Fulfilment, PaymentState, RefundState
from tests.harness import builders
from tests.harness.races import at_once
from tests.system.interleavings.scenarios import (
    bookings,
    call_us,
    check_booking,
    click,
    ledger,
    outcome,
    places,
    status,
    work,
)
from tests.unit.payment.builders import FAILED, PENDING
from worker.jobs import run_due

pytestmark = pytest.mark.proof(every=3)

PAID = (PaymentState.SUCCESS, Fulfilment.BOOKED)


@pytest.fixture
def two_orders(generation, phone, cart, phonepe):
    """A payment whose first page was lost: both orders can be paid."""
    phonepe.inject_fault("pay", "reset_after")
    click(phone, cart)
    payment = Payment.objects.get()
    return payment, *payment.attempts.order_by("number")


def question(attempt):
    return partial(poll, attempt, Deadline(5), "worker")


def test_two_orders_that_fail_at_once_end_the_payment_once_and_free_the_cart(two_orders, cart, slot, phonepe):
    payment, first, second = two_orders
    for attempt in (first, second):
        phonepe.decide(attempt.merchant_order_id, "failure")

    at_once(question(first), question(second))

    assert outcome(payment) == (PaymentState.FAILED, Fulfilment.NONE)
    assert StateChange.objects.filter(subject="payment").count() == 1
    assert (places(slot), status(cart)) == ((0, 0), Cart.Status.ACTIVE)
    assert ledger() == []


def test_two_orders_paid_at_once_are_one_booking_and_one_way_back(two_orders, cart, slot, phonepe):
    payment, first, second = two_orders
    for attempt in (first, second):
        phonepe.decide(attempt.merchant_order_id)

    at_once(*[question(first), question(second)] * 3)

    assert outcome(payment) == PAID
    assert ledger() == [("RECEIPT", 110_000), ("SURPLUS", 110_000)]
    refund = Refund.objects.get()
    assert (refund.amount_paise, refund.state) == (110_000, RefundState.WAITING)
    assert refund.attempt.ledger.get().kind == "SURPLUS"
    assert (bookings(), places(slot), status(cart)) == (1, (0, 1), Cart.Status.CONVERTED)


def test_one_order_fails_and_the_other_is_paid_at_once(two_orders, cart, slot, phonepe):
    payment, first, second = two_orders
    phonepe.decide(first.merchant_order_id, "failure")
    phonepe.decide(second.merchant_order_id)

    at_once(question(first), question(second))

    assert outcome(payment) == PAID
    assert ledger() == [("RECEIPT", 110_000)]
    assert (bookings(), places(slot), status(cart)) == (1, (0, 1), Cart.Status.CONVERTED)


@pytest.mark.parametrize("last", ["first", "second"])
def test_a_payment_ends_with_the_last_of_its_orders_whichever_that_is(two_orders, cart, phonepe, last):
    payment, *both = two_orders
    both.sort(key=lambda attempt: attempt.number, reverse=last == "first")
    for attempt in both:
        assert outcome(payment)[0] == PaymentState.PENDING
        phonepe.decide(attempt.merchant_order_id, "failure")
        assert call_us(phonepe.webhooks[-1]) == 200

    assert outcome(payment)[0] == PaymentState.FAILED
    assert status(cart) == Cart.Status.ACTIVE


def test_when_the_second_payment_of_a_cart_was_booked_late_money_for_the_first_goes_back(
    generation, phone, cart, slot, phonepe
):
    click(phone, cart)
    first = Payment.objects.get()
    phonepe.decide(phonepe.order_ids[0], "failure")
    call_us(phonepe.webhooks[-1])
    second = Payment.objects.get(pk=click(phone, cart).json()["payment_id"])
    phonepe.decide(phonepe.order_ids[1])
    call_us(phonepe.webhooks[-1])

    phonepe.decide(phonepe.order_ids[0], "late_success")
    assert call_us(phonepe.webhooks[-1]) == 200

    assert outcome(second) == PAID
    assert outcome(first) == (PaymentState.SUCCESS, Fulfilment.REFUND_DUE)
    assert ledger() == [("RECEIPT", 110_000)] * 2
    refund = Refund.objects.get()
    assert (refund.payment, refund.amount_paise, refund.state) == (first, 110_000, RefundState.WAITING)
    assert Booking.objects.get().checkout == second.checkout
    assert places(slot) == (0, 1)
    told = check_booking(phone, first)
    assert (told["success"], told["booking_created"]) == (True, False)
    assert "refund" in told["message"].lower()


def test_late_money_for_the_first_payment_books_the_cart_while_the_page_of_the_second_is_open(
    generation, phone, cart, slot, phonepe
):
    first = Payment.objects.get(pk=click(phone, cart).json()["payment_id"])
    phonepe.decide(phonepe.order_ids[0], "failure")
    call_us(phonepe.webhooks[-1])
    second = Payment.objects.get(pk=click(phone, cart).json()["payment_id"])

    phonepe.decide(phonepe.order_ids[0], "late_success")
    call_us(phonepe.webhooks[-1])

    assert (outcome(first), outcome(second)) == (PAID, (PaymentState.PENDING, Fulfilment.NONE))
    assert (bookings(), places(slot), status(cart)) == (1, (0, 1), Cart.Status.CONVERTED)
    again = click(phone, cart)
    assert (again.status_code, again.json()["code"]) == (409, "already_paid")
    assert again.json()["payment_id"] == first.pk

    phonepe.decide(phonepe.order_ids[1])
    call_us(phonepe.webhooks[-1])

    assert outcome(second) == (PaymentState.SUCCESS, Fulfilment.REFUND_DUE)
    assert Refund.objects.get().payment == second
    assert (bookings(), places(slot)) == (1, (0, 1))


def test_both_payments_of_a_cart_paid_at_once_make_one_booking(generation, phone, cart, slot, phonepe):
    click(phone, cart)
    phonepe.decide(phonepe.order_ids[0], "failure")
    call_us(phonepe.webhooks[-1])
    click(phone, cart)
    phonepe.decide(phonepe.order_ids[0], "late_success")
    phonepe.decide(phonepe.order_ids[1])

    at_once(*map(question, PaymentAttempt.objects.all()))

    outcomes = sorted(outcome(payment)[1] for payment in Payment.objects.all())
    assert outcomes == [Fulfilment.BOOKED, Fulfilment.REFUND_DUE]
    assert ledger() == [("RECEIPT", 110_000)] * 2
    assert Refund.objects.get().payment.fulfilment == Fulfilment.REFUND_DUE
    assert (bookings(), places(slot)) == (1, (0, 1))


def test_a_payment_fails_while_its_customer_fills_another_cart(
    generation, alice, phone, cart, package, phonepe
):
    other = builders.make_slot(package.puja_service, days=5)
    click(phone, cart)
    phonepe.decide(phonepe.order_ids[0], "failure")

    at_once(
        question(PaymentAttempt.objects.get()), partial(builders.make_cart, alice, package, other.starts_at)
    )

    wanted = Cart.objects.exclude(pk=cart.pk).get()
    assert status(wanted) == Cart.Status.ACTIVE
    assert status(cart) == Cart.Status.ABANDONED
    assert click(phone, wanted).status_code == 201


def test_late_money_for_a_cart_that_was_replaced_books_what_was_paid_for(
    generation, alice, phone, cart, slot, package, phonepe
):
    other = builders.make_slot(package.puja_service, days=5)
    click(phone, cart)
    wanted = builders.make_cart(alice, package, other.starts_at)
    phonepe.decide(phonepe.order_ids[0], "failure")
    call_us(phonepe.webhooks[-1])
    assert status(cart) == Cart.Status.ABANDONED

    phonepe.decide(phonepe.order_ids[0], "late_success")
    call_us(phonepe.webhooks[-1])

    assert outcome(Payment.objects.get()) == PAID
    assert Booking.objects.get().starts_at == slot.starts_at
    assert (places(slot), places(other)) == ((0, 1), (0, 0))
    assert (status(cart), status(wanted)) == (Cart.Status.CONVERTED, Cart.Status.ACTIVE)


def test_a_worker_that_lost_its_row_with_the_receipt_in_hand_does_no_harm(
    generation, phone, cart, slot, phonepe, line
):
    """It was so slow that another worker took the row over, asked, and settled first."""
    click(phone, cart)
    phonepe.decide(phonepe.order_ids[0])
    line.after["status"].append(lambda request: work("attempts"))

    assert work("attempts") == 1

    attempt = PaymentAttempt.objects.get()
    assert (attempt.state, attempt.next_check_at, attempt.checks) == (AttemptState.COMPLETED, None, 2)
    assert outcome(attempt.payment) == PAID
    assert ledger() == [("RECEIPT", 110_000)]
    assert (bookings(), places(slot)) == (1, (0, 1))


def test_a_slow_worker_does_not_give_away_the_row_that_another_has_taken_over(
    generation, phone, cart, phonepe, line
):
    click(phone, cart)
    other = timezone.now() + timedelta(minutes=1)
    line.after["status"].append(lambda request: PaymentAttempt.objects.update(next_check_at=other))

    assert work("attempts") == 1

    assert PaymentAttempt.objects.get().next_check_at == other


def test_an_old_answer_that_arrives_after_the_money_changes_nothing(
    generation, phone, cart, slot, phonepe, line
):
    """One asks and hears "pending"; before that is written down the customer pays and the webhook is settled."""
    click(phone, cart)

    def is_paid(request):
        phonepe.decide(phonepe.order_ids[0])
        assert call_us(phonepe.webhooks[-1]) == 200

    line.after["status"].append(is_paid)
    assert work("attempts") == 1

    attempt = PaymentAttempt.objects.get()
    assert (attempt.state, attempt.next_check_at) == (AttemptState.COMPLETED, None)
    assert outcome(attempt.payment) == PAID
    assert (bookings(), places(slot)) == (1, (0, 1))


def test_two_workers_webhook_and_customer_at_once_settle_one_payment_once(
    generation, api, alice, phone, cart, slot, phonepe
):
    click(phone, cart)
    payment = Payment.objects.get()
    phonepe.decide(phonepe.order_ids[0])
    delivery = phonepe.webhooks[-1]
    PaymentAttempt.objects.update(next_check_at=payment.created_at)

    came = at_once(
        *[partial(call_us, delivery)] * 3,
        *[partial(run_due, ["attempts", "events"])] * 2,
        *[partial(check_booking, api(alice), payment)] * 2,
    )

    assert came[:3] == [200] * 3
    assert [answer["booking_created"] for answer in came[5:]] == [True, True]
    assert outcome(payment) == PAID
    assert ledger() == [("RECEIPT", 110_000)]
    assert (bookings(), places(slot)) == (1, (0, 1))


def test_an_order_that_many_hear_has_failed_is_closed_once_and_leaves_the_other_one_open(two_orders, slot):
    payment, first, second = two_orders

    at_once(*[partial(apply_status, first.pk, news, "worker") for news in (PENDING, FAILED, PENDING, FAILED)])

    first.refresh_from_db()
    assert (first.state, second.state) == (AttemptState.FAILED, AttemptState.PENDING)
    assert StateChange.objects.filter(attempt=first, after=AttemptState.FAILED).count() == 1
    assert outcome(payment)[0] == PaymentState.PENDING
    assert places(slot) == (1, 0)
