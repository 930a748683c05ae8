import pytest
from django.core.cache import cache

from payment import gateways
from payment.phonepe import client
from tests import people
from tests.phonepe import PhonePe


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    """Each test begins like a process that has just started: no token, no open circuit. And nobody sleeps."""
    gateways._gateway.cache_clear()
    cache.clear()
    monkeypatch.setattr(client, "FIRST_PAUSE", 0)


@pytest.fixture
def phonepe(db):
    """One line gives a test a scripted PhonePe."""
    return PhonePe()


@pytest.fixture
def cart(alice, package, slot):
    """₹1100 for a place in a slot."""
    return people.make_cart(alice, package, slot.starts_at)


@pytest.fixture(params=["v1", "v2"])
def generation(request, settings):
    """Both of PhonePe's protocols, one after the other."""
    settings.PHONEPE_API_VERSION = request.param
    return request.param
