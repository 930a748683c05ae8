"""V1: base64 in an envelope, sealed with a salt key. `/pg/v1/…` under `hermes` and the sandbox bases."""

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
from simulator.wire import JSON, Json, Refused, Request, Response, answer, read_object

STANDARD = frozenset(string.ascii_letters + string.digits + "+/=")
OTHER_SPELLINGS = STANDARD | set("-_\r\n ")


def pay(request: Request) -> Response:
    merchant, payload = _open_envelope(request)
    v1_validation.check_pay(payload)
    order = _order(request, merchant, payload)
    if getattr(merchant, "refund_has_id", False) or not orders.place(order):
        raise Refused(417, v1_messages.duplicate())
    kind = payload["paymentInstrument"]["type"]
    return answer(v1_messages.opened(order, instrument_responses.instrument_response(order, kind)))


def status(request: Request, merchant_id: str, transaction_id: str) -> Response:
    """Answers for payments and, by their own id, for refunds."""
    merchant = _merchant(merchant_id)
    _verify(request, request.path, merchant)
    if request.content_type != JSON or request.headers.get("X-MERCHANT-ID") != merchant_id:
        raise Refused(400, v1_messages.bad_request())
    if order := merchant.orders.filter(merchant_order_id=transaction_id).select_related("merchant").first():
        transitions.catch_up(order, request.moment)
        return answer(v1_messages.payment(order, order.attempts.order_by("pk").last()))
    return answer(_refund_status(merchant, transaction_id))


def refund(request: Request) -> Response:
    merchant, payload = _open_envelope(request)
    v1_validation.check_refund(payload)
    order = merchant.orders.filter(merchant_order_id=payload["originalTransactionId"]).first()
    if order is None:
        raise Refused(404, v1_messages.not_found())
    if order.state != State.COMPLETED:
        raise Refused(400, v1_messages.bad_request())
    try:
        accepted = refunds.accept(
            order, payload["merchantTransactionId"], payload["amount"], payload["callbackUrl"]
        )
    except refunds.IdTaken as taken:
        raise Refused(417, v1_messages.duplicate()) from taken
    return answer(v1_messages.refund(accepted))


def validate_vpa(request: Request) -> Response:
    """Whether there is a UPI id like this one."""
    _, payload = _open_envelope(request)
    v1_validation.check_address(payload)
    if not instruments.ADDRESS.fullmatch(payload["vpa"]):
        raise Refused(417, v1_messages.bad_vpa())
    return answer(v1_messages.good_vpa(payload["vpa"]))


def options(request: Request, merchant_id: str) -> Response:
    """What can be paid with; the list of all banks only for who asks for it."""
    _verify(request, request.path, _merchant(merchant_id))
    every_bank = request.query.get("includeNetBankingBanksList", "").lower() == "true"
    return answer(v1_messages.options(every_bank))


def _order(request: Request, merchant: Merchant, payload: Json) -> Order:
    """A shop that names an instrument has chosen for its customer; the page asks them."""
    wanted, moment = payload["paymentInstrument"], request.moment
    mode = v1_validation.MODES[wanted["type"]]
    return Order(
        merchant=merchant,
        merchant_order_id=payload["merchantTransactionId"],
        page_token=orders.new_page_token(),
        amount_paise=payload["amount"],
        redirect_url=payload.get("redirectUrl", ""),
        redirect_mode=payload.get("redirectMode") or Order.RedirectMode.REDIRECT,
        callback_url=payload["callbackUrl"],
        mode=mode,
        vpa=instruments.agreed(mode, wanted.get("vpa", "")).vpa if mode else "",
        offered=instruments.of_mode(mode) if mode else [],
        created_at=moment,
        expires_at=moment + orders.V1_LASTS,
    )


def _refund_status(merchant: Merchant, transaction_id: str) -> Json:
    found: Refund | None = (
        merchant.refunds.filter(merchant_refund_id=transaction_id)
        .select_related("merchant", "order__merchant")
        .first()
    )
    if found is None:
        raise Refused(404, v1_messages.not_found())
    refunds.settle_if_due(found)
    return v1_messages.refund_status(found, found.order.attempts.filter(state=State.COMPLETED).first())


def _open_envelope(request: Request) -> tuple[Merchant, Json]:
    body = read_object(request.body) if request.content_type == JSON else None
    sealed = (body or {}).get("request")
    if not isinstance(sealed, str) or not sealed:
        raise Refused(400, v1_messages.bare(400))
    payload = read_object(_decoded(sealed))
    if payload is None:
        raise Refused(400, v1_messages.bad_request())
    merchant = _merchant(payload.get("merchantId"), payload.get("merchantTransactionId"))
    _verify(request, sealed + request.path, merchant)
    return merchant, payload


def _decoded(sealed: str) -> bytes:
    """Standard alphabet, padded, on one line. In another spelling its checksum never fits: that is a 401."""
    try:
        return base64.b64decode(sealed.encode(), validate=True)
    except binascii.Error as error:
        status = 401 if STANDARD < STANDARD | set(sealed) <= OTHER_SPELLINGS else 400
        raise Refused(status, v1_messages.bare(status)) from error


def _merchant(merchant_id: object, transaction_id: object = None) -> Merchant:
    """In the same question: has a refund of this shop this id already? Payments and refunds share theirs."""
    asked = {}
    if isinstance(transaction_id, str) and is_reference(transaction_id, 63):
        their_refunds = Refund.objects.filter(merchant=OuterRef("pk"), merchant_refund_id=transaction_id)
        asked = {"refund_has_id": Exists(their_refunds)}
    known = isinstance(merchant_id, str) and merchants.by_merchant_id(
        Merchant.Generation.V1, merchant_id, **asked
    )
    if not known:
        raise Refused(404, v1_messages.key_not_configured())
    return known


def _verify(request: Request, text: str, merchant: Merchant) -> None:
    """The base in front of `/pg/v1` and the query are not part of what is hashed."""
    offered = request.headers.get("X-VERIFY", "")
    if not hmac.compare_digest(offered.encode(), v1_messages.checksum(text, merchant).encode()):
        raise Refused(401, v1_messages.bare(401))
