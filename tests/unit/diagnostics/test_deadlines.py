import threading
from queue import SimpleQueue

import pytest
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.db import OperationalError, connections

from diagnostics import deadlines
from diagnostics.deadlines import ThreadDied, begin, result, result_cache, side_by_side
from payment.phonepe.transport import Deadline


def test_a_late_task_is_abandoned_and_the_others_count():
    never = threading.Event()
    assert side_by_side([lambda: never.wait(30), lambda: "done"], Deadline(0.2)) == [None, "done"]
    never.set()


def test_a_bug_in_a_task_is_not_reported_as_a_timeout(monkeypatch):
    told = SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", told.put)
    with pytest.raises(ThreadDied):
        side_by_side([lambda: 1 / 0], Deadline(5))
    assert told.get(timeout=5).exc_type is ZeroDivisionError


def test_an_expected_error_is_raised_by_result():
    def refuse():
        raise ConnectionRefusedError("nobody listens there")

    with pytest.raises(ConnectionRefusedError, match="nobody listens there"):
        result(begin(refuse, (OSError,)), Deadline(5))


def test_a_hanging_thread_does_not_delay_the_exit():
    never = threading.Event()
    begin(lambda: never.wait(30))
    hanging = [thread for thread in threading.enumerate() if thread.name == "diagnosis"]
    assert hanging
    assert all(thread.daemon for thread in hanging)
    never.set()


@pytest.mark.django_db(transaction=True)
def test_a_thread_closes_its_database_connection():
    def look():
        own = connections["default"]
        own.ensure_connection()
        return own, threading.current_thread()

    own, thread = result(begin(look), Deadline(5))
    thread.join(5)
    assert own is not connections["default"]
    assert own.connection is None


class BrokenCache(BaseCache):
    def __init__(self, *_):
        super().__init__({})

    def _fail(self, *_, **__):
        raise OperationalError("the connection is closed")

    add = get = set = _fail


class SilentCache(BrokenCache):
    said_enough = threading.Event()

    def _hang(self, *_, **__):
        self.said_enough.wait(30)

    add = get = set = _hang


class Counted(BrokenCache):
    calls = 0

    def _fail(self, *_, **__):
        Counted.calls += 1
        raise OperationalError("the connection is closed")

    add = get = set = _fail


@pytest.fixture(params=[BrokenCache, SilentCache])
def failing_cache(request, settings, monkeypatch):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.{request.param.__name__}"}}
    monkeypatch.setattr(deadlines, "CACHE_TIMEOUT", 0.05)
    SilentCache.said_enough.clear()
    yield
    SilentCache.said_enough.set()


def test_values_are_stored_in_the_shared_cache():
    result_cache.set("word", "shared", 60)
    assert cache.get("word") == "shared"
    assert result_cache.get("word") == "shared"
    assert result_cache.own.get("word") is None


def test_add_succeeds_for_the_first_caller_only():
    assert result_cache.add("turn", True, 60) is True
    assert result_cache.add("turn", True, 60) is False


def test_a_failing_shared_cache_falls_back_to_the_process(failing_cache):
    assert result_cache.add("turn", True, 60) is True
    assert result_cache.add("turn", True, 60) is False
    result_cache.set("word", "own", 60)
    assert result_cache.get("word") == "own"
    assert result_cache.get("unknown", "default") == "default"


def test_a_failed_cache_is_not_used_for_a_while(settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Counted"}}
    for _ in range(5):
        result_cache.get("word")
    assert Counted.calls == 1
