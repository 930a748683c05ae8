"""Strangers may only read a diagnosis, which costs one run in half a minute."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.harness.fake_phonepe import FakePhonePe
from tests.harness.installation import Installation

pytestmark = pytest.mark.sockets
PATH = "/api/payments/payments/debug-connectivity/"
OPS = {"X-Ops-Token": "tests-only-ops-token"}


@pytest.fixture(scope="module")
def phonepe():
    with FakePhonePe() as server:
        yield server


@pytest.fixture(scope="module")
def stranger():
    """A host that wants our server to send requests to it."""
    with FakePhonePe() as server:
        yield server


@pytest.fixture(scope="module")
def shop(phonepe):
    """Two server processes over one database, which is also their cache."""
    base = f"http://127.0.0.1:{phonepe.port}"
    real = {
        "PHONEPE_SIMULATION_MODE": False,
        "PHONEPE_API_VERSION": "v1",
        "PHONEPE_MERCHANT_ID": "MERCHANTOKPUJA",
        "PHONEPE_SALT_KEY": "a-salt-key-that-nobody-may-see",
        "PHONEPE_BASE_URL": f"{base}/apis/pg-sandbox",
        "DIAGNOSIS_CONTROL_URLS": base,
    }
    with Installation(**real) as installation:
        installation.serve()
        installation.serve()
        yield installation


def test_many_who_ask_two_processes_at_once_cost_one_look(shop, phonepe):
    urls = [f"{server.url}{PATH}" for server in shop.servers] * 6
    with ThreadPoolExecutor(len(urls)) as crowd:
        answers = list(crowd.map(lambda url: requests.get(url, timeout=30).json(), urls))
    looked = [answer for answer in answers if "checked_at" in answer]
    assert len({answer["checked_at"] for answer in looked}) == 1
    # Few may wait for the first look; the others are told to come again.
    assert {answer["code"] for answer in answers if answer not in looked} <= {"diagnosis_running"}
    assert phonepe.probes == 2  # as PhonePe, and as the control host
    assert phonepe.questions == 1


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("headers", [{}, OPS], ids=["a stranger", "an operator"])
def test_a_diagnosis_cannot_be_aimed_at_other_hosts(shop, stranger, method, headers):
    aim = f"http://127.0.0.1:{stranger.port}/"
    names = ("url", "host", "target", "endpoint", "base_url", "PHONEPE_BASE_URL", "control", "proxy", "only")
    aimed = dict.fromkeys(names, aim)
    url = f"{shop.servers[0].url}{PATH}"
    said = {"json": {**aimed, "test_payment": True}} if method == "post" else {}
    answer = requests.request(
        method,
        url,
        params=aimed,
        headers={**headers, "X-Forwarded-Host": aim, "Referer": aim},
        timeout=30,
        **said,
    )
    assert answer.status_code == (401 if method == "post" and not headers else 200)
    assert stranger.asked == []
    assert aim not in answer.text
