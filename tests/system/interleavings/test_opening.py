"""While a page is being opened at PhonePe, somebody else acts."""

import pytest
import requests

from booking.models import Cart
from payment.models import Payment, PaymentAttempt, StateChange
from payment.services.checkout import start_payment
from payment.states import AttemptState, Fulfilment, PaymentState
from simulator.adapter import SimulatorAdapter
from tests.system.interleavings.scenarios import (
    bookings,
    call_us,
    click,
    leases_end,
    ledger,
    orders,
    outcome,
    places,
    status,
    work,
)
from tests.unit.payment.scripted_gateway import REFUSED
from worker.jobs import run_due

pytestmark = pytest.mark.proof(every=3)

PAID = (PaymentState.SUCCESS, Fulfilment.BOOKED)
OPEN = (PaymentState.PENDING, Fulfilment.NONE)


class Killed(BaseException):
    """kill -9, as near as one thread can come to it: no `except` of ours sees it."""


def kill(request):
    raise Killed


def order_said_last():
    return PaymentAttempt.objects.latest("pk").merchant_order_id


def ends(phonepe, outcome):
    """The customer is done before PhonePe's answer to `pay` is here, and the webhook overtakes that answer."""

    def happen(request):
        phonepe.decide(order_said_last(), outcome)
        assert call_us(phonepe.webhooks[-1]) == 200

    return happen


def test_money_announced_before_the_page_arrives_is_booked_and_nobody_is_sent_to_pay_again(
    generation, phone, cart, slot, phonepe, line
):
    line.after["pay"].append(ends(phonepe, "success"))

    answer = click(phone, cart)

    payment = Payment.objects.get()
    assert (answer.status_code, answer.json()["code"]) == (409, "already_paid")
    assert answer.json()["payment_id"] == payment.pk
    assert outcome(payment) == PAID
    assert ledger() == [("RECEIPT", 110_000)]
    assert (places(slot), status(cart)) == ((0, 1), Cart.Status.CONVERTED)


def test_an_order_that_failed_before_its_page_arrives_is_followed_by_a_fresh_payment(
    generation, phone, cart, slot, phonepe, line
):
    line.after["pay"].append(ends(phonepe, "failure"))

    answer = click(phone, cart)

    first, second = Payment.objects.order_by("pk")
    assert (answer.status_code, answer.json()["payment_id"]) == (201, second.pk)
    assert answer.json()["payment_url"] == second.attempts.get().page_url
    assert outcome(first) == (PaymentState.FAILED, Fulfilment.NONE)
    assert outcome(second) == OPEN
    assert (places(slot), status(cart)) == ((1, 0), Cart.Status.CHECKED_OUT)
    assert ledger() == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_that_asks_while_the_page_is_being_opened_decides_nothing(
    generation, phone, cart, slot, line, moment
):
    """Before PhonePe has the order the answer is "not found", after it "pending"."""
    getattr(line, moment)["pay"].append(lambda request: [work("attempts") for _ in range(5)])

    answer = click(phone, cart)

    payment = Payment.objects.get()
    assert answer.status_code == 201
    assert orders(payment) == [(1, AttemptState.PENDING)]
    assert outcome(payment) == OPEN
    assert places(slot) == (1, 0)
    assert run_due(["attempts"]) == 0


def test_a_server_killed_between_the_intent_and_the_call_costs_one_click_more(
    generation, alice, phone, cart, slot, phonepe, line
):
    line.before["pay"].append(kill)
    with pytest.raises(Killed):
        start_payment(alice, cart_id=cart.pk)
    payment = Payment.objects.get()
    assert orders(payment) == [(1, AttemptState.CREATED)]
    assert phonepe.order_ids == []

    too_early = click(phone, cart)
    assert (too_early.status_code, too_early.json()["code"]) == (409, "payment_under_way")
    assert too_early["Retry-After"] == "3"
    assert too_early.json()["payment_id"] == payment.pk

    leases_end()
    answer = click(phone, cart)

    assert (answer.status_code, answer.json()["payment_id"]) == (200, payment.pk)
    assert phonepe.order_ids == [payment.attempts.get().merchant_order_id]
    assert places(slot) == (1, 0)


