import threading

import pytest
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.db import OperationalError

from diagnostics import result_cache


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
    monkeypatch.setattr(result_cache, "TIMEOUT", 0.05)
    SilentCache.said_enough.clear()
    yield
    SilentCache.said_enough.set()


def test_what_one_process_remembers_all_know():
    result_cache.set("word", "shared", 60)
    assert cache.get("word") == "shared"
    assert result_cache.get("word") == "shared"
    assert result_cache.own.get("word") is None


def test_of_all_who_ask_first_one_is():
    assert result_cache.add("turn", True, 60) is True
    assert result_cache.add("turn", True, 60) is False


def test_while_the_shared_cache_fails_this_process_remembers_alone(failing_cache):
    assert result_cache.add("turn", True, 60) is True
    assert result_cache.add("turn", True, 60) is False
    result_cache.set("word", "own", 60)
    assert result_cache.get("word") == "own"
    assert result_cache.get("unknown", "default") == "default"


def test_a_cache_that_has_failed_is_left_alone_for_a_while(settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Counted"}}
    for _ in range(5):
        result_cache.get("word")
    assert Counted.calls == 1
