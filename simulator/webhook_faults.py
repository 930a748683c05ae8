"""Faults of a webhook's body. The altered body is correctly signed."""

import base64
import json
from collections.abc import Callable
from typing import Any

from simulator.models import Delivery, Merchant
from simulator.v1_messages import callback
from simulator.wire import Json, to_json

PAISE_LESS = 100
PADDING = 2_000_000
UNKNOWN_ID = "NOBODYS-ORDER"
IDS = ("merchantTransactionId", "merchantOrderId", "originalMerchantOrderId", "merchantRefundId")


def apply_fault(delivery: Delivery, kind: str, argument: str) -> bytes:
    """The body of the delivery, altered if `kind` is a fault of the body."""
    if kind not in FAULTS:
        return delivery.body.encode()
    message = json.loads(delivery.body)
    if delivery.merchant.generation == Merchant.Generation.V2:
        return to_json(FAULTS[kind](message, message["payload"], argument))
    decoded = json.loads(base64.b64decode(message["response"]))
    return to_json(callback(FAULTS[kind](decoded, decoded["data"], argument)))


def _with(message: Json, payment: Json, members: Json) -> Json:
    """The message, with other members in its payment."""
    payment |= members
    return message


def _wrong_amount(message: Json, payment: Json, argument: str) -> Json:
    """A rupee less than was paid, or the paise in `argument`."""
    amount = int(argument) if argument else max(payment["amount"] - PAISE_LESS, 1)
    payment["amount"] = amount
    for attempt in payment.get("paymentDetails", []):
        attempt["amount"] = amount
    return message


def _unknown_event(message: Json, payment: Json, argument: str) -> Json:
    """V1 has no events: an unknown code instead."""
    names = {"type": "CHECKOUT_ORDER_LEVITATED", "event": "checkout.order.levitated"}
    return message | (names if "event" in message else {"code": "PAYMENT_LEVITATED"})


FAULTS: dict[str, Callable[[Json, Json, str], Any]] = {
    "wrong_amount": _wrong_amount,
    "unknown_order": lambda message, payment, argument: _with(
        message, payment, {name: UNKNOWN_ID for name in IDS if name in payment}
    ),
    "unknown_event": _unknown_event,
    # With an unknown member of two megabytes, or the bytes in `argument`.
    "huge": lambda message, payment, argument: _with(
        message, payment, {"padding": "x" * int(argument or PADDING)}
    ),
}
