"""What the gateway's tests share: golden messages, merchants at a made-up host, servers that misbehave."""

import json
from pathlib import Path
from typing import Any

from payment.merchants import Endpoint, Identity, Merchant

GOLDEN = Path(__file__).parent.parent / "golden"
BASE = "https://phonepe.example/apis/pg-sandbox"
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
