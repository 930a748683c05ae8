"""One simulator and one authority for all rows; each row has a customer, two hosts and a process of its own."""

from contextlib import ExitStack

import pytest
from django.core.cache import cache

from payment import gateways
from payment.phonepe import client, credentials, transport
from tests.harness.certificates import Authority
from tests.harness.processes import Simulator
from tests.integration.wire.endpoints import HOSTS
from tests.integration.wire.faults import RETURNS
from tests.integration.wire.refund_scenario import RefundScenario
from tests.integration.wire.scenario import UNHURRIED, Certificates, WireScenario


@pytest.fixture(scope="module")
def phonepe():
    with Simulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority"))
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    return Certificates(authority, stranger, authority.issue(*HOSTS))


@pytest.fixture
def scenario(case, transactional_db, phonepe, certificates, settings, monkeypatch):
    gateways._gateway.cache_clear()
    cache.clear()
    monkeypatch.setattr(client, "BACKOFF_BASE_SECONDS", 0.01)
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_API_VERSION = case.generation
    published = credentials.SIMULATED_V1 if case.generation == "v1" else credentials.SIMULATED
    for name in ("merchant_id", "salt_key", "client_id", "client_secret"):
        setattr(settings, f"PHONEPE_{name.upper()}", published.get(name, ""))
    settings.PHONEPE_CA_BUNDLE = str(certificates.authority.bundle)
    settings.PHONEPE_DEADLINE = UNHURRIED
    settings.PHONEPE_MAX_RETRIES = 1  # one retry is enough; more of them only take longer
    settings.PUBLIC_BASE_URL = "http://127.0.0.1:1"
    with ExitStack() as stack:
        kind = RefundScenario if case.operation in RETURNS else WireScenario
        yield kind(case, settings, stack, phonepe, certificates)
        transport.session().close()  # a server ends when its callers have hung up
