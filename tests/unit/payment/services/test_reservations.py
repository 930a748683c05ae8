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
    for _ in range(settings.PHONEPE_CALLS_AT_ONCE):
        assert call_permits.acquire()
    yield
    for _ in range(settings.PHONEPE_CALLS_AT_ONCE):
        call_permits.release()


@pytest.mark.parametrize("key", ["", "a-key-of-this-click"])
def test_a_click_in_a_crowd_leaves_nothing_behind(api, alice, cart, crowd, key):
    headers = {"Idempotency-Key": key} if key else {}
    answer = api(alice).post(PROCESS_CART, {"cart_id": cart.pk}, headers=headers)

    assert (answer.status_code, answer.data["code"], answer.data["retryable"]) == (503, "busy", True)
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
    permits = CallPermits(2)
    assert permits.reserve(0)
    assert permits.reserve(0)
    assert not permits.reserve(0.05)


def test_at_phonepe_are_never_more_than_the_setting_allows_and_never_fewer_for_long(monkeypatch):
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
