import pytest

from payment import gateways
from payment.phonepe import client
from payment.services import attempts


@pytest.fixture(autouse=True)
def surroundings(transactional_db, settings, monkeypatch):
    """A wire and a post office that know when they are used; and nobody sleeps."""
    settings.SIMULATOR_ADAPTER = "tests.system.properties.process.Wire"
    settings.EMAIL_BACKEND = "tests.system.properties.process.PostOffice"
    monkeypatch.setattr(attempts, "SECONDS_TO_WAIT_FOR_ANOTHER_REQUEST", 0.05)
    monkeypatch.setattr(client, "BACKOFF_BASE_SECONDS", 0)
    gateways._gateway.cache_clear()


@pytest.fixture(params=["v1", "v2"])
def generation(request, settings):
    settings.PHONEPE_API_VERSION = request.param
    return request.param
