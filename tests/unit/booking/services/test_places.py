from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Slot
from booking.services import nearby_slots
from tests.harness import builders


@pytest.fixture
def checkout(alice, package, slot):
    return builders.make_checkout(builders.make_cart(alice, package, slot.starts_at))


def test_the_nearest_free_slots_are_offered(checkout, service, slot):
    Slot.objects.filter(pk=slot.pk).update(booked=1)  # the other place is held by this very checkout
    near = builders.make_slot(service, days=3, hour=12)
    before = builders.make_slot(service, days=2, hour=18)
    after = builders.make_slot(service, days=5)
    builders.make_slot(service, days=9)
    assert nearby_slots(checkout) == [near, before, after]


def test_full_closed_past_and_strange_slots_are_not_offered(checkout, service, slot):
    Slot.objects.filter(pk=slot.pk).update(is_open=False)
    builders.make_slot(service, days=4, capacity=1, booked=1)
    builders.make_slot(service, days=5, is_open=False)
    Slot.objects.create(service=service, starts_at=timezone.now() - timedelta(hours=1))
    builders.make_slot(builders.make_service(), days=3, hour=11)
    assert nearby_slots(checkout) == []
