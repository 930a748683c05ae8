"""What another clock has written is believed only where it can be true."""

from datetime import datetime, timedelta, timezone

import pytest

from core.clocks import SKEW, has_passed, is_running, plausible_end

NOW = datetime(2026, 6, 11, 4, 30, tzinfo=timezone.utc)
LIFE = timedelta(minutes=15)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("seconds", [60, 300, 900])
def test_an_end_within_the_longest_life_is_believed(seconds):
    assert plausible_end(at(seconds), NOW, LIFE) == at(seconds)


@pytest.mark.parametrize("seconds", [-(10**9), -3600, 0, 59, 901, 3600, 10**9])
def test_an_end_that_cannot_be_meant_counts_as_not_told(seconds):
    assert plausible_end(at(seconds), NOW, LIFE) is None


def test_what_was_not_told_is_not_told():
    assert plausible_end(None, NOW, LIFE) is None


@pytest.mark.parametrize(
    ("seconds", "runs"),
    [(-3600, False), (0, False), (1, True), (900, True), (960, True), (961, False), (3600, False)],
)
def test_a_lease_runs_only_where_it_can_have_been_written(seconds, runs):
    assert is_running(at(seconds), NOW, LIFE) is runs


def test_no_lease_does_not_run():
    assert not is_running(None, NOW, LIFE)


@pytest.mark.parametrize(
    ("seconds", "passed"),
    [(-3600, True), (-900, True), (-899, False), (0, False), (60, False), (61, True), (900, True)],
)
def test_a_moment_further_ahead_than_two_clocks_differ_counts_as_long_ago(seconds, passed):
    assert has_passed(at(seconds), NOW, LIFE) is passed


def test_two_machines_may_differ_by_a_minute():
    assert timedelta(seconds=60) == SKEW
