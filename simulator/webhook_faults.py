"""What a webhook may say that is not so. Its proof is right all the same: the lie is signed."""

import base64
import json
from collections.abc import Callable
from typing import Any

from simulator.models import Delivery, Merchant
from simulator.v1_messages import callback
from simulator.wire import Json, compact

PAISE_LESS = 100
PADDING = 2_000_000
NOBODYS = "NOBODYS-ORDER"
IDS = ("merchantTransactionId", "merchantOrderId", "originalMerchantOrderId", "merchantRefundId")


def told(delivery: Delivery, kind: str, argument: str) -> bytes:
    """The body of this delivery, untrue in one respect if `kind` is a lie, else as it is."""
    if kind not in LIES:
        return delivery.body.encode()
    said = json.loads(delivery.body)
    if delivery.merchant.generation == Merchant.Generation.V2:
        return compact(LIES[kind](said, said["payload"], argument))
    opened = json.loads(base64.b64decode(said["response"]))
    return compact(callback(LIES[kind](opened, opened["data"], argument)))


def _wrong_amount(said: Json, about: Json, argument: str) -> Json:
    """A rupee less than was paid, or the paise in `argument`."""
    amount = int(argument) if argument else max(about["amount"] - PAISE_LESS, 1)
    about["amount"] = amount
    for attempt in about.get("paymentDetails", []):
        attempt["amount"] = amount
    return said


def _unknown_order(said: Json, about: Json, argument: str) -> Json:
    about |= {name: NOBODYS for name in IDS if name in about}
    return said


def _unknown_event(said: Json, about: Json, argument: str) -> Json:
    """V1 has no events; there it is a code that nobody knows."""
    names = {"type": "CHECKOUT_ORDER_LEVITATED", "event": "checkout.order.levitated"}
    return said | (names if "event" in said else {"code": "PAYMENT_LEVITATED"})


def _huge(said: Json, about: Json, argument: str) -> Json:
    """With a member that nobody knows, of two megabytes or the bytes in `argument`."""
    about["padding"] = "x" * int(argument or PADDING)
    return said


LIES: dict[str, Callable[[Json, Json, str], Any]] = {
    "wrong_amount": _wrong_amount,
    "unknown_order": _unknown_order,
    "unknown_event": _unknown_event,
    "huge": _huge,
}
