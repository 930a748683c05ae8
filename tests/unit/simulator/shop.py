"""A shop that speaks PhonePe's language by hand, independent of everybody else's code."""

import base64
import hashlib
import json
from urllib.parse import urlencode

import requests

from simulator.adapter import SimulatorAdapter

ORIGIN = "http://phonepe.simulator"
SALT = "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399"
ADDRESS = "http://shop.example"


class Wire:
    """Says things to the simulator through the in-process door, or over HTTP when given another origin."""

    def __init__(self, origin=ORIGIN):
        self.origin = origin
        self.session = requests.Session()
        self.session.trust_env = False
        if origin == ORIGIN:
            self.session.mount(ORIGIN, SimulatorAdapter())

    def __call__(self, method, path, **options):
        return self.session.request(method, self.origin + "/simulator/" + path, timeout=10, **options)

    def control(self, path, body=None):
        method = "GET" if body is None else "POST"
        return self(method, f"control/{path}", json=body)

    def decide(self, merchant_order_id, outcome, **more):
        return self.control(f"orders/{merchant_order_id}/decide/", {"outcome": outcome, **more})

    def arm(self, operation, kind, **more):
        return self.control("faults/", {"operation": operation, "fault": kind, **more})


class V1Shop(Wire):
    base = "apis/pg-sandbox"

    def seal(self, text, salt=SALT, index=1):
        return hashlib.sha256((text + salt).encode()).hexdigest() + f"###{index}"

    def post(self, path, payload, headers=None):
        text = base64.b64encode(json.dumps(payload).encode()).decode()
        sealed = {"X-VERIFY": self.seal(text + path)} if headers is None else headers
        return self("POST", self.base + path, json={"request": text}, headers=sealed)

    def pay(self, merchant_order_id="V1-order-1", without=(), **changes):
        payload = {
            "merchantId": "PGTESTPAYUAT",
            "merchantTransactionId": merchant_order_id,
            "merchantUserId": "U1",
            "amount": 110_000,
            "redirectUrl": f"{ADDRESS}/back",
            "redirectMode": "REDIRECT",
            "callbackUrl": f"{ADDRESS}/callback",
            "paymentInstrument": {"type": "PAY_PAGE"},
        }
        wanted = {name: value for name, value in (payload | changes).items() if name not in without}
        return self.post("/pg/v1/pay", wanted)

    def status(self, merchant_order_id="V1-order-1", merchant_id="PGTESTPAYUAT", **headers):
        path = f"/pg/v1/status/{merchant_id}/{merchant_order_id}"
        known = {
            "Content-Type": "application/json",
            "X-VERIFY": self.seal(path),
            "X-MERCHANT-ID": merchant_id,
        }
        return self("GET", self.base + path, headers=known | headers)

    def refund(
        self, merchant_refund_id="V1-refund-1", merchant_order_id="V1-order-1", amount=110_000, **changes
    ):
        payload = {
            "merchantId": "PGTESTPAYUAT",
            "originalTransactionId": merchant_order_id,
            "merchantTransactionId": merchant_refund_id,
            "amount": amount,
            "callbackUrl": f"{ADDRESS}/refund-callback",
        }
        return self.post("/pg/v1/refund", payload | changes)


class V2Shop(Wire):
    base = "apis/pg-sandbox"
    token = ""

    def fetch_token(self, **changes):
        form = {
            "client_id": "SIM-CLIENT",
            "client_secret": "sim-secret",
            "client_version": "1",
            "grant_type": "client_credentials",
        }
        content = {"Content-Type": "application/x-www-form-urlencoded"}
        return self("POST", self.base + "/v1/oauth/token", data=urlencode(form | changes), headers=content)

    def authorized(self, method, path, **options):
        self.token = self.token or self.fetch_token().json()["access_token"]
        headers = {"Authorization": f"O-Bearer {self.token}"}
        return self(method, self.base + path, headers=headers, **options)

    def pay(self, merchant_order_id="V2-order-1", without=(), **changes):
        payload = {
            "merchantOrderId": merchant_order_id,
            "amount": 110_000,
            "expireAfter": 900,
            "metaInfo": {"udf1": "booking-1"},
            "paymentFlow": {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": f"{ADDRESS}/back"}},
        }
        wanted = {name: value for name, value in (payload | changes).items() if name not in without}
        return self.authorized("POST", "/checkout/v2/pay", json=wanted)

    def status(self, merchant_order_id="V2-order-1", **query):
        return self.authorized("GET", f"/checkout/v2/order/{merchant_order_id}/status", params=query)

    def refund(
        self, merchant_refund_id="V2-refund-1", merchant_order_id="V2-order-1", amount=110_000, **changes
    ):
        payload = {
            "merchantRefundId": merchant_refund_id,
            "originalMerchantOrderId": merchant_order_id,
            "amount": amount,
        }
        return self.authorized("POST", "/payments/v2/refund", json=payload | changes)

    def refund_status(self, merchant_refund_id="V2-refund-1"):
        return self.authorized("GET", f"/payments/v2/refund/{merchant_refund_id}/status")
