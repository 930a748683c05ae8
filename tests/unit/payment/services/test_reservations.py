"""Whoever pays takes a place among PhonePe's callers before their cart is frozen."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from booking.models import Cart, SlotHold
from core.errors import Crowded
from payment.models import IdempotencyKey, Payment
from payment.services import gateway_calls
from payment.services.gateway_calls import CallPermits, call_permits, reserve_call

pytestmark = pytest.mark.django_db(transaction=True)

PROCESS_CART = "/api/payments/payments/process-cart/"


@pytest.fixture
def crowd(settings, monkeypatch):
    monkeypatch.setattr(gateway_calls, "SECONDS_TO_WAIT_FOR_RESERVATION", 0.05)
    monkeypatch.setattr(call_permits, "_released_to_waiting_at", float("-inf"))
    for _ in range(settings.PHONEPE_CALLS_AT_ONCE):
        assert call_permits.acquire()
    yield
    for _ in range(settings.PHONEPE_CALLS_AT_ONCE):
        call_permits.release()


@pytest.mark.parametrize("key", ["", "a-key-of-this-click"])
def test_a_click_in_a_crowd_leaves_nothing_behind(api, alice, cart, crowd, key):
    headers = {"Idempotency-Key": key} if key else {}
    answer = api(alice).post(PROCESS_CART, {"cart_id": cart.pk}, headers=headers)

    assert answer.status_code == 503, answer.data
    assert (answer.data["code"], answer.data["retryable"]) == ("busy", True)
    assert int(answer["Retry-After"]) >= 1
    assert "payment_id" not in answer.data
    assert not Payment.objects.exists()
    assert not SlotHold.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert Cart.objects.get().status == Cart.Status.ACTIVE


def test_the_click_after_the_crowd_opens_the_payment(api, alice, cart, crowd):
    assert api(alice).post(PROCESS_CART, {"cart_id": cart.pk}).status_code == 503
    call_permits.release()
    try:
        assert api(alice).post(PROCESS_CART, {"cart_id": cart.pk}).status_code == 201
    finally:
        assert call_permits.acquire()


def test_a_donation_in_a_crowd_leaves_nothing_behind(client, crowd):
    assert client.post(PROCESS_CART, {"amount": "101.00"}).status_code == 503
    assert not Payment.objects.exists()


def test_a_permit_is_given_back_when_what_was_prepared_fails(settings):
    for _ in range(settings.PHONEPE_CALLS_AT_ONCE * 3):
        with pytest.raises(ValueError, match="sold"), reserve_call():
            raise ValueError("sold")
    assert (call_permits._taken, call_permits._calling) == (0, 0)


def test_who_prepares_an_order_keeps_its_call_from_those_who_only_ask(settings):
    permits = CallPermits(1)
    assert permits.reserve(0)
    assert not permits.acquire()
    assert permits.acquire(is_reserved=True)
    permits.release(is_reserved=True)
    permits.end_reservation()
    assert permits.acquire()


def test_nobody_prepares_an_order_while_phonepe_is_silent():
    permits = CallPermits(3)
    for _ in range(3):
        assert permits.reserve(0)
    assert not permits.reserve(0.05)


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_a_rush_of_orders_uses_all_permits_while_nobody_polls_and_leaves_the_next_to_a_poll(count):
    permits = CallPermits(count)
    for _ in range(count):
        assert permits.reserve(0)
        assert permits.acquire(is_reserved=True)
    assert not permits.acquire(), "the poll comes too late for this round"
    permits.release(is_reserved=True)
    permits.end_reservation()
    assert not permits.reserve(0), "the next permit is for polls"
    assert permits.acquire()
    assert permits._calling == count


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_a_rush_of_orders_leaves_a_permit_to_polls(count):
    """Also when somebody who waited got a permit just now, and more than usual prepare their orders."""
    permits = CallPermits(count)
    assert permits.acquire(), "somebody polls"
    permits.release()
    permits._released_to_waiting_at = time.monotonic()
    while permits.reserve(0):
        pass
    for _ in range(count - 1):
        assert permits.acquire(is_reserved=True)
    assert permits.acquire()
    assert not permits.acquire()
    assert permits._calling == count
    permits.release(is_reserved=True)
    assert not permits.acquire(), "what orders have reserved is theirs"
    permits.release()
    assert permits.acquire()


def test_polls_are_made_during_a_rush_on_pay():
    permits, end, polls, orders = CallPermits(4), time.monotonic() + 1.5, [], []

    def buy(_):
        while time.monotonic() < end:
            if permits.reserve(1.0):
                if permits.acquire(is_reserved=True):
                    time.sleep(0.05)
                    permits.release(is_reserved=True)
                    orders.append(1)
                permits.end_reservation()

    def poll():
        while time.monotonic() < end:
            made = permits.acquire()
            polls.append(made)
            time.sleep(0.05)
            if made:
                permits.release()

    with ThreadPoolExecutor(9) as people:
        done = [*(people.submit(buy, None) for _ in range(8)), people.submit(poll)]
        for each in done:
            each.result()
    assert sum(polls) >= len(polls) - 2, "only those before the first permit that came back may find none"
    assert len(orders) > len(polls)
    assert (permits._taken, permits._calling, permits._waiting) == (0, 0, 0)


def test_who_failed_once_waits_for_a_permit_as_new_buyers_do(api, alice, cart, settings, monkeypatch):
    """The payment is written, and has no page: its next click is no call without a reservation."""
    monkeypatch.setattr(gateway_calls, "SECONDS_TO_WAIT_FOR_CALL", 0.0)
    others = settings.PHONEPE_CALLS_AT_ONCE - 1
    with reserve_call():
        assert all(call_permits.acquire() for _ in range(others))
        assert call_permits.acquire(is_reserved=True)
        assert api(alice).post(PROCESS_CART, {"cart_id": cart.pk}).status_code == 503
        call_permits.release(is_reserved=True)
    assert Payment.objects.count() == 1
    assert call_permits.acquire()

    threading.Timer(0.5, call_permits.release).start()
    try:
        assert api(alice).post(PROCESS_CART, {"cart_id": cart.pk}).status_code in (200, 201)
    finally:
        for _ in range(others):
            call_permits.release()


def test_a_reservation_within_another_one_takes_no_second_permit():
    with reserve_call(), reserve_call():
        assert call_permits._taken == 1
    assert call_permits._taken == 0


def test_at_phonepe_are_never_more_than_the_setting_allows_and_never_fewer_for_long():
    """Twenty people, four of whom PhonePe serves at once in 50 ms; each needs 20 ms of ours before and after."""
    permits, lock, calling, most = CallPermits(4), threading.Lock(), 0, 0

    def buy(_):
        nonlocal calling, most
        assert permits.reserve(20)
        time.sleep(0.02)
        assert permits.acquire(is_reserved=True)
        with lock:
            calling += 1
            most = max(most, calling)
        time.sleep(0.05)
        with lock:
            calling -= 1
        permits.release(is_reserved=True)
        time.sleep(0.02)
        permits.end_reservation()

    with ThreadPoolExecutor(10) as people:
        list(people.map(buy, range(20)))
    assert most == 4
    assert (permits._taken, permits._calling, permits._waiting) == (0, 0, 0)


def test_a_refusal_is_the_one_of_a_busy_server(crowd):
    with pytest.raises(Crowded) as caught, reserve_call():
        pytest.fail("nothing is done")
    assert (caught.value.status_code, caught.value.code) == (503, "busy")
