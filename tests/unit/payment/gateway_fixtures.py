"""The fixtures of the gateway's tests: a pytest plugin, named by the modules that use it."""

import pytest
import responses
from responses.registries import OrderedRegistry

from tests.unit.payment.scripted_gateway import SECOND, ScriptedGateway
from tests.unit.payment.wire import BASE, V1, V2


@pytest.fixture
def mock():
    with responses.RequestsMock(registry=OrderedRegistry) as mock:
        yield mock


@pytest.fixture(params=[V1, V2], ids=["v1", "v2"])
def world(request, mock):
    return ScriptedGateway(request.param, mock)


@pytest.fixture(params=[V1, V2], ids=["v1", "v2"])
def two(request, mock):
    """Two endpoints of the same environment."""
    return ScriptedGateway(request.param, mock, BASE, SECOND)
