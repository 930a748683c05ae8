"""A PhonePe (V2) in this process that keeps no rows: each order opens, and is paid as soon as somebody asks about it.

Named in SIMULATOR_ADAPTER where the statements or the time of our own code are counted, and of nobody else's.
"""

import io
import json
import time
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from payment.phonepe import credentials


class PaidPhonePe(BaseAdapter):
    amounts: dict[str, int] = {}

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        url, body = request.url or "", request.body or b"{}"
        if "/oauth/token" in url:
            now = int(time.time())
            answer: dict[str, Any] = {"access_token": "a-token", "issued_at": now, "expires_at": now + 3600}
            return _response(request, answer | {"token_type": "O-Bearer"})
        if "/order/" in url:
            order_id = url.partition("/order/")[2].partition("/")[0]
            return _response(request, _paid(order_id, self.amounts[order_id]))
        order = json.loads(body)
        self.amounts[order["merchantOrderId"]] = order["amount"]
        page = {"orderId": f"OMO{order['merchantOrderId']}", "state": "PENDING"}
        return _response(request, page | {"redirectUrl": "http://phonepe.example/transact/made-up"})

    def close(self) -> None:
        """No connection is open."""


def webhook(order_id: str, paise: int) -> tuple[dict[str, str], bytes]:
    """Headers and body of the call that says that the order is paid."""
    headers = {"Authorization": credentials.current().webhook_authorization}
    payload = _paid(order_id, paise) | {"merchantOrderId": order_id}
    return headers, json.dumps({"event": "checkout.order.completed", "payload": payload}).encode()


def _paid(order_id: str, paise: int) -> dict[str, Any]:
    paid = {
        "transactionId": f"OM{order_id}",
        "state": "COMPLETED",
        "amount": paise,
        "timestamp": int(time.time() * 1000),
        "rail": {"type": "UPI", "utr": "616200000043"},
    }
    return {"orderId": f"OMO{order_id}", "state": "COMPLETED", "amount": paise, "paymentDetails": [paid]}


def _response(request: requests.PreparedRequest, answer: dict[str, Any]) -> requests.Response:
    response = requests.Response()
    response.status_code, response.url, response.request = 200, request.url or "", request
    response.headers = CaseInsensitiveDict({"Content-Type": "application/json"})
    body = io.BytesIO(json.dumps(answer).encode())
    response.raw = HTTPResponse(body=body, headers=response.headers, status=200, preload_content=False)
    return response
