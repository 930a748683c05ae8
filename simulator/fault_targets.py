"""What a call is about, read before it is carried out: faults may be meant for one order only."""

import base64
import binascii
from typing import NamedTuple

from simulator.validation import is_paise, is_reference
from simulator.wire import Json, Request, read_object

LONGEST_ID = 63
ID_FIELDS = ("merchantTransactionId", "merchantOrderId", "merchantRefundId")


class Subject(NamedTuple):
    """Of the merchant's making, unchecked: no id and no paise where there is nothing usable."""

    reference: str = ""
    amount_paise: int = 0


def read(request: Request, captured: tuple[str, ...]) -> Subject:
    """`captured`: the ids in the path; the last one is what is asked about."""
    if captured:
        return Subject(_reference(captured[-1]))
    payload = _payload(request.body)
    amount = payload.get("amount")
    reference = next((payload[name] for name in ID_FIELDS if name in payload), "")
    return Subject(_reference(reference), amount if isinstance(amount, int) and is_paise(amount) else 0)


def _payload(body: bytes) -> Json:
    payload = read_object(body) or {}
    sealed = payload.get("request")
    if not isinstance(sealed, str):
        return payload
    try:
        return read_object(base64.b64decode(sealed.encode("utf-8", "replace"))) or {}
    except binascii.Error:
        return {}


def _reference(value: object) -> str:
    return value if isinstance(value, str) and is_reference(value, LONGEST_ID) else ""
