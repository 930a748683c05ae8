import pytest

from diagnostics.deadlines import result_cache
from tests.harness.certificates import Authority
from tests.harness.fake_phonepe import FakePhonePe


@pytest.fixture(autouse=True)
def nothing_remembered():
    result_cache.own.clear()


@pytest.fixture
def real_v1(settings):
    """Settings of an installation that talks to PhonePe by V1."""
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_MERCHANT_ID = "MERCHANTOKPUJA"
    settings.PHONEPE_SALT_KEY = "a-salt-key-that-nobody-may-see"
    settings.PHONEPE_MAX_RETRIES = 0  # no pauses
    settings.DIAGNOSIS_TRUSTED_NETWORKS = ["127.0.0.0/8"]  # PhonePe's names lead to loopback here
    return settings


@pytest.fixture
def phonepe_server():
    with FakePhonePe() as server:
        yield server


@pytest.fixture
def control(settings):
    """A host that has nothing to do with PhonePe, and works."""
    with FakePhonePe() as server:
        settings.DIAGNOSIS_CONTROL_URLS = [f"http://127.0.0.1:{server.port}"]
        yield server


@pytest.fixture
def authority(tmp_path, settings):
    """Whose certificates this installation trusts."""
    made = Authority(tmp_path)
    settings.PHONEPE_CA_BUNDLE = str(made.bundle)
    return made
