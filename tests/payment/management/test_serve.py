"""A child of `manage.py serve` that ends is started again with backoff; only a server that cannot start ends it."""

import sys
import time

import pytest
from django.core.management import CommandError

from payment.management.commands import serve
from payment.management.commands.serve import FIRST_PAUSE, LONGEST_PAUSE, Child

ENDS_AT_ONCE = [sys.executable, "-c", "raise SystemExit(3)"]


@pytest.fixture
def clock(monkeypatch):
    """Time passes only when the test says so."""

    class Clock:
        now = time.monotonic()

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(serve, "time", clock)
    return clock


def has_ended(child: Child) -> None:
    child.process.wait(timeout=30)


def test_a_worker_that_ends_at_once_is_started_again_ever_more_rarely_and_never_given_up(clock, caplog):
    child = Child("worker", ENDS_AT_ONCE, must_start=False)
    for _ in range(12):
        has_ended(child)
        child.keep_alive()
        assert child.process.returncode == 3
        clock.now += child.pause
        child.keep_alive()

    pauses = [record.seconds for record in caplog.records]
    assert pauses[:3] == [2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    has_ended(child)


def test_a_worker_that_had_lived_is_started_again_soon(clock):
    child = Child("worker", ENDS_AT_ONCE, must_start=False)
    child.pause = LONGEST_PAUSE
    has_ended(child)
    clock.now += LONGEST_PAUSE
    child.keep_alive()

    assert child.pause == FIRST_PAUSE


def test_a_server_that_cannot_start_ends_all(clock):
    child = Child("server", ENDS_AT_ONCE, must_start=True)
    has_ended(child)

    with pytest.raises(CommandError, match="the server does not start"):
        child.keep_alive()


def test_a_server_that_had_served_is_started_again(clock):
    child = Child("server", [sys.executable, "-c", "input()"], must_start=True)
    clock.now += serve.SECONDS_TO_START
    child.keep_alive()
    child.process.kill()
    has_ended(child)
    child.command = ENDS_AT_ONCE
    for _ in range(3):
        child.keep_alive()
        clock.now += child.pause
        child.keep_alive()
        has_ended(child)
