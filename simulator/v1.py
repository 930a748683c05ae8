"""The V1 API: base64 JSON with a salt-key checksum. `/pg/v1/…` under `hermes` and the sandbox bases."""

import base64
import binascii
import hmac
import string

from django.db.models import Exists, OuterRef

from simulator import (
    instrument_responses,
    instruments,
    merchants,
    orders,
    refunds,
    transitions,
    v1_messages,
    v1_validation,
)
from simulator.models import Merchant, Order, Refund, State
from simulator.validation import is_reference
from simulator.wire import JSON, ApiError, Json, Request, Response, json_response, read_object

STANDARD = frozenset(string.ascii_letters + string.digits + "+/=")
OTHER_SPELLINGS = STANDARD | set("-_\r\n ")


def pay(request: Request) -> Response:
    merchant, payload = _read_envelope(request)
    v1_validation.check_pay(payload)
    order = _build_order(request, merchant, payload)
    if getattr(merchant, "refund_has_id", False) or not orders.insert(order):
        raise ApiError(417, v1_messages.duplicate_id())
    kind = payload["paymentInstrument"]["type"]
    return json_response(v1_messages.payment_initiated(order, instrument_responses.v1_response(order, kind)))


def status(request: Request, merchant_id: str, transaction_id: str) -> Response:
    """The status of a payment or, by its id, of a refund."""
    merchant = _find_merchant(merchant_id)
    _verify(request, request.path, merchant)
    if request.content_type != JSON or request.headers.get("X-MERCHANT-ID") != merchant_id:
        raise ApiError(400, v1_messages.bad_request())
    if order := merchant.orders.filter(merchant_order_id=transaction_id).select_related("merchant").first():
        transitions.apply_due(order, request.moment)
        return json_response(v1_messages.payment(order, order.attempts.order_by("pk").last()))
    found: Refund | None = (
        merchant.refunds.filter(merchant_refund_id=transaction_id)
        .select_related("merchant", "order__merchant")
        .first()
    )
    if found is None:
        raise ApiError(404, v1_messages.not_found())
    refunds.settle_if_due(found)
    paid = found.order.attempts.filter(state=State.COMPLETED).first()
    return json_response(v1_messages.refund_status(found, paid))


def refund(request: Request) -> Response:
    merchant, payload = _read_envelope(request)
    v1_validation.check_refund(payload)
    order = merchant.orders.filter(merchant_order_id=payload["originalTransactionId"]).first()
    if order is None:
        raise ApiError(404, v1_messages.not_found())
    if order.state != State.COMPLETED:
        raise ApiError(400, v1_messages.bad_request())
    try:
        accepted = refunds.accept(
            order, payload["merchantTransactionId"], payload["amount"], payload["callbackUrl"]
        )
    except refunds.DuplicateId as taken:
        raise ApiError(417, v1_messages.duplicate_id()) from taken
    return json_response(v1_messages.refund(accepted))


def validate_vpa(request: Request) -> Response:
    """Whether the UPI id is valid."""
    _, payload = _read_envelope(request)
    v1_validation.check_address(payload)
    if not instruments.VPA.fullmatch(payload["vpa"]):
        raise ApiError(417, v1_messages.invalid_vpa())
    return json_response(v1_messages.valid_vpa(payload["vpa"]))


def options(request: Request, merchant_id: str) -> Response:
    """The payment options; all banks only with `includeNetBankingBanksList`."""
    _verify(request, request.path, _find_merchant(merchant_id))
    every_bank = request.query.get("includeNetBankingBanksList", "").lower() == "true"
    return json_response(v1_messages.options(every_bank))


def _build_order(request: Request, merchant: Merchant, payload: Json) -> Order:
    """An instrument other than PAY_PAGE fixes how the customer pays."""
    instrument, moment = payload["paymentInstrument"], request.moment
    mode = v1_validation.MODES[instrument["type"]]
    return Order(
        merchant=merchant,
        merchant_order_id=payload["merchantTransactionId"],
        page_token=orders.new_page_token(),
        amount_paise=payload["amount"],
        redirect_url=payload.get("redirectUrl", ""),
        redirect_mode=payload.get("redirectMode") or Order.RedirectMode.REDIRECT,
        callback_url=payload["callbackUrl"],
        mode=mode,
        vpa=instruments.from_mode(mode, instrument.get("vpa", "")).vpa if mode else "",
        offered=instruments.names_of_mode(mode) if mode else [],
        created_at=moment,
        expires_at=moment + orders.V1_LIFETIME,
    )


def _read_envelope(request: Request) -> tuple[Merchant, Json]:
    body = read_object(request.body) if request.content_type == JSON else None
    encoded = (body or {}).get("request")
    if not isinstance(encoded, str) or not encoded:
        raise ApiError(400, v1_messages.code_only(400))
    payload = read_object(_decode(encoded))
    if payload is None:
        raise ApiError(400, v1_messages.bad_request())
    merchant = _find_merchant(payload.get("merchantId"), payload.get("merchantTransactionId"))
    _verify(request, encoded + request.path, merchant)
    return merchant, payload


def _decode(encoded: str) -> bytes:
    """Standard alphabet, padded, on one line. For any other base64 the checksum does not match: 401."""
    try:
        return base64.b64decode(encoded.encode(), validate=True)
    except binascii.Error as error:
        status = 401 if STANDARD < STANDARD | set(encoded) <= OTHER_SPELLINGS else 400
        raise ApiError(status, v1_messages.code_only(status)) from error


def _find_merchant(merchant_id: object, transaction_id: object = None) -> Merchant:
    """Also annotates whether a refund has this id already, because payments and refunds share their ids."""
    annotations = {}
    if isinstance(transaction_id, str) and is_reference(transaction_id, 63):
        their_refunds = Refund.objects.filter(merchant=OuterRef("pk"), merchant_refund_id=transaction_id)
        annotations = {"refund_has_id": Exists(their_refunds)}
    known = isinstance(merchant_id, str) and merchants.find_by_merchant_id(
        Merchant.Generation.V1, merchant_id, **annotations
    )
    if not known:
        raise ApiError(404, v1_messages.key_not_configured())
    return known


def _verify(request: Request, text: str, merchant: Merchant) -> None:
    """The base before `/pg/v1` and the query string are not hashed."""
    offered = request.headers.get("X-VERIFY", "")
    if not hmac.compare_digest(offered.encode(), v1_messages.checksum(text, merchant).encode()):
        raise ApiError(401, v1_messages.code_only(401))
