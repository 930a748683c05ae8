"""kill -9 at the worst moment: while PhonePe keeps silent and a payment hangs between us and it."""

import threading
from contextlib import suppress

import pytest
import requests

from tests.harness.customers import Customer, pay
from tests.harness.installation import Installation, start_installation
from tests.harness.processes import eventually

pytestmark = [pytest.mark.sockets, pytest.mark.only_postgresql]

LEASE = """
SELECT held_until BETWEEN now() + interval '40 s' AND now() + interval '60 s'
FROM payment_worklease WHERE kind = 'attempts'
"""
A_MINUTE_PASSES = "UPDATE payment_worklease SET held_until = held_until - interval '60 s'"


@pytest.mark.proof(every=2)
@pytest.mark.parametrize(
    ("generation", "arrived", "orders"),
    [("v1", True, 2), ("v2", False, 1)],
    ids=["and PhonePe had the order", "and PhonePe had nothing"],
)
def test_a_server_that_dies_while_it_opens_a_page_costs_a_wait_and_nothing_else(generation, arrived, orders):
    # Two seconds are a call, and seven the time in which nobody else may make it.
    with start_installation(generation, servers=2, PHONEPE_DEADLINE=2) as shop:
        other, doomed = shop.servers
        shop.phonepe.inject_fault("pay", "never_answer", carried_out=arrived)
        cart = shop.customer().choose()
        click = threading.Thread(
            target=lost_click, args=(Customer([doomed.url], shop.tokens.customers[0]), cart)
        )
        click.start()
        eventually(lambda: not shop.phonepe.pending_faults(), "PhonePe keeps silent")
        doomed.kill()
        click.join()

        customer = Customer([other.url], shop.tokens.customers[0])
        refused = customer.check_out(cart)
        assert (refused.status_code, refused.json()["code"]) == (409, "payment_under_way")
        assert refused.headers["Retry-After"]
        opened = eventually(lambda: opened_page(customer, cart), "the right to call has ended")
        assert len(shop.phonepe.orders()) == orders
        pay(opened["payment_url"])
        eventually(lambda: customer.get("booking/bookings/"), "the booking is made")
        shop.servers.remove(doomed)
        assert len(shop.timeline(opened["payment_id"], "money")) == 1


def test_when_a_worker_dies_over_a_question_another_one_asks_it_after_the_lease():
    with start_installation("v2", workers=1, PAYMENT_TIME_SCALE=20) as shop:
        customer = shop.customer()
        shop.phonepe.inject_fault("webhook", "drop")
        shop.phonepe.inject_fault("status", "never_answer")
        pay(customer.start()["payment_url"])
        eventually(lambda: not shop.phonepe.pending_faults(), "the worker waits for PhonePe")
        shop.workers[0].kill()
        assert shop.query(LEASE) == [(True,)]

        other = shop.work()
        eventually(lambda: "worker started" in other.output, "another worker is at work")
        assert customer.get("booking/bookings/") == []
        shop.query(A_MINUTE_PASSES)
        eventually(lambda: customer.get("booking/bookings/"), "the other worker has asked")


def test_a_worker_that_is_told_again_and_again_to_end_ends():
    with Installation() as shop:
        worker = shop.work()
        eventually(lambda: "worker started" in worker.output, "the worker is at work")
        for _ in range(5_000):
            if "worker ended" not in worker.output:
                worker.ask_to_end()
        assert worker.wait() == 0


def lost_click(customer, cart):
    with suppress(requests.ConnectionError):
        customer.check_out(cart)


def opened_page(customer, cart):
    """None while another request may call, or while a busy machine takes longer than the deadline of two seconds."""
    answer = customer.check_out(cart)
    assert answer.status_code in (200, 409, 504)
    return answer.json() if answer.status_code == 200 else None
