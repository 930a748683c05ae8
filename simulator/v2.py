"""V2: plain JSON and a token, under `/apis/pg`, `/apis/identity-manager` and, both at once, the sandbox."""

import re
import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from simulator import clock, endings, identifiers, means, orders, published, refunds, v2_messages
from simulator.limits import is_object, is_paise, is_reference, is_text, is_url
from simulator.models import Attempt, Merchant, Order, State, Token
from simulator.wire import Json, Refused, Request, Response, answer, read_object

TOKEN_LASTS = timedelta(seconds=624_600)
EXPIRES_AFTER, EXPIRY_LIMITS = 600, range(300, 3601)
LONGEST_ID = 63
DEEPEST = 3  # of the objects in a request

PAY_FIELDS = {
    "merchantOrderId",
    "amount",
    "expireAfter",
    "metaInfo",
    "paymentFlow",
    "disablePaymentRetry",
    "prefillUserLoginDetails",
}
FLOW_FIELDS = {"type", "message", "merchantUrls", "paymentModeConfig", "disablePaymentRetry"}
REFUND_FIELDS = {"merchantRefundId", "originalMerchantOrderId", "amount"}
MODES = ("UPI_INTENT", "UPI_COLLECT", "UPI_QR", "NET_BANKING", "CARD")
CARD_TYPES = ("DEBIT_CARD", "CREDIT_CARD")
FREE_UDF = {f"udf{number}" for number in range(1, 11)}
NARROW_UDF = {f"udf{number}" for number in range(11, 16)}
NARROW = re.compile(r"[a-zA-Z0-9_\- @.+]*")


def token(request: Request) -> Response:
    form = _form(request)
    client_id = form.get("client_id", "")
    if not client_id or form.get("grant_type") != "client_credentials":
        raise Refused(400, v2_messages.client_refused("OIM000", "Bad Request"))
    merchant = published.by_client_id(client_id)
    if merchant is None:
        raise Refused(404, v2_messages.client_unknown())
    offered = (form.get("client_secret"), form.get("client_version"))
    if offered != (merchant.client_secret, str(merchant.client_version)):
        raise Refused(401, v2_messages.client_refused("OIM004", "Unauthorized"))
    moment = clock.now()
    issued = Token.objects.create(
        merchant=merchant,
        value=secrets.token_urlsafe(48),
        issued_at=moment,
        expires_at=moment + TOKEN_LASTS,
    )
    return answer(v2_messages.token(issued))


def pay(request: Request) -> Response:
    order = _open(request)
    return answer(v2_messages.opened(order, orders.page_url(order)))


def sdk_order(request: Request) -> Response:
    """For a mobile app: it opens the page itself, with the token."""
    return answer(v2_messages.opened_for_app(_open(request)))


def order_status(request: Request, merchant_order_id: str) -> Response:
    moment = clock.now()
    merchant = _merchant(request, moment)
    order = merchant.orders.filter(merchant_order_id=merchant_order_id).select_related("merchant").first()
    if order is None:
        raise Refused(400, v2_messages.order_unknown())
    endings.catch_up(order, moment)
    attempts = list(order.attempts.order_by("pk"))
    shown = attempts if _asked(request, "details") else attempts[-1:]
    return answer(v2_messages.order_status(order, shown, explain=_asked(request, "errorContext")))


def attempt_status(request: Request, transaction_id: str) -> Response:
    moment = clock.now()
    merchant = _merchant(request, moment)
    attempts = Attempt.objects.filter(order__merchant=merchant, provider_id=transaction_id)
    attempt = attempts.select_related("order__merchant").first()
    if attempt is None:
        raise Refused(404, v2_messages.entry_unknown(merchant, transaction_id))
    endings.catch_up(attempt.order, moment)
    return answer(v2_messages.order_status(attempt.order, [attempt], explain=_asked(request, "errorContext")))


def refund(request: Request) -> Response:
    merchant = _merchant(request, clock.now())
    payload = _object(request)
    _check_refund(payload)
    order = merchant.orders.filter(merchant_order_id=payload["originalMerchantOrderId"]).first()
    if order is None:
        raise Refused(400, v2_messages.order_unknown())
    _require(order.state == State.COMPLETED)
    try:
        accepted = refunds.accept(order, payload["merchantRefundId"], payload["amount"])
    except refunds.IdTaken as taken:
        raise Refused(417, v2_messages.duplicate()) from taken
    except refunds.TooMuch as too_much:
        raise Refused(400, v2_messages.bad_request()) from too_much
    return answer(v2_messages.refund_accepted(accepted))


def refund_status(request: Request, merchant_refund_id: str) -> Response:
    merchant = _merchant(request, clock.now())
    found = merchant.refunds.filter(merchant_refund_id=merchant_refund_id)
    row = found.select_related("merchant", "order__merchant").first()
    if row is None:
        raise Refused(404, v2_messages.entry_unknown(merchant, merchant_refund_id))
    refunds.settle_if_due(row)
    return answer(v2_messages.refund_status(row, row.order.attempts.get(state=State.COMPLETED)))


