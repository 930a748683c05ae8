"""The fixtures of the gateway's tests: a pytest plugin, named by the modules that use it."""

from dataclasses import replace

import pytest
import responses
from responses.registries import OrderedRegistry

from payment.phonepe.enums import Channel
from tests.unit.payment.scripted_gateway import ORDER, SECOND, ScriptedGateway
from tests.unit.payment.wire import BASE, V1, V1_INTENT, V2, V2_SDK


@pytest.fixture
def mock():
    with responses.RequestsMock(registry=OrderedRegistry) as mock:
        yield mock


@pytest.fixture(params=[V1, V2], ids=["v1", "v2"])
def scripted(request, mock):
    return ScriptedGateway(request.param, mock)


@pytest.fixture(params=["v1 upi intent", "v2 sdk"])
def app(request, mock):
    """As `scripted`, for an order that is paid in an app."""
    if request.param == "v2 sdk":
        return ScriptedGateway(V2_SDK, mock, order=replace(ORDER, channel=Channel.SDK))
    intent = {"channel": Channel.UPI_INTENT, "target_app": "com.phonepe.app", "device_os": "ANDROID"}
    return ScriptedGateway(V1_INTENT, mock, order=replace(ORDER, **intent))


@pytest.fixture(params=[V1, V2], ids=["v1", "v2"])
def two(request, mock):
    """Two endpoints of the same environment."""
    return ScriptedGateway(request.param, mock, BASE, SECOND)
