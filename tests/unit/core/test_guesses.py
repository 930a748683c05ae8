"""Guesses are counted before the secret is looked at, and waits grow, are bounded and end."""

import time

import pytest

from core import guesses
from core.guesses import HOUR, Limit, TooManyAttempts, begin_attempt
from core.models import Counter
from tests.harness.races import at_once

pytestmark = pytest.mark.django_db

CODE = Limit("code", free=3, window=HOUR, first_wait=30, longest_wait=200, alert_at=6)
ADDRESS = "198.51.100.7"


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_000_000.0

        def time(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(guesses, "time", clock)
    return clock


def wait_of(subject="someone") -> float | None:
    """Seconds that the caller is told to wait; None when the secret may be looked at."""
    try:
        begin_attempt(ADDRESS, (CODE, subject))
    except TooManyAttempts as refused:
        return refused.wait
    return None


def test_the_free_attempts_need_no_wait_and_then_waits_double_up_to_the_longest(clock):
    assert [wait_of() for _ in range(CODE.free)] == [None] * 3

    waits = []
    for _ in range(6):
        waits.append(wait_of())
        clock.now += waits[-1]
        assert wait_of() is None

    assert waits == [30, 60, 120, 200, 200, 200]


def test_refused_attempts_do_not_make_the_wait_longer(clock):
    for _ in range(50):
        wait_of()

    clock.now += 30
    assert wait_of() is None
    assert Counter.objects.get().refused == 47


def test_subjects_do_not_wait_for_each_other(clock):
    while wait_of("one") is None:
        pass

    assert wait_of("another") is None


def test_after_the_window_all_begins_again(clock):
    while wait_of() is None:
        pass
    clock.now += HOUR

    assert [wait_of() for _ in range(4)] == [None, None, None, 30]
    assert not Counter.objects.get().is_alarming


def test_a_right_secret_takes_its_own_attempt_back_and_no_other(clock):
    wait_of()
    wait_of()
    for _ in range(20):
        begin_attempt(ADDRESS, (CODE, "someone")).was_right()

    assert wait_of() is None
    assert wait_of() == 30


def test_a_right_secret_ends_the_wait_that_it_began(clock):
    wait_of()
    wait_of()
    begin_attempt(ADDRESS, (CODE, "someone")).was_right()

    assert wait_of() is None


def test_a_right_secret_does_not_end_the_wait_of_a_later_guess(clock):
    first = begin_attempt(ADDRESS, (CODE, "someone"))
    for _ in range(2):
        wait_of()
    clock.now += 30
    wait_of()
    first.was_right()

    assert wait_of() == 60


@pytest.mark.parametrize("hours", [-1, -24, 1])
def test_a_clock_that_is_set_locks_nobody_out(clock, hours):
    while wait_of() is None:
        pass
    clock.now += hours * 3600

    assert wait_of() is None


def test_who_is_stopped_at_the_first_limit_counts_at_no_other(clock):
    network = Limit("network", free=1, alert_at=99)
    begin_attempt(ADDRESS, (network, ADDRESS))
    for _ in range(5):
        with pytest.raises(TooManyAttempts):
            begin_attempt(ADDRESS, (network, ADDRESS), (CODE, "victim"))

    assert [wait_of("victim") for _ in range(4)] == [None, None, None, 30]


def test_alarming_is_what_was_tried_often_enough_refused_or_not(clock):
    for _ in range(5):
        wait_of()
    assert not Counter.objects.filter(is_alarming=True).exists()
    wait_of()
    assert Counter.objects.get(is_alarming=True).address == ADDRESS


def test_no_subject_is_stored_in_the_clear(clock):
    wait_of("alice@example.com")

    assert "alice" not in str(Counter.objects.values().get())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rounds", [0, 3])
def test_of_guesses_at_the_same_moment_only_the_free_ones_are_looked_at(rounds):
    """`rounds`: guesses that were made long before."""
    for _ in range(rounds):
        wait_of()
    Counter.objects.update(free_at=0)
    waits = at_once(*[wait_of] * 48)

    assert waits.count(None) == max(CODE.free - rounds, 1)
    counter = Counter.objects.get()
    assert counter.count + counter.refused == 48 + rounds


def test_the_real_clock_is_used():
    assert wait_of() is None
    assert abs(Counter.objects.get().started - time.time()) < 60
