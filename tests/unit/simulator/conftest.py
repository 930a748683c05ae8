import pytest

from tests.unit.simulator.shop import ADDRESS, V1Shop, V2Shop


@pytest.fixture(autouse=True)
def own_addresses(settings):
    """The shop that pays here by hand belongs to this site."""
    settings.FRONTEND_BASE_URL = ADDRESS


@pytest.fixture
def v1(db):
    return V1Shop()


@pytest.fixture
def v2(db):
    return V2Shop()
