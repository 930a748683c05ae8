"""The thread that delivers: started by a change, gone when all is at rest, holding nothing."""

import threading
from contextlib import contextmanager

import pytest
import responses

from simulator import dispatcher
from simulator.models import Delivery, Order

HOOK = "http://testserver/api/payments/webhook/phonepe/"


def dispatcher_threads():
    return [thread for thread in threading.enumerate() if thread.name == "simulator-dispatcher"]


@contextmanager
def delivering(settings):
    """The dispatcher runs; on leaving, its thread has ended by itself."""
    settings.SIMULATOR_DELIVERS = True
    try:
        yield
    finally:
        for thread in dispatcher_threads():
            thread.join(timeout=10)
        assert dispatcher_threads() == []


@pytest.fixture
def shop():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        wire.add_passthru("http://phonepe.simulator")
        yield wire


@pytest.mark.django_db(transaction=True)
class TestTheThread:
    def test_a_webhook_is_delivered_and_then_the_thread_ends(self, v2, shop, settings):
        shop.post(HOOK, status=200)
        v2.pay()
        with delivering(settings):
            v2.decide("V2-order-1", "success")
        assert Delivery.objects.get().delivered_at is not None

    def test_the_thread_does_not_start_if_deliveries_are_disabled(self, v2):
        v2.pay()
        v2.decide("V2-order-1", "success")
        assert dispatcher_threads() == []

    def test_time_that_passes_ends_orders_and_settles_refunds(self, v2, shop, settings):
        shop.post(HOOK, status=200)
        v2.pay("paid")
        v2.decide("paid", "success")
        v2.refund(merchant_order_id="paid")
        v2.pay("unpaid", expireAfter=300)
        with delivering(settings):
            v2.control("clock/", {"advance": 301})
        assert Order.objects.get(merchant_order_id="unpaid").state == "FAILED"
        events = sorted(Delivery.objects.values_list("event", flat=True))
        assert events == ["checkout.order.completed", "checkout.order.failed", "pg.refund.completed"]
        assert not Delivery.objects.filter(delivered_at=None).exists()

    def test_many_wake_calls_start_one_thread(self, v2, shop, settings):
        heard, go_on = threading.Event(), threading.Event()

        def answer(request):
            heard.set()
            assert go_on.wait(10)
            return (200, {}, "")

        shop.add_callback(responses.POST, HOOK, callback=answer)
        v2.pay()
        with delivering(settings):
            v2.decide("V2-order-1", "success")
            assert heard.wait(10)
            for _ in range(5):
                dispatcher.wake()
            assert len(dispatcher_threads()) == 1
            go_on.set()


class TestWhatIsNext:
    def test_nothing_is_due_when_everything_is_done(self, db):
        assert dispatcher.next_due() is None

    def test_the_end_of_an_open_order(self, v2):
        v2.pay()
        assert dispatcher.next_due() == Order.objects.get().expires_at

    def test_a_delivery_comes_before_that(self, v2):
        v2.pay("open")
        v2.pay("paid")
        v2.decide("paid", "success")
        assert dispatcher.next_due() == Delivery.objects.get().due_at
