"""PhonePe's call that an order was paid, made and signed by the test itself: as often and as late as it likes."""

import base64
import hashlib
import json
from typing import Any

import requests

from tests.harness.installation import WEBHOOK, InstallationWithPhonePe

# What the simulated PhonePe signs with: published, and worth nothing.
SALT, LOGIN = "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399", "sim_hook:Sim-pass-9"


def webhook(installation: InstallationWithPhonePe, started: dict[str, Any]) -> requests.Response:
    """`started` is what process-cart had answered."""
    order, paise = started["merchant_transaction_id"], int(started["amount"].replace(".", ""))
    if installation.generation == "v1":
        data = {
            "merchantId": "PGTESTPAYUAT",
            "merchantTransactionId": order,
            "amount": paise,
            "state": "COMPLETED",
        }
        content = json.dumps({"success": True, "code": "PAYMENT_SUCCESS", "data": data}).encode()
        body = {"response": base64.b64encode(content).decode()}
        proof = {"X-VERIFY": hashlib.sha256((body["response"] + SALT).encode()).hexdigest() + "###1"}
    else:
        payload = {"merchantOrderId": order, "state": "COMPLETED", "amount": paise}
        body = {"event": "checkout.order.completed", "payload": payload}
        proof = {"Authorization": hashlib.sha256(LOGIN.encode()).hexdigest()}
    return requests.post(installation.url + WEBHOOK, json=body, headers=proof, timeout=30)
