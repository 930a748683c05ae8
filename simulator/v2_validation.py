"""Validates V2 orders and refunds. Each check raises ApiError with PhonePe's single message for all errors."""

import re
from typing import Any

from simulator import instruments, v2_messages
from simulator.validation import is_object, is_paise, is_reference, is_text, is_url
from simulator.wire import ApiError, Json

MAX_ID_LENGTH = 63
EXPIRES_AFTER, PAGE_LIMITS, CUSTOM_LIMITS = 600, range(300, 3601), range(300, 5_184_001)
# Default lifetime of a custom checkout in seconds, by mode.
CUSTOM_EXPIRES_AFTER = {
    "UPI_INTENT": 600,
    "PPE_INTENT": 600,
    "UPI_QR": 480,
    "UPI_COLLECT": 480,
    "CARD": 720,
    "TOKEN": 720,
    "NET_BANKING": 480,
}

ORDER_FIELDS = {"merchantOrderId", "amount", "expireAfter", "metaInfo", "paymentFlow", "constraints"}
PAGE_FIELDS = ORDER_FIELDS | {"disablePaymentRetry", "prefillUserLoginDetails"}
CUSTOM_FIELDS = ORDER_FIELDS | {"deviceContext"}
FLOW_FIELDS = {"type", "message", "merchantUrls", "paymentModeConfig", "disablePaymentRetry"}
REFUND_FIELDS = {"merchantRefundId", "originalMerchantOrderId", "amount"}
DEVICE_FIELDS = {"deviceOS", "merchantCallBackScheme", "merchantCallbackScheme"}
MODES = ("UPI_INTENT", "UPI_COLLECT", "UPI_QR", "NET_BANKING", "CARD")
CARD_TYPES = ("DEBIT_CARD", "CREDIT_CARD")
# Required and optional members of each mode of a custom checkout.
MODE_FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "UPI_INTENT": (set(), {"targetApp"}),
    "PPE_INTENT": (set(), set()),
    "UPI_QR": (set(), set()),
    "UPI_COLLECT": ({"details"}, {"message"}),
    "CARD": ({"cardDetails"}, {"authMode", "savedCard", "merchantUserId"}),
    "TOKEN": ({"tokenDetails"}, {"authMode", "merchantUserId"}),
    "NET_BANKING": ({"bankId"}, {"merchantUserId"}),
}
REDIRECT_MODES = ("CARD", "TOKEN", "NET_BANKING")
FREE_UDF = {f"udf{number}" for number in range(1, 11)}
NARROW_UDF = {f"udf{number}" for number in range(11, 16)}
NARROW = re.compile(r"[a-zA-Z0-9_\- @.+]*")
MOBILE = re.compile(r"(\+91)?[0-9]{10}")


def check_page_order(payload: Json, *, for_app: bool = False) -> None:
    """An app opens the page itself and needs no redirect URL."""
    _require(is_object(payload, PAGE_FIELDS))
    _check_order(payload, PAGE_LIMITS)
    login = payload.get("prefillUserLoginDetails", {})
    _require(isinstance(payload.get("disablePaymentRetry", False), bool), is_object(login, {"phoneNumber"}))
    number = login.get("phoneNumber")
    _require(number is None or (isinstance(number, str) and MOBILE.fullmatch(number) is not None))
    flow = payload["paymentFlow"]
    _require(is_object(flow, FLOW_FIELDS))
    _require(
        flow.get("type") == "PG_CHECKOUT",
        _are_merchant_urls(flow.get("merchantUrls", {}), optional=for_app),
        is_text(flow.get("message", ""), 255),
        isinstance(flow.get("disablePaymentRetry", False), bool),
        _is_mode_config(flow.get("paymentModeConfig", {})),
    )
    # With every mode hidden no payment is possible.
    _require(bool(instruments.enabled_names(flow.get("paymentModeConfig", {}))))


