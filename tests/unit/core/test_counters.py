"""Counters of 100,000 callers at once: nothing is forgotten, and what has ended is deleted."""

import threading
import time

import pytest
from django.core.cache import caches
from django.db import OperationalError, connection

from core import counters
from core.counters import MemoryCounters, memory_counters, purge_expired
from core.models import Counter
from core.throttling import RateThrottle
from notifications.models import Notification
from payment.services.monitoring import run_checks
from tests.harness import PROOFS
from tests.harness.races import at_once

pytestmark = pytest.mark.django_db

CALLERS = 100_000 if PROOFS else 10_000
NOW = 1_000_000.0


def add_callers(ends, number=CALLERS, scope="register"):
    Counter.objects.bulk_create(
        (
            Counter(pk=counters.key_of(scope, f"caller {n}"), scope=scope, count=7, started=NOW, ends=ends)
            for n in range(number)
        ),
        batch_size=5_000,
    )


@pytest.mark.slow
def test_ever_so_many_callers_of_an_hour_are_all_remembered():
    add_callers(ends=NOW + 3600)

    for number in (0, 1, CALLERS // 2, CALLERS - 1):
        assert counters.count("register", f"caller {number}", 3600, NOW + 60).number == 8
    assert purge_expired(NOW + 60) == 0
    assert Counter.objects.count() == CALLERS


@pytest.mark.slow
def test_counters_whose_span_has_ended_are_deleted_and_no_others():
    add_callers(ends=NOW, number=25_000)
    add_callers(ends=NOW + 1, number=10, scope="login")

    assert purge_expired(NOW) == 25_000
    assert {each.scope for each in Counter.objects.all()} == {"login"}


def test_the_worker_deletes_them(alerts):
    counters.count("user", "user 1", 60, NOW)
    counters.count("user", "user 2", 3600, time.time())
    run_checks(0)

    assert Counter.objects.count() == 1
    assert alerts() == []


def guessed_at(scope, number, attempts=10):
    for subject in range(number):
        Counter.objects.create(
            pk=counters.key_of(scope, f"{subject}"),
            scope=scope,
            count=attempts,
            refused=subject,
            started=time.time(),
            ends=time.time() + 60,
            is_alarming=True,
            address="198.51.100.7",
        )


def test_staff_are_alerted_once_for_each_account_that_is_guessed_at(alerts):
    guessed_at("login account", 2)
    for _ in range(3):
        run_checks(0)

    assert alerts() == ["guessing"] * 2
    assert Notification.objects.filter(facts__attempts=11, facts__address="198.51.100.7").exists()


def test_an_attack_at_many_accounts_is_one_alert_for_staff(alerts):
    guessed_at("login account", 400)
    for _ in range(3):
        run_checks(0)

    assert alerts() == ["guessing"]
    assert Notification.objects.get().facts["count"] == 400


@pytest.mark.django_db(transaction=True)
def test_a_purge_beside_counting_loses_no_count():
    """The row had ended when the purge looked for it, and began anew before it was deleted."""
    for _ in range(5):
        counters.count("user", "user 1", 60, NOW)
        found = at_once(
            lambda: purge_expired(NOW + 60),
            *[lambda: counters.count("user", "user 1", 60, NOW + 60).number] * 8,
        )
        assert sorted(found[1:]) == list(range(1, 9))
        Counter.objects.all().delete()


class UserThrottle(RateThrottle):
    scope = "user"
    rate = "5/min"


@pytest.fixture
def broken_table(transactional_db):
    """The table answers as a database that is down, and is back afterwards."""
    memory_counters.clear()

    def refuse(execute, sql, params, many, context):
        if "core_counter" in sql:
            raise OperationalError("the connection is lost")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield
    memory_counters.clear()


def test_while_the_database_is_down_requests_are_counted_in_this_process(broken_table):
    assert [UserThrottle().admits("user 1") for _ in range(7)] == [True] * 5 + [False] * 2
    assert UserThrottle().admits("user 2")


def test_while_the_database_is_down_no_password_is_looked_at(broken_table, client):
    answer = client.post("/api/auth/login/", {"email": "alice@example.com", "password": "wrong"})

    assert (answer.status_code, answer.json()["error_category"]) == (503, "DATABASE")


def test_the_memory_counts_like_the_table():
    memory = MemoryCounters()
    spans = [(0, 1), (59, 2), (60, 1), (60 - 30, 2), (-3600, 1)]

    for seconds, number in spans:
        assert memory.count("user", "user 1", 60, NOW + seconds).number == number
        assert counters.count("user", "user 1", 60, NOW + seconds).number == number


def test_the_memory_is_bounded_by_callers_and_keeps_those_who_call(monkeypatch):
    monkeypatch.setattr(counters, "MOST_IN_MEMORY", 100)
    memory = MemoryCounters()
    for number in range(1_000):
        memory.count("user", f"caller {number}", 3_600, NOW)
        assert memory.count("user", "a flood", 3_600, NOW).number == number + 1

    assert len(memory._counts) == 100


def test_threads_of_a_process_count_together_in_memory():
    memory = MemoryCounters()
    threads = [
        threading.Thread(target=lambda: [memory.count("user", "user 1", 60, NOW) for _ in range(200)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert memory.count("user", "user 1", 60, NOW).number == 1_601


def test_the_cache_keeps_the_token_of_phonepe_among_the_keys_of_a_busy_day(settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "a-busy-day"}}
    cache = caches["default"]
    cache.set("a-token", "kept", 3600)
    for number in range(5_000):
        cache.set(f"z-{number}", number, 3600)

    assert cache.get("a-token") == "kept"
    assert cache.get("z-0") == 0
