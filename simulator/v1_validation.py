"""Validates V1 payments, refunds and UPI ids. Each check raises ApiError."""

import re
from typing import Any

from simulator import v1_messages
from simulator.instruments import VPA
from simulator.models import Order
from simulator.validation import is_object, is_paise, is_reference, is_text, is_url
from simulator.wire import ApiError, Json

PAY_FIELDS = {
    "merchantId",
    "merchantTransactionId",
    "merchantUserId",
    "merchantOrderId",
    "amount",
    "redirectUrl",
    "redirectMode",
    "callbackUrl",
    "mobileNumber",
    "paymentInstrument",
    "deviceContext",
}
REFUND_FIELDS = {
    "merchantId",
    "merchantUserId",
    "originalTransactionId",
    "merchantTransactionId",
    "amount",
    "callbackUrl",
}
MAX_ID_LENGTH = 38
MAX_USER_ID_LENGTH = 35
MOBILE = re.compile(r"[0-9]{1,15}")

# Instrument: payment mode. Only PAY_PAGE leaves the mode to the customer.
MODES = {
    "PAY_PAGE": "",
    "UPI_INTENT": "UPI_INTENT",
    "UPI_COLLECT": "UPI_COLLECT",
    "UPI_QR": "UPI_QR",
    "CARD": "CARD",
    "SAVED_CARD": "CARD",
    "TOKEN": "CARD",
    "NET_BANKING": "NET_BANKING",
}
# The documented members. Those of cards are not documented, so any are accepted.
MEMBERS = {
    "PAY_PAGE": set[str](),
    "UPI_INTENT": {"targetApp"},
    "UPI_COLLECT": {"vpa"},
    "UPI_QR": set[str](),
    "NET_BANKING": {"bankId"},
}
NEEDS_USER = {"PAY_PAGE", "CARD", "SAVED_CARD"}
REDIRECT_OPTIONAL = {"UPI_INTENT", "UPI_COLLECT", "UPI_QR"}


def check_pay(payload: Json) -> None:
    transaction_id = payload.get("merchantTransactionId")
    if isinstance(transaction_id, str) and not 1 <= len(transaction_id) <= MAX_ID_LENGTH:
        message = f"merchantTransactionId size must be between 1 and {MAX_ID_LENGTH}."
        raise ApiError(400, v1_messages.bad_request(message))
    _require(is_object(payload, PAY_FIELDS), _is_instrument(payload.get("paymentInstrument")))
    kind = payload["paymentInstrument"]["type"]
    mobile, device = payload.get("mobileNumber"), payload.get("deviceContext", {})
    needs_no_redirect = kind in REDIRECT_OPTIONAL and payload.get("redirectUrl") is None
    _require(
        is_reference(transaction_id, MAX_ID_LENGTH),
        _is_user(payload.get("merchantUserId"), optional=kind not in NEEDS_USER),
        is_paise(payload.get("amount")),
        needs_no_redirect or is_url(payload.get("redirectUrl")),
        is_url(payload.get("callbackUrl")),
        payload.get("redirectMode") in (None, *Order.RedirectMode.values),
        mobile is None or (isinstance(mobile, str) and MOBILE.fullmatch(mobile) is not None),
        is_object(device, {"deviceOS", "merchantCallBackScheme"}),
        device.get("deviceOS") in (*(() if kind == "UPI_INTENT" else (None,)), "ANDROID", "IOS"),
        is_text(device.get("merchantCallBackScheme", "x"), 100),
    )
    if kind == "UPI_COLLECT" and not VPA.fullmatch(payload["paymentInstrument"]["vpa"]):
        raise ApiError(417, v1_messages.invalid_vpa())


def check_refund(payload: Json) -> None:
    _require(
        is_object(payload, REFUND_FIELDS),
        is_reference(payload.get("merchantTransactionId"), MAX_ID_LENGTH),
        is_reference(payload.get("originalTransactionId"), MAX_ID_LENGTH),
        _is_user(payload.get("merchantUserId"), optional=True),
        is_paise(payload.get("amount")),
        is_url(payload.get("callbackUrl")),
    )


def check_address(payload: Json) -> None:
    _require(is_object(payload, {"merchantId", "vpa"}), is_text(payload.get("vpa"), 100))


def _is_instrument(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or value["type"] not in MODES:
        return False
    members = MEMBERS.get(value["type"])
    if members is None:
        return len(value) > 1
    named = all(is_text(value.get(member), 100) for member in members - {"targetApp"})
    return named and is_object(value, members | {"type"}) and is_text(value.get("targetApp", ""), 100)


def _is_user(value: Any, *, optional: bool) -> bool:
    return (optional and value is None) or is_reference(value, MAX_USER_ID_LENGTH)


def _require(*conditions: bool) -> None:
    if not all(conditions):
        raise ApiError(400, v1_messages.bad_request())