def check_custom_order(payload: Json) -> None:
    _require(is_object(payload, CUSTOM_FIELDS))
    _check_order(payload, CUSTOM_LIMITS)
    flow = payload["paymentFlow"]
    _require(is_object(flow, {"type", "paymentMode", "merchantUrls"}), flow.get("type") == "PG")
    mode = flow.get("paymentMode")
    device = payload.get("deviceContext", {})
    _require(
        _is_payment_mode(mode),
        is_object(device, DEVICE_FIELDS) and device.get("deviceOS") in (None, "ANDROID", "IOS"),
    )
    optional = mode["type"] not in REDIRECT_MODES
    _require(_are_merchant_urls(flow.get("merchantUrls", {}), optional=optional))


def check_refund(payload: Json) -> None:
    _require(
        is_object(payload, REFUND_FIELDS),
        is_reference(payload.get("merchantRefundId"), MAX_ID_LENGTH),
        is_reference(payload.get("originalMerchantOrderId"), MAX_ID_LENGTH),
        is_paise(payload.get("amount")),
    )


def check_address(payload: Json) -> None:
    _require(is_object(payload, {"type", "vpa", "upiNumber"}))
    _require(_is_collected(payload, {"VPA": "vpa", "UPI_NUMBER": "upiNumber"}))


def _check_order(payload: Json, expiry: range) -> None:
    after = payload.get("expireAfter", EXPIRES_AFTER)
    # Which account or card must pay. Not enforced: the simulator has no accounts.
    constraints = payload.get("constraints", [])
    _require(
        is_reference(payload.get("merchantOrderId"), MAX_ID_LENGTH),
        is_paise(payload.get("amount")),
        type(after) is int and after in expiry,
        _is_meta_info(payload.get("metaInfo", {})),
        isinstance(constraints, list) and all(isinstance(item, dict) for item in constraints),
        isinstance(payload.get("paymentFlow"), dict),
    )


def _are_merchant_urls(urls: Any, *, optional: bool) -> bool:
    if not is_object(urls, {"redirectUrl"}):
        return False
    return (optional and not urls) or is_url(urls.get("redirectUrl"))


def _is_payment_mode(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return False
    required, allowed = MODE_FIELDS.get(value["type"], ({"no such mode"}, set()))
    known = required <= value.keys() <= required | allowed | {"type"}
    return known and all(_is_detail(name, value[name]) for name in value.keys() - {"type"})


def _is_detail(name: str, value: Any) -> bool:
    if name == "details":
        return _is_collected(value, {"VPA": "vpa", "PHONE_NUMBER": "phoneNumber"})
    if name in {"cardDetails", "tokenDetails"}:
        return isinstance(value, dict) and bool(value)
    return isinstance(value, bool) if name == "savedCard" else is_text(value, 255)


def _is_collected(value: Any, members: dict[str, str]) -> bool:
    """A UPI id or a number, in the member that its type names."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return False
    member = members.get(value["type"], "")
    return is_object(value, {"type", member}) and value.get(member) != "" and is_text(value.get(member), 100)


def _is_meta_info(value: Any) -> bool:
    if not is_object(value, FREE_UDF | NARROW_UDF):
        return False
    free = all(is_text(value[name], 256) for name in FREE_UDF & value.keys())
    narrow = (value[name] for name in NARROW_UDF & value.keys())
    return free and all(is_text(text, 50) and NARROW.fullmatch(text) for text in narrow)


def _is_mode_config(value: Any) -> bool:
    """Modes to show or modes to hide, never both."""
    if not is_object(value, {"enabledPaymentModes", "disabledPaymentModes"}) or len(value) > 1:
        return False
    return all(isinstance(modes, list) and all(map(_is_mode, modes)) for modes in value.values())


def _is_mode(value: Any) -> bool:
    if not is_object(value, {"type", "cardTypes"}) or value.get("type") not in MODES:
        return False
    cards = value.get("cardTypes") or []
    return isinstance(cards, list) and all(card in CARD_TYPES for card in cards)


def _require(*conditions: bool) -> None:
    if not all(conditions):
        raise ApiError(400, v2_messages.bad_request())
