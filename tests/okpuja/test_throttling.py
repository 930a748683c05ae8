"""Throttles count requests of the last minute, whatever the clock was when they came."""

import pytest
from django.core.cache import cache
from rest_framework.test import APIRequestFactory

from okpuja.throttling import RateThrottle


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def door():
    """A door for three requests a minute, and its clock."""
    cache.clear()
    clock = Clock()

    class Door(RateThrottle):
        rate = "3/min"
        timer = clock

        def get_cache_key(self, request, view):
            return "a-door"

    def knock() -> bool:
        return Door().allow_request(APIRequestFactory().get("/"), None)

    return knock, clock


def test_the_fourth_request_of_a_minute_is_turned_away(door):
    knock, clock = door
    assert [knock() for _ in range(4)] == [True, True, True, False]

    clock.now += 60
    assert knock()


@pytest.mark.parametrize("hours", [1, -1, -24 * 365])
def test_a_clock_that_is_set_opens_the_door_again(door, hours):
    knock, clock = door
    while knock():
        clock.now += 1

    clock.now += hours * 3600

    assert [knock() for _ in range(4)] == [True, True, True, False]


def test_two_servers_may_differ_by_seconds(door):
    knock, clock = door
    while knock():
        clock.now += 1
    clock.now -= 20

    assert not knock()
