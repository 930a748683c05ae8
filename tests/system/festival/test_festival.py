"""The bounds of unpaid holds hinder nobody in a rush, and still bound who holds places for nothing in its midst."""

from contextlib import suppress

import pytest
from django.utils import timezone

from booking.models import Booking, Slot, SlotHold
from booking.services.hold_limits import network_digest
from core.errors import Conflict
from tests.harness import PROOFS, builders
from tests.system.festival.rush import Rush

pytestmark = pytest.mark.django_db

PEOPLE = 4_000 if PROOFS else 200
ATTACKER = "185.220.101.1"


@pytest.fixture
def rush(package, monkeypatch, settings):
    """With the limits of a new installation."""
    settings.HOLDS_PER_NETWORK, settings.HOLD_NETWORK_PERCENT, settings.HOLD_NEW_PERCENT = 10, 25, 90
    rush = Rush(PEOPLE, package, timezone.now())
    monkeypatch.setattr(timezone, "now", lambda: rush.now)
    return rush


def test_everybody_who_pays_gets_a_place_in_a_rush_of_new_customers(rush):
    rush.run()

    assert rush.lost == [], rush.report
    assert len(rush.waited) == len(rush.first_click) == PEOPLE
    assert SlotHold.objects.filter(state="RELEASED").count() + Booking.objects.count() == PEOPLE
    assert set(Slot.objects.values_list("held", flat=True)) == {0}
    at_once = [waited for waited in rush.waited if not waited]
    assert len(at_once) >= PEOPLE * 0.9


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
