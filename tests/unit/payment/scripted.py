"""A PhonePe on the wire that says what a test has written down for each order, as often as it is asked."""

import base64
import json
import re
import time
from typing import Any

import requests

from payment.models import PaymentAttempt
from tests.unit.payment.wire import BASE, TEST_SALT

OTHER_ORDER = "an-order-of-somebody-else"
PAGE_CONTENT = "<html>please wait</html>"
SILENT = "silent"


class ScriptedPhonePe:
    """`says[order]` is how the question about an order is answered, `default` about every other one.

    Answers are words of ANSWERS. Orders in `taken` get no page any more; every other one gets a page each time.
    """

    def __init__(self, mock: Any, settings: Any, generation: str) -> None:
        self.generation, self.default = generation, "pending"
        self.says: dict[str, str] = {}
        self.taken: set[str] = set()
        self.expire_at: Any = None
        self.asked: list[str] = []
        settings.PHONEPE_SIMULATION_MODE = False
        settings.PHONEPE_API_VERSION, settings.PHONEPE_BASE_URL = generation, BASE
        settings.PHONEPE_MERCHANT_ID, settings.PHONEPE_SALT_KEY = "PGTESTPAYUAT", TEST_SALT
        settings.PHONEPE_CLIENT_ID, settings.PHONEPE_CLIENT_SECRET = "CLIENT-1", "a-secret-of-ours"
        mock.add_callback("POST", f"{BASE}/v1/oauth/token", self._token)
        mock.add_callback("POST", re.compile(rf"{re.escape(BASE)}/(pg/v1/pay|checkout/v2/pay)"), self._pay)
        mock.add_callback(
            "GET", re.compile(rf"{re.escape(BASE)}/(pg/v1/status|checkout/v2/order)/.*"), self._status
        )

    def _token(self, request: Any) -> Any:
        now = int(time.time())
        return _json({"access_token": "a-token", "issued_at": now, "expires_at": now + 3600})

    def _pay(self, request: Any) -> Any:
        body = json.loads(request.body)
        if self.generation == "v1":
            body = json.loads(base64.b64decode(body["request"]))
        order = body.get("merchantOrderId") or body["merchantTransactionId"]
        if order in self.taken:
            return _json({"success": False, "code": "DUPLICATE_TXN_REQUEST"}, 417)
        url = f"https://mercury.example/page/{order}"
        if self.generation == "v2":
            return _json(
                {"orderId": "OM1", "state": "PENDING", "redirectUrl": url, "expireAt": self.expire_at}
            )
        info = {"instrumentResponse": {"redirectInfo": {"url": url}}}
        return _json({"success": True, "code": "PAYMENT_INITIATED", "data": info})

    def _status(self, request: Any) -> Any:
        path = request.url.partition("?")[0].removesuffix("/status")
        order = path.rpartition("/")[2]
        self.asked.append(order)
        word = self.says.get(order, self.default)
        if word == SILENT:
            raise requests.ReadTimeout("no answer")
        if word == "503":
            return 503, {}, "{}"
        if word == "a page":
            return 200, {"Content-Type": "text/html"}, PAGE_CONTENT
        paise = PaymentAttempt.objects.get(merchant_order_id=order).amount_paise
        speak = self._v1 if self.generation == "v1" else self._v2
        return speak(order, word, paise)

    def _v1(self, order: str, word: str, paise: int) -> Any:
        if word == "not found":
            return _json({"success": False, "code": "TRANSACTION_NOT_FOUND", "data": {}}, 404)
        codes = {"paid": "PAYMENT_SUCCESS", "paid, no amount": "PAYMENT_SUCCESS", "failed": "PAYMENT_ERROR"}
        codes |= {"a new word": "CANCELLED", "not known yet": "INTERNAL_SERVER_ERROR"}
        data = {"merchantTransactionId": OTHER_ORDER if word == "another order" else order, "amount": paise}
        if word == "paid, no amount":
            data["amount"] = "1100.00"
        if word in ("bank is deciding", "paid"):
            data["transactionId"] = "T1"
        return _json({"success": True, "code": codes.get(word, "PAYMENT_PENDING"), "data": data})

    def _v2(self, order: str, word: str, paise: int) -> Any:
        if word == "not found":
            return _json({"code": "ORDER_NOT_FOUND", "message": "No entry found"}, 404)
        states = {"paid": "COMPLETED", "paid, no amount": "COMPLETED", "failed": "FAILED"}
        states |= {"a new word": "CANCELLED", "not known yet": "UNKNOWN"}
        answer: dict[str, Any] = {"state": states.get(word, "PENDING"), "amount": paise, "orderId": "OM1"}
        if word == "another order":
            answer["merchantOrderId"] = OTHER_ORDER
        if word == "paid, no amount":
            answer["amount"] = "1100.00"
        if word in ("bank is deciding", "paid"):
            state = "PENDING" if word != "paid" else "COMPLETED"
            answer["paymentDetails"] = [{"transactionId": "T1", "state": state}]
        return _json(answer)


UNDECIDED = (
    *("pending", "bank is deciding", "paid, no amount", "not found", "a new word", "not known yet"),
    *("another order", "503", "a page", SILENT),
)
ANSWERS = (*UNDECIDED, "failed", "paid")


def _json(body: dict[str, Any], status: int = 200) -> Any:
    return status, {"Content-Type": "application/json"}, json.dumps(body)
