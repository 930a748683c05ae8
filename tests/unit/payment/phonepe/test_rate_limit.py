"""After a 429 all processes of ours wait, not only the one that was told to."""

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.db import DatabaseError

from payment.gateways import NotSent
from payment.phonepe.rate_limit import LONGEST_PAUSE_SECONDS, LONGEST_RETRY_AFTER, RateLimit
from tests.unit.payment import wire
from tests.unit.payment.scripted_gateway import ScriptedGateway, operations

pytest_plugins = ["tests.unit.payment.gateway_fixtures"]
MERCHANT = wire.merchant("v1")
TOO_MANY = (429, {"success": False, "code": "TOO_MANY_REQUESTS", "message": "Too many requests."})


class Processes:
    """Several processes over one cache, with clocks that began at different moments."""

    def __init__(self, store=None):
        self.now = 1_781_150_400.0
        self.store = store or LocMemCache("rate limit tests", {})

    def process(self, merchant=MERCHANT):
        began = self.now - 1_000 * len(vars(self))
        return RateLimit(merchant, clock=lambda: self.now - began, now=lambda: self.now, store=self.store)


@pytest.fixture
def processes():
    processes = Processes()
    processes.store.clear()
    return processes


def test_what_one_process_is_told_all_processes_respect(processes):
    one, other = processes.process(), processes.process()
    assert one.seconds_left() == other.seconds_left() == 0
    one.record(7.0)
    processes.now += 1.5
    assert one.seconds_left() == other.seconds_left() == 5.5
    processes.now += 5.5
    assert one.seconds_left() == other.seconds_left() == 0


def test_another_merchant_is_not_concerned(processes):
    processes.process().record(7.0)
    assert processes.process(wire.merchant("v2")).seconds_left() == 0


def test_without_a_word_how_long_the_pause_doubles_while_it_does_not_help(processes):
    one, pauses = processes.process(), []
    for _ in range(8):
        one.record(None)
        one.record(None)  # requests that were under way
        pauses.append(one.seconds_left())
        processes.now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]
    processes.now += 3_600
    one.record(None)
    assert one.seconds_left() == 1


def test_an_absurd_wait_does_not_stop_the_shop_for_a_day(processes):
    one = processes.process()
    one.record(86_400.0)
    assert one.seconds_left() == LONGEST_RETRY_AFTER


def test_a_later_word_makes_a_pause_longer_and_none_makes_it_shorter(processes):
    one = processes.process()
    one.record(5.0)
    one.record(20.0)
    one.record(2.0)
    assert one.seconds_left() == 20


def test_without_the_cache_each_process_learns_it_by_itself():
    class NoCache:
        def get(self, key):
            raise DatabaseError

        def set(self, key, value, seconds):
            raise DatabaseError

    processes = Processes(NoCache())
    one, other = processes.process(), processes.process()
    one.record(5.0)
    assert (one.seconds_left(), other.seconds_left()) == (5, 0)


def test_the_cache_is_read_once_a_second_at_most(processes):
    reads = []
    other = processes.process()
    other._store = type("Counted", (), {"get": lambda self, key: reads.append(key)})()
    for _ in range(100):
        other.seconds_left()
        processes.now += 0.05
    assert len(reads) <= 6


def test_no_request_is_sent_before_the_pause_is_over(scripted):
    scripted.on_status(TOO_MANY, headers={"Retry-After": "60"})
    with pytest.raises(NotSent):
        scripted.status()
    with pytest.raises(NotSent) as caught:
        scripted.pay()
    assert caught.value.error_category == "RATE_LIMITED"
    assert caught.value.retry_after >= 60
    assert len(scripted.mock.calls) == 1


def test_a_call_that_can_wait_for_the_end_of_the_pause_does(scripted):
    scripted.on_status(TOO_MANY, headers={"Retry-After": "25"})
    with pytest.raises(NotSent):
        scripted.status()
    scripted.clock.now += 20
    scripted.on_pay(scripted.spoken.page)
    assert operations(scripted.pay().http_attempts) == ["pay"]
    [slept] = scripted.clock.slept
    assert 5 <= slept <= 6


def test_the_process_beside_it_does_not_send_either(scripted):
    scripted.on_status(TOO_MANY, headers={"Retry-After": "60"})
    with pytest.raises(NotSent):
        scripted.status()
    beside = ScriptedGateway(scripted.spoken, scripted.mock)
    with pytest.raises(NotSent):
        beside.status()
    assert len(scripted.mock.calls) == 1