def _open(request: Request) -> Order:
    moment = clock.now()
    merchant = _merchant(request, moment)
    payload = _object(request)
    _check_pay(payload)
    flow = payload["paymentFlow"]
    order = Order(
        merchant=merchant,
        merchant_order_id=payload["merchantOrderId"],
        provider_id=identifiers.provider_id("OMO", moment),
        page_token=orders.new_page_token(),
        amount_paise=payload["amount"],
        redirect_url=flow["merchantUrls"]["redirectUrl"],
        message=flow.get("message", ""),
        meta_info=payload.get("metaInfo"),
        offered=means.offered(flow.get("paymentModeConfig", {})),
        retry_disabled=payload.get("disablePaymentRetry") or flow.get("disablePaymentRetry") or False,
        created_at=moment,
        expires_at=moment + timedelta(seconds=payload.get("expireAfter", EXPIRES_AFTER)),
    )
    if not orders.place(order):
        raise Refused(417, v2_messages.duplicate())
    return order


def _merchant(request: Request, moment: datetime) -> Merchant:
    """`O-Bearer`, spelled so: it catches everybody's first `Bearer`."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme != "O-Bearer" or not is_reference(value, 80):
        raise Refused(401, v2_messages.unauthorized())
    found = Token.objects.filter(value=value).select_related("merchant").first()
    if found is None or found.expires_at <= moment:
        raise Refused(401, v2_messages.unauthorized())
    merchant: Merchant = found.merchant
    return merchant


def _form(request: Request) -> dict[str, str]:
    if _content_type(request) != "application/x-www-form-urlencoded":
        raise Refused(400, v2_messages.client_refused("OIM000", "Bad Request"))
    fields = parse_qs(request.body.decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}


def _object(request: Request) -> Json:
    """PhonePe's own SDK sends what it does not set as null: null is absent."""
    payload = read_object(request.body) if _content_type(request) == "application/json" else None
    if payload is None:
        raise Refused(400, v2_messages.bad_request())
    known: Json = _without_nulls(payload)
    return known


def _without_nulls(value: Any, levels: int = DEEPEST) -> Any:
    if isinstance(value, dict) and levels:
        return {name: _without_nulls(item, levels - 1) for name, item in value.items() if item is not None}
    return value


def _content_type(request: Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _asked(request: Request, name: str) -> bool:
    """The Python SDK writes `details=False`."""
    return request.query.get(name, "").lower() == "true"


def _check_pay(payload: Json) -> None:
    flow = payload.get("paymentFlow")
    _require(is_object(payload, PAY_FIELDS), is_object(flow, FLOW_FIELDS))
    _require(
        is_reference(payload.get("merchantOrderId"), LONGEST_ID),
        is_paise(payload.get("amount")),
        _is_expiry(payload.get("expireAfter", EXPIRES_AFTER)),
        _is_meta_info(payload.get("metaInfo", {})),
        isinstance(payload.get("disablePaymentRetry", False), bool),
        is_object(payload.get("prefillUserLoginDetails", {}), {"phoneNumber"}),
    )
    _check_flow(payload["paymentFlow"])


def _check_flow(flow: Json) -> None:
    urls = flow.get("merchantUrls")
    _require(is_object(urls, {"redirectUrl"}))
    _require(
        flow.get("type") == "PG_CHECKOUT",
        is_url(flow["merchantUrls"].get("redirectUrl")),
        is_text(flow.get("message", ""), 255),
        isinstance(flow.get("disablePaymentRetry", False), bool),
        _is_mode_config(flow.get("paymentModeConfig", {})),
    )


def _check_refund(payload: Json) -> None:
    _require(
        is_object(payload, REFUND_FIELDS),
        is_reference(payload.get("merchantRefundId"), LONGEST_ID),
        is_reference(payload.get("originalMerchantOrderId"), LONGEST_ID),
        is_paise(payload.get("amount")),
    )


def _is_expiry(value: Any) -> bool:
    return type(value) is int and value in EXPIRY_LIMITS


def _is_meta_info(value: Any) -> bool:
    if not is_object(value, FREE_UDF | NARROW_UDF):
        return False
    free = all(is_text(value[name], 256) for name in FREE_UDF & value.keys())
    narrow = (value[name] for name in NARROW_UDF & value.keys())
    return free and all(is_text(text, 50) and NARROW.fullmatch(text) for text in narrow)


def _is_mode_config(value: Any) -> bool:
    """Modes to offer or modes to hide, never both."""
    if not is_object(value, {"enabledPaymentModes", "disabledPaymentModes"}) or len(value) > 1:
        return False
    return all(isinstance(modes, list) and all(map(_is_mode, modes)) for modes in value.values())


def _is_mode(value: Any) -> bool:
    if not is_object(value, {"type", "cardTypes"}) or value.get("type") not in MODES:
        return False
    cards = value.get("cardTypes") or []
    return isinstance(cards, list) and all(card in CARD_TYPES for card in cards)


def _require(*met: bool) -> None:
    if not all(met):
        raise Refused(400, v2_messages.bad_request())
