"""The bounds of unpaid holds hinder nobody in a rush, and still bound who holds places for nothing in its midst."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import User
from booking.models import Booking, Slot, SlotHold
from booking.services.hold_limits import network_digest
from core.errors import Conflict
from tests.harness import PROOFS, builders
from tests.system.festival.rush import ONE_CARRIER, Rush

pytestmark = pytest.mark.django_db

PEOPLE = 4_000 if PROOFS else 200
ATTACKER = "185.220.101.1"


@pytest.fixture
def start_rush(package, monkeypatch, settings):
    """With the limits of a new installation."""
    shipped = dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", Path(".env.example").read_text()))
    for name in ("HOLDS_PER_NETWORK", "HOLD_NETWORK_PERCENT", "HOLD_NEW_PERCENT", "HOLD_COOL_DOWN_MINUTES"):
        setattr(settings, name, int(shipped[name]))
    for scope in ("login", "register"):
        monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, scope, shipped[f"{scope.upper()}_RATE"])
    settings.NUM_PROXIES = 1

    def start(people, **how):
        rush = Rush(people, package, timezone.now(), **how)
        monkeypatch.setattr(timezone, "now", lambda: rush.now)
        monkeypatch.setattr(SimpleRateThrottle, "timer", staticmethod(lambda: rush.now.timestamp()))
        return rush

    return start


@pytest.fixture
def rush(start_rush):
    return start_rush(PEOPLE)


def test_everybody_who_pays_gets_a_place_in_a_rush_of_new_customers(rush):
    rush.run()

    assert rush.lost == [], rush.report
    assert len(rush.waited) == len(rush.first_click) == PEOPLE
    assert SlotHold.objects.filter(state="RELEASED").count() + Booking.objects.count() == PEOPLE
    assert set(Slot.objects.values_list("held", flat=True)) == {0}
    at_once = [waited for waited in rush.waited if not waited]
    assert len(at_once) >= PEOPLE * 0.9


@pytest.mark.proof
def test_two_hundred_new_customers_of_one_address_register_log_in_and_get_their_places(start_rush):
    """By the API, under the rates of a new installation."""
    rush = start_rush(200, shares=ONE_CARRIER)
    rush.run()

    assert not rush.refusals.keys() & {"register", "login"}, rush.report
    assert rush.lost == [], rush.report
    assert len(rush.waited) == User.objects.count() == 200


@pytest.mark.proof
def test_in_the_midst_of_a_rush_one_network_holds_ten_places_for_nothing(rush):
    held = []

    def attack():
        """With two new accounts each half minute, and all the accounts that are refused there."""
        for _ in range(2):
            rush.first_click[(user := builders.make_user()).pk] = rush.now
            free = [slot for slot in Slot.objects.all() if slot.available]
            with suppress(Conflict):
                rush.click(rush.cart(user, rush.random.choice(free)), ATTACKER, True, 60) if free else None
        digest = network_digest(ATTACKER)
        held.append(SlotHold.objects.filter(network=digest, state="HELD").count())

    for half_minute in range(80):
        rush.at(half_minute / 2, attack)
    rush.run()

    assert max(held) == 10
    assert sum(held) / len(held) <= 6
    assert Booking.objects.count() >= PEOPLE * 0.8
