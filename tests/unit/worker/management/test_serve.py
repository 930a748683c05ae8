"""A child of `manage.py serve` that ends is started again with backoff; only a server that cannot start ends it."""

import sys
import time

import pytest
from django.core.management import CommandError

from worker.management.commands import serve
from worker.management.commands.serve import FIRST_PAUSE, LONGEST_PAUSE, Child

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


@pytest.fixture
def full_system(monkeypatch):
    """The system starts no process as long as `refusal` is there."""

    class System:
        refusal: OSError | None = BlockingIOError(11, "Resource temporarily unavailable")

        def start(self, *arguments, **options):
            if self.refusal:
                raise self.refusal
            return started(*arguments, **options)

    started, system = serve.subprocess.Popen, System()
    monkeypatch.setattr(serve.subprocess, "Popen", system.start)
    return system


@pytest.mark.parametrize("errno", [11, 12])  # EAGAIN: the process limit; ENOMEM
@pytest.mark.parametrize(("name", "must_start"), [("server", True), ("worker", False)])
def test_a_child_that_the_system_cannot_start_again_is_tried_again_until_it_can(
    clock, full_system, caplog, name, must_start, errno
):
    full_system.refusal = None
    child = Child(name, [sys.executable, "-c", "input()"], must_start=must_start)
    child.process.kill()
    has_ended(child)
    child.keep_alive()

    full_system.refusal = OSError(errno, "the system is full")
    for _ in range(9):
        clock.now += child.pause
        child.keep_alive()
        child.keep_alive()  # not due yet

    refused = [record for record in caplog.records if "could not be started" in record.message]
    assert [record.seconds for record in refused[:2]] == [4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert (len(refused), child.pause) == (9, LONGEST_PAUSE)

    full_system.refusal = None
    child.command = ENDS_AT_ONCE
    before = child.process
    clock.now += child.pause
    child.keep_alive()
    assert child.process is not before
    has_ended(child)


def test_a_server_that_the_system_cannot_start_at_all_is_told_so(full_system):
    with pytest.raises(CommandError, match=r"the server does not start: .*temporarily unavailable"):
        Child("server", ENDS_AT_ONCE, must_start=True)


def test_a_worker_that_cannot_be_started_at_first_does_not_keep_the_server_from_serving(clock, full_system):
    worker = Child("worker", ENDS_AT_ONCE, must_start=False)
    worker.keep_alive()
    worker.end()

    full_system.refusal = None
    clock.now += worker.pause
    worker.keep_alive()

    has_ended(worker)
    assert worker.process.returncode == 3
