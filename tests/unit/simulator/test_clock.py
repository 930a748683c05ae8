"""PhonePe's time goes as fast as we want it to, or not at all."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from simulator import clock


def read(v2):
    said = v2.control("clock/").json()
    return datetime.fromisoformat(said["now"]), said["stopped"]


def test_it_can_be_read_and_shows_the_real_time(v2):
    now, stopped = read(v2)
    assert abs(now - timezone.now()) < timedelta(seconds=5)
    assert not stopped


def test_a_stopped_clock_shows_one_moment(v2):
    v2.control("clock/", {"stopped": True})
    first, stopped = read(v2)
    assert stopped
    assert read(v2)[0] == first


def test_a_stopped_clock_can_be_moved_to_the_second(v2):
    v2.control("clock/", {"stopped": True})
    first, _ = read(v2)
    v2.control("clock/", {"advance": 90})
    assert read(v2) == (first + timedelta(seconds=90), True)


def test_a_restarted_clock_continues_from_its_time(v2):
    v2.control("clock/", {"stopped": True})
    v2.control("clock/", {"advance": 3600})
    stopped_at, _ = read(v2)
    v2.control("clock/", {"stopped": False})
    now, stopped = read(v2)
    assert not stopped
    assert timedelta(0) <= now - stopped_at < timedelta(seconds=5)


def test_an_order_does_not_expire_while_the_clock_is_stopped(v2):
    v2.control("clock/", {"stopped": True})
    v2.pay(expireAfter=300)
    v2.control("clock/", {"advance": 299})
    assert v2.status().json()["state"] == "PENDING"
    v2.control("clock/", {"advance": 1})
    assert v2.status().json()["state"] == "FAILED"


def test_a_token_ends_by_this_clock(v2):
    v2.pay()
    v2.control("clock/", {"stopped": True, "advance": 624_601})
    assert v2.status().status_code == 401


def test_advancing_twice_adds_up(v2):
    for _ in range(2):
        v2.control("clock/", {"advance": 1000})
    assert clock.now() - timezone.now() > timedelta(seconds=1990)


@pytest.mark.parametrize(
    "body", [{}, {"stopped": "yes"}, {"advance": "1"}, {"advance": 1.5}, {"advance": -1}]
)
def test_an_invalid_clock_change_is_refused(v2, body):
    assert v2.control("clock/", body).status_code == 400
