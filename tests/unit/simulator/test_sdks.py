"""PhonePe's own SDKs, as they are published, with nothing changed but the base URL.

They are not among our requirements: the Python one wants an older `requests`. Where they are missing the tests skip
and say how to install them.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.servers import Simulator

HERE = Path(__file__).resolve().parent / "sdks"
HOME = ROOT / ".venv" / "phonepe"
PYTHON = HOME / "bin" / "python"
MODULES = HOME / "node_modules"
PYTHON_SDK = "python3 -m venv .venv/phonepe && .venv/phonepe/bin/pip install phonepe-pg-sdk-python==3.0.1"
# The SDK asks for any 0.4 of class-transformer; 0.4.1 no longer has what it calls.
NODE_SDK = "npm install --prefix .venv/phonepe pg-sdk-node@2.0.2 class-transformer@0.4.0"

pytestmark = pytest.mark.sockets
PAGE = {
    "page": True,
    "tries": ["FAILED", "COMPLETED"],
    "paid": "COMPLETED",
    "app": True,
    "twice": [417, "INVALID_TRANSACTION_ID"],
    "unknown": [400, "INVALID_MERCHANT_ORDER_ID"],
}


def lived(*command, **environment):
    with Simulator() as phonepe:
        shop = subprocess.run(
            [*command, phonepe.url],
            env={"PATH": os.environ["PATH"]} | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert shop.returncode == 0, shop.stderr
    return json.loads(shop.stdout)


@pytest.mark.skipif(not PYTHON.exists(), reason=f"PhonePe's Python SDK is not installed: {PYTHON_SDK}")
def test_a_shop_on_the_python_sdk_sells_and_gives_back():
    told = lived(PYTHON, HERE / "python_sdk.py")
    assert told["page"] == PAGE
    assert told["refund"] == ["PENDING", "COMPLETED"]
    assert told["own"] == {
        "py-intent": ["COMPLETED", "UPI_INTENT"],
        "py-vpa": ["COMPLETED", "UPI_COLLECT"],
        "py-phone": ["COMPLETED", "UPI_COLLECT"],
        "py-qr": ["COMPLETED", "UPI_QR"],
        "py-bank": ["COMPLETED", "NET_BANKING"],
        "py-card": ["COMPLETED", "CARD"],
        "py-token": ["COMPLETED", "TOKEN"],
    }
    assert told["unknown"] == [404, "ORDER_NOT_FOUND"]
    assert told["webhooks"] == {event: event.upper().replace(".", "_") for event in told["webhooks"]}
    assert len(told["webhooks"]) == 4


@pytest.mark.skipif(
    not (shutil.which("node") and (MODULES / "pg-sdk-node").exists()),
    reason=f"PhonePe's Node SDK is not installed: {NODE_SDK}",
)
def test_a_shop_on_the_node_sdk_sells_and_gives_back():
    told = lived("node", HERE / "node_sdk.js", NODE_PATH=str(MODULES))
    assert told["page"] == PAGE
    assert told["refund"] == ["PENDING", "COMPLETED"]
    assert told["own"] == {
        "js-intent": ["COMPLETED", "UPI_INTENT"],
        "js-vpa": ["COMPLETED", "UPI_COLLECT"],
        "js-qr": ["COMPLETED", "UPI_QR"],
        "js-bank": ["COMPLETED", "NET_BANKING"],
    }
    assert told["unknown"] == [404, "ORDER_NOT_FOUND"]
