"""What the gateway's tests share: golden messages, merchants at a made-up host, servers that misbehave."""

import json
from dataclasses import dataclass, replace
from typing import Any

from payment.phonepe.credentials import Endpoint, Identity, Merchant
from tests.harness import ROOT

GOLDEN = ROOT / "tests/harness/golden"
BASE = "https://phonepe.example/apis/pg-sandbox"
Answer = tuple[int, dict[str, Any]]
TEST_SALT = "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399"


def golden_bytes(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes().rstrip(b"\n")


def golden(name: str) -> dict[str, Any]:
    return json.loads(golden_bytes(name))


def merchant(generation: str, *bases: str, **changes: Any) -> Merchant:
    """A merchant of that generation with an endpoint for each base URL."""
    is_v1 = generation == "v1"
    fields: dict[str, Any] = {
        "identity": Identity(generation, "UAT", "PGTESTPAYUAT" if is_v1 else "CLIENT-1", False),
        "endpoints": tuple(Endpoint(base, base) for base in bases or (BASE,)),
        "merchant_id": "PGTESTPAYUAT" if is_v1 else "M2EXAMPLE0001",
        "salt_keys": {1: TEST_SALT} if is_v1 else {},
        "client_id": "" if is_v1 else "CLIENT-1",
        "client_secret": "" if is_v1 else "a-secret-of-ours",
    }
    return Merchant(**(fields | changes))


class Clock:
    """Time that passes only when somebody sleeps, or a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass(frozen=True)
class WireFormat:
    """One generation on the wire: where each call goes, and PhonePe's answers as (HTTP status, JSON)."""

    generation: str
    pay_path: str
    status_path: str
    refund_path: str
    refund_status_path: str
    page: Answer
    pending: Answer
    completed: Answer
    unknown_order: Answer
    strange: Answer
    taken: Answer
    refused: Answer
    refund_accepted: Answer
    unknown_refund: Answer


V1 = WireFormat(
    generation="v1",
    pay_path="/pg/v1/pay",
    status_path="/pg/v1/status/PGTESTPAYUAT/OKP20260611A0001",
    refund_path="/pg/v1/refund",
    refund_status_path="/pg/v1/status/PGTESTPAYUAT/OKPRF20260611A0001",
    page=(200, golden("g03_v1_pay_answer")),
    pending=(200, golden("g05_v1_status_pending")),
    completed=(200, golden("g06_v1_status_success")),
    unknown_order=(404, {"success": False, "code": "TRANSACTION_NOT_FOUND", "message": "none", "data": {}}),
    strange=(200, {"success": True, "code": "A_WORD_OF_NEXT_YEAR"}),
    taken=(417, golden("g10_v1_duplicate")),
    refused=(
        400,
        {"success": False, "code": "BAD_REQUEST", "message": "Please check the inputs.", "data": {}},
    ),
    refund_accepted=(200, golden("g09_v1_refund_answer")),
    unknown_refund=(404, {"success": False, "code": "TRANSACTION_NOT_FOUND", "message": "none", "data": {}}),
)
V2 = WireFormat(
    generation="v2",
    pay_path="/checkout/v2/pay",
    status_path="/checkout/v2/order/OKP20260611A0001/status?details=false&errorContext=true",
    refund_path="/payments/v2/refund",
    refund_status_path="/payments/v2/refund/OKPRF20260611A0001/status",
    page=(200, golden("g14_v2_pay_answer")),
    pending=(200, golden("g15_v2_status_pending")),
    completed=(200, golden("g16_v2_status_completed")),
    unknown_order=(400, golden("g18_v2_order_unknown")),
    strange=(200, {"state": "A_WORD_OF_NEXT_YEAR"}),
    taken=(417, golden("g20_v2_duplicate")),
    refused=(
        400,
        {"success": False, "code": "BAD_REQUEST", "message": "Please check the inputs.", "data": {}},
    ),
    refund_accepted=(200, golden("g21_v2_refund_answer")),
    unknown_refund=(
        404,
        {"success": False, "code": "ORDER_NOT_FOUND", "message": "No entry found", "data": {}},
    ),
)
# Orders for apps: the same protocols, another message and another answer.
V1_INTENT = replace(V1, page=(200, golden("g33_v1_upi_intent_answer")))
V2_SDK = replace(V2, pay_path="/checkout/v2/sdk/order", page=(200, golden("g30_v2_sdk_order_answer")))