def test_a_server_killed_with_the_answer_on_its_way_has_its_first_order_watched(
    generation, alice, phone, cart, phonepe, line
):
    line.after["pay"].append(kill)
    with pytest.raises(Killed):
        start_payment(alice, cart_id=cart.pk)
    leases_end()

    answer = click(phone, cart)

    payment = Payment.objects.get()
    assert (answer.status_code, answer.json()["payment_id"]) == (200, payment.pk)
    assert orders(payment) == [(1, AttemptState.PENDING), (2, AttemptState.PENDING)]
    assert answer.json()["merchant_transaction_id"] == phonepe.order_ids[1]

    for order in phonepe.order_ids:
        phonepe.decide(order)
    work()

    assert outcome(payment) == PAID
    assert ledger() == [("RECEIPT", 110_000), ("SURPLUS", 110_000)]
    assert bookings() == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_server_killed_while_the_site_of_2026_pays_leaves_an_open_payment_that_the_next_click_finds(
    generation, phone, cart, phonepe, line, moment
):
    """The page reads "initiated", never "failed", and the killed click's key does not stop the next one."""
    body = {"cart_id": str(cart.cart_id), "address_id": cart.user.addresses.get().pk}
    getattr(line, moment)["pay"].append(kill)
    with pytest.raises(Killed):
        phone.post("/api/payments/cart/", body, headers={"Idempotency-Key": "killed-click"})
    cart_status = phone.get(f"/api/payments/cart/status/{cart.cart_id}/").json()["data"]
    assert (cart_status["payment_status"], cart_status["booking_created"]) == ("INITIATED", False)
    leases_end()

    answer = phone.post("/api/payments/cart/", body, headers={"Idempotency-Key": "another-click"})

    payment = Payment.objects.get()
    assert (answer.status_code, answer.json()["data"]["payment_order"]["id"]) == (200, payment.pk)
    phonepe.decide(payment.attempts.latest("number").merchant_order_id)
    verified = phone.post("/api/payments/verify-and-complete/", {"cart_id": str(cart.cart_id)}).json()
    assert (verified["success"], bookings()) == (True, 1)
    assert ledger() == [("RECEIPT", 110_000)]


def test_a_server_killed_with_a_page_nobody_ever_opened_frees_the_cart_when_it_expires(
    generation, alice, cart, slot, phonepe, line
):
    line.after["pay"].append(kill)
    with pytest.raises(Killed):
        start_payment(alice, cart_id=cart.pk)
    phonepe.advance_clock(3600)

    work()

    assert outcome(Payment.objects.get())[0] == PaymentState.FAILED
    assert (places(slot), status(cart)) == ((0, 0), Cart.Status.ACTIVE)


def test_an_order_that_arrives_after_phonepe_has_denied_it_is_followed_by_a_second_one(
    generation, phone, cart, phonepe, line
):
    """Read timeout; "not found"; said again; "exists": the first message was only slow."""
    slow = []

    def lose(request):
        slow.append(request)
        raise requests.ReadTimeout("no answer")

    line.before["pay"].append(lose)
    line.after["status"].append(lambda request: SimulatorAdapter().send(slow[0]))

    answer = click(phone, cart)

    payment = Payment.objects.get()
    assert answer.status_code == 201
    assert orders(payment) == [(1, AttemptState.PENDING), (2, AttemptState.PENDING)]
    assert phonepe.order_ids == [attempt.merchant_order_id for attempt in payment.attempts.all()]
    told = payment.calls.exclude(operation="token").values_list("operation", "http_status", "error_category")
    not_found = 404 if generation == "v1" else 400
    assert list(told)[:3] == [
        ("pay", None, "READ_TIMEOUT"),
        ("status", not_found, ""),
        ("pay", 417, "REJECTED"),
    ]

    for order in phonepe.order_ids:
        phonepe.decide(order)
    work()
    assert ledger() == [("RECEIPT", 110_000), ("SURPLUS", 110_000)]
    assert bookings() == 1


def test_a_request_that_outlived_its_lease_leaves_two_pages_and_one_booking(
    generation, phone, cart, slot, phonepe, line
):
    answers = []

    def another_click(request):
        leases_end()
        answers.append(click(phone, cart))

    line.after["pay"].append(another_click)

    answers.append(click(phone, cart))

    payment = Payment.objects.get()
    assert [answer.status_code for answer in answers] == [200, 201]
    assert {answer.json()["payment_id"] for answer in answers} == {payment.pk}
    assert len({answer.json()["payment_url"] for answer in answers}) == 2
    for order in phonepe.order_ids:
        phonepe.decide(order)
        assert call_us(phonepe.webhooks[-1]) == 200
    assert outcome(payment) == PAID
    assert ledger() == [("RECEIPT", 110_000), ("SURPLUS", 110_000)]
    assert (bookings(), places(slot)) == (1, (0, 1))


def test_a_request_that_outlived_its_lease_in_vain_does_not_unsay_what_another_one_said(
    generation, phone, cart, phonepe, line
):
    answers = []

    def refuse(request):
        raise REFUSED

    def another_click(request):
        leases_end()
        answers.append(click(phone, cart))
        line.before["pay"].extend([refuse] * 9)
        refuse(request)

    line.before["pay"].append(another_click)

    answers.append(click(phone, cart))

    assert [answer.status_code for answer in answers] == [200, 503]
    attempt = PaymentAttempt.objects.get()
    assert (attempt.state, bool(attempt.sent_at)) == (AttemptState.PENDING, True)


def test_ten_news_of_one_payment_are_one_decision(generation, phone, cart, phonepe):
    click(phone, cart)
    phonepe.decide(order_said_last())
    for _ in range(5):
        assert call_us(phonepe.webhooks[-1]) == 200
        work()

    assert StateChange.objects.filter(subject="payment").count() == 1
    assert bookings() == 1
