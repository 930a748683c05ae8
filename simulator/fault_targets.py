"""Which order or refund a request names. Read before it is handled, because a fault may target one id."""

import base64
import binascii
from typing import NamedTuple

from simulator.validation import is_paise, is_reference
from simulator.wire import Request, read_object

MAX_ID_LENGTH = 63
ID_FIELDS = ("merchantTransactionId", "merchantOrderId", "merchantRefundId")


class FaultTarget(NamedTuple):
    """From an unchecked request: an empty id and 0 paise where nothing usable is found."""

    reference: str = ""
    amount_paise: int = 0


def read_target(request: Request, captured: tuple[str, ...]) -> FaultTarget:
    """`captured`: the ids in the path, of which the last one counts."""
    if captured:
        return FaultTarget(_reference(captured[-1]))
    payload = read_object(request.body) or {}
    sealed = payload.get("request")  # the base64 of V1
    if isinstance(sealed, str):
        try:
            payload = read_object(base64.b64decode(sealed.encode("utf-8", "replace"))) or {}
        except binascii.Error:
            payload = {}
    amount = payload.get("amount")
    reference = next((payload[name] for name in ID_FIELDS if name in payload), "")
    return FaultTarget(_reference(reference), amount if isinstance(amount, int) and is_paise(amount) else 0)


def _reference(value: object) -> str:
    return value if isinstance(value, str) and is_reference(value, MAX_ID_LENGTH) else ""
