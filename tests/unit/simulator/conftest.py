import pytest

from tests.unit.simulator.shop import V1Shop, V2Shop


@pytest.fixture
def v1(db):
    return V1Shop()


@pytest.fixture
def v2(db):
    return V2Shop()
