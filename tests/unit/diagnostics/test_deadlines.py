import contextlib
import socket
import sqlite3
import threading
import time
from contextlib import closing
from queue import SimpleQueue

import pytest
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.db import OperationalError, connections

from diagnostics import deadlines
from diagnostics.deadlines import ThreadDied, begin, from_database, result, result_cache, side_by_side
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
        result(begin(refuse, Deadline(5), (OSError,)), Deadline(5))


def test_a_hanging_thread_does_not_delay_the_exit():
    never = threading.Event()
    begin(lambda: never.wait(30), Deadline(30))
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

    own, thread = result(begin(look, Deadline(5)), Deadline(5))
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


def test_a_silent_redis_is_waited_for_once_in_one_diagnosis(settings):
    with socket.create_server(("127.0.0.1", 0)) as silence:
        address = f"redis://127.0.0.1:{silence.getsockname()[1]}/0"
        settings.CACHES = {"default": {"BACKEND": "core.cache.SharedCache", "LOCATION": address}}
        for word in ("one", "two", "three"):
            result_cache.get(word)
        silence.settimeout(0)
        silence.accept()[0].close()
        with pytest.raises(BlockingIOError):  # nobody else has connected
            silence.accept()


@pytest.fixture
def locked_file(transactional_db, monkeypatch, tmp_path, settings):
    """An SQLite database with the table of the cache, whose lock another connection holds."""
    file = tmp_path / "locked.sqlite3"
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file), "OPTIONS": {"timeout": 5}}
    monkeypatch.setitem(connections.settings, "default", connections.settings["default"] | database)
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "kept"}
    }
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE kept (cache_key text PRIMARY KEY, value text, expires datetime)")
        other.execute("BEGIN IMMEDIATE")
        yield file


def write():
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM kept")


def test_a_task_waits_for_the_lock_until_its_deadline_only_however_often_it_tries(locked_file):
    """Who waits longer makes others wait: they free cursors of that connection when they collect garbage."""

    def write_often():
        for _ in range(3):
            with contextlib.suppress(OperationalError):
                write()
        return connections["default"]

    began = time.monotonic()
    used = result(begin(write_often, Deadline(1)), Deadline(5))
    assert 0.5 < time.monotonic() - began < 2
    assert used.settings_dict["NAME"] == str(locked_file)
    assert connections.settings["default"]["OPTIONS"] == {"timeout": 5}  # others wait as before


def test_a_locked_cache_in_the_database_is_a_failed_one(locked_file):
    """Django says False for a lock, as it does when somebody else was first."""
    began = time.monotonic()
    assert result_cache.add("turn", True, 60) is True
    assert result_cache.add("turn", True, 60) is False
    assert time.monotonic() - began < 2.5


def test_a_database_that_has_failed_is_not_tried_again_for_the_cache_in_it(locked_file):
    assert from_database(write) is None
    began = time.monotonic()
    assert result_cache.add("turn", True, 60) is True
    assert from_database(write) is None
    assert time.monotonic() - began < 0.5


def test_a_login_is_looked_up_although_the_database_has_failed(locked_file):
    assert from_database(write) is None
    assert from_database(lambda: "a login", even_if_failed=True) == "a login"
