"""A gateway before a PhonePe that says exactly what a test wrote down, in both protocols."""

import requests
from urllib3.exceptions import NewConnectionError, ProtocolError

from payment.gateways import Deadline, Order, PhonePeGateway, RefundOrder
from payment.phonepe.oauth import TokenStore
from payment.phonepe.transport import Session
from payment.phonepe.v2 import AccessToken
from tests.unit.payment import wire
from tests.unit.payment.wire import BASE, Clock

SECOND = "https://second.example/apis/pg-sandbox"
ORDER = Order(
    "OKP20260611A0001",
    149900,
    "https://shop.example/back",
    "https://shop.example/hook",
    "U1042",
    "9876543210",
)
REFUND = RefundOrder("OKPRF20260611A0001", "OKP20260611A0001", 149900, "U1042", "https://shop.example/hook")
ACCESS_TOKEN = AccessToken("a-token", 1_781_150_400, 1_781_775_000)

REFUSED = requests.ConnectionError(
    NewConnectionError(None, "refused"), ConnectionRefusedError(111, "refused")
)
SILENT = requests.ReadTimeout("no answer")
RESET = requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset")))


class ScriptedGateway:
    """A gateway, and the exact exchanges that PhonePe has with it: nothing more, nothing less, in this order."""

    def __init__(self, spoken, mock, *bases, order=ORDER, **changes):
        self.spoken, self.mock, self.clock, self.order = spoken, mock, Clock(), order
        merchant = wire.merchant(spoken.generation, *bases, **changes)
        tokens = TokenStore(merchant, now=lambda: ACCESS_TOKEN.issued_at + 1)
        tokens.get(lambda deadline: ACCESS_TOKEN, self.deadline())
        self.gateway = PhonePeGateway(
            merchant, session=Session(), sleep=self.clock.sleep, clock=self.clock, tokens=tokens
        )

    def deadline(self, seconds=20):
        return Deadline(seconds, self.clock)

    def hears(self, method, path, answer, base=BASE, **more):
        if isinstance(answer, Exception):
            self.mock.add(method, base + path, body=answer)
        elif isinstance(answer[1], dict):
            self.mock.add(method, base + path, status=answer[0], json=answer[1], **more)
        else:
            self.mock.add(method, base + path, status=answer[0], body=answer[1], **more)

    def on_pay(self, answer, base=BASE, **more):
        self.hears("POST", self.spoken.pay_path, answer, base, **more)

    def on_status(self, answer, base=BASE, **more):
        self.hears("GET", self.spoken.status_path, answer, base, **more)

    def on_refund(self, answer, **more):
        self.hears("POST", self.spoken.refund_path, answer, **more)

    def on_refund_status(self, answer, **more):
        self.hears("GET", self.spoken.refund_status_path, answer, **more)

    def pay(self, **more):
        return self.gateway.pay(self.order, self.deadline(), **more)

    def status(self):
        return self.gateway.order_status(ORDER.merchant_order_id, self.deadline())

    def refund(self):
        return self.gateway.refund(REFUND, self.deadline())


def operations(http_attempts):
    return [each.operation.value for each in http_attempts]
