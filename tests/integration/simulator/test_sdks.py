"""PhonePe's own SDKs, as they are published, with nothing changed but the base URL."""

import json
import shutil
from pathlib import Path

import pytest

from tests.harness.processes import Simulator
from tests.integration.simulator.packages import run

SDKS = Path(__file__).resolve().parent / "sdks"
# The SDK asks for any 0.4 of class-transformer; 0.4.1 no longer has what it calls.
NODE_SDK = ("pg-sdk-node@2.0.2", "class-transformer@0.4.0")

pytestmark = [pytest.mark.sockets, pytest.mark.proof]
PAGE = {
    "page": True,
    "tries": ["FAILED", "COMPLETED"],
    "paid": "COMPLETED",
    "app": ["SUCCESS", "COMPLETED", True, "PENDING"],
    "twice": [417, "INVALID_TRANSACTION_ID"],
    "unknown": [400, "INVALID_MERCHANT_ORDER_ID"],
}


def run_shop(*command, **environment):
    with Simulator() as phonepe:
        return json.loads(run(*map(str, command), phonepe.url, **environment))


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory):
    """PhonePe's SDK for Node. Skips where Node or its registry is missing."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node and npm are not installed: PhonePe's Node SDK cannot run")
    folder = tmp_path_factory.mktemp("node")
    try:
        run("npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *NODE_SDK)
    except AssertionError as error:
        pytest.skip(f"PhonePe's Node SDK cannot be installed: {str(error)[-300:]}")
    return folder / "node_modules"


def test_a_shop_on_the_python_sdk_sells_and_refunds(python_sdk):
    seen = run_shop(python_sdk, SDKS / "python_sdk.py")
    assert seen["page"] == PAGE
    assert seen["refund"] == ["PENDING", "COMPLETED"]
    assert seen["own"] == {
        "py-intent": ["COMPLETED", "UPI_INTENT"],
        "py-vpa": ["COMPLETED", "UPI_COLLECT"],
        "py-phone": ["COMPLETED", "UPI_COLLECT"],
        "py-qr": ["COMPLETED", "UPI_QR"],
        "py-bank": ["COMPLETED", "NET_BANKING"],
        "py-card": ["COMPLETED", "CARD"],
        "py-token": ["COMPLETED", "TOKEN"],
    }
    assert seen["unknown"] == [404, "ORDER_NOT_FOUND"]
    assert seen["webhooks"] == {event: event.upper().replace(".", "_") for event in seen["webhooks"]}
    assert len(seen["webhooks"]) == 4


def test_a_shop_on_the_node_sdk_sells_and_refunds(node_modules):
    seen = run_shop("node", SDKS / "node_sdk.js", NODE_PATH=str(node_modules))
    assert seen["page"] == PAGE
    assert seen["refund"] == ["PENDING", "COMPLETED"]
    assert seen["own"] == {
        "js-intent": ["COMPLETED", "UPI_INTENT"],
        "js-vpa": ["COMPLETED", "UPI_COLLECT"],
        "js-qr": ["COMPLETED", "UPI_QR"],
        "js-bank": ["COMPLETED", "NET_BANKING"],
    }
    assert seen["unknown"] == [404, "ORDER_NOT_FOUND"]
