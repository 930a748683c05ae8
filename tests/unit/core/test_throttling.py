"""Throttles count requests of a span of time, whatever the clock was when they came, and however many come at once."""

import pytest
from rest_framework.test import APIRequestFactory

from core.clocks import SKEW
from core.models import Counter
from core.throttling import RateThrottle
from tests.harness.races import at_once

pytestmark = pytest.mark.django_db


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def make_door(clock: Clock, a_rate: str) -> RateThrottle:
    class Door(RateThrottle):
        scope = "door"
        rate = a_rate
        timer = clock

        def get_cache_key(self, request, view):
            return "a-door"

    return Door()


def opens(door: RateThrottle) -> bool:
    return door.allow_request(APIRequestFactory().get("/"), None)


@pytest.fixture
def door():
    """A door for three requests a minute, and its clock."""
    clock = Clock()
    return lambda: opens(make_door(clock, "3/min")), clock


def test_the_fourth_request_of_a_minute_is_turned_away(door):
    send, clock = door
    assert [send() for _ in range(4)] == [True, True, True, False]

    clock.now += 60
    assert send()


@pytest.mark.parametrize("hours", [1, -1, -24 * 365])
def test_a_clock_that_is_set_opens_the_door_again(door, hours):
    send, clock = door
    while send():
        clock.now += 1

    clock.now += hours * 3600

    assert [send() for _ in range(4)] == [True, True, True, False]


def test_two_servers_may_differ_by_seconds(door):
    send, clock = door
    while send():
        clock.now += 1
    clock.now -= 20

    assert not send()


@pytest.mark.parametrize("duration", ["min", "hour", "day"])
@pytest.mark.parametrize("back", [0, 1, 30, 59, 60, 61, 3_599, 3_600, 7_200, 86_399])
def test_a_clock_that_is_set_back_closes_no_door_for_longer_than_its_duration(duration, back):
    clock = Clock()
    rate = f"20/{duration}"
    while opens(make_door(clock, rate)):
        pass

    clock.now -= back
    door = make_door(clock, rate)
    if opens(door):
        assert back > SKEW.total_seconds()
        return

    assert back <= SKEW.total_seconds()
    assert door.wait() <= door.duration
    clock.now += door.duration + back
    assert opens(make_door(clock, rate))


@pytest.mark.django_db(transaction=True)
def test_of_requests_at_the_same_moment_exactly_as_many_pass_as_the_rate_allows():
    clock = Clock()
    passed = at_once(*[lambda: opens(make_door(clock, "7/min"))] * 48)

    assert passed.count(True) == 7
    assert passed.count(False) == 41
    assert Counter.objects.get().count == 48
