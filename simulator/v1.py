"""V1: base64 in an envelope, sealed with a salt key. `/pg/v1/…` under `hermes` and the sandbox bases."""

import base64
import binascii
import hmac

from simulator import clock, endings, orders, published, refunds, v1_messages
from simulator.limits import is_object, is_paise, is_reference, is_text, is_url
from simulator.means import ADDRESS
from simulator.models import Merchant, Order, Refund, State
from simulator.wire import Json, Refused, Request, Response, answer, read_object

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
LONGEST_ID = 38
LONGEST_USER_ID = 35
LONGEST_MOBILE = 15


def pay(request: Request) -> Response:
    merchant, payload = _open_envelope(request)
    _check_pay(payload)
    moment = clock.now()
    order = Order(
        merchant=merchant,
        merchant_order_id=payload["merchantTransactionId"],
        page_token=orders.new_page_token(),
        amount_paise=payload["amount"],
        redirect_url=payload["redirectUrl"],
        redirect_mode=payload.get("redirectMode") or Order.RedirectMode.REDIRECT,
        callback_url=payload["callbackUrl"],
        created_at=moment,
        expires_at=moment + orders.V1_LASTS,
    )
    refund_has_id = merchant.refunds.filter(merchant_refund_id=order.merchant_order_id).exists()
    if refund_has_id or not orders.place(order):
        raise Refused(417, v1_messages.duplicate())
    return answer(v1_messages.opened(order, orders.page_url(order)))


def status(request: Request, merchant_id: str, transaction_id: str) -> Response:
    """Answers for payments and, by their own id, for refunds."""
    merchant = _merchant(merchant_id)
    _verify(request, request.path, merchant)
    if request.headers.get("X-MERCHANT-ID") != merchant_id:
        raise Refused(400, v1_messages.bad_request())
    if order := merchant.orders.filter(merchant_order_id=transaction_id).select_related("merchant").first():
        endings.catch_up(order)
        return answer(v1_messages.payment(order, order.attempts.order_by("pk").last()))
    return answer(_refund_status(merchant, transaction_id))


def refund(request: Request) -> Response:
    merchant, payload = _open_envelope(request)
    _check_refund(payload)
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
    _require(is_object(payload, {"merchantId", "vpa"}), is_text(payload.get("vpa"), 100))
    if not ADDRESS.fullmatch(payload["vpa"]):
        raise Refused(417, v1_messages.bad_vpa())
    return answer(v1_messages.good_vpa(payload["vpa"]))


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
    sealed = (read_object(request.body) or {}).get("request")
    if not isinstance(sealed, str) or not sealed:
        raise Refused(400, v1_messages.bare(400))
    payload = read_object(_decoded(sealed))
    if payload is None:
        raise Refused(400, v1_messages.bad_request())
    merchant = _merchant(payload.get("merchantId"))
    _verify(request, sealed + request.path, merchant)
    return merchant, payload


def _decoded(sealed: str) -> bytes:
    """Standard alphabet, padded, on one line: what other decoders forgive is refused here."""
    try:
        return base64.b64decode(sealed.encode(), validate=True)
    except binascii.Error as error:
        raise Refused(400, v1_messages.bare(400)) from error


def _merchant(merchant_id: object) -> Merchant:
    known = isinstance(merchant_id, str) and published.by_merchant_id(Merchant.Generation.V1, merchant_id)
    if not known:
        raise Refused(404, v1_messages.key_not_configured())
    return known


def _verify(request: Request, text: str, merchant: Merchant) -> None:
    """The base in front of `/pg/v1` and the query are not part of what is hashed."""
    offered = request.headers.get("X-VERIFY", "")
    if not hmac.compare_digest(offered.encode(), v1_messages.checksum(text, merchant).encode()):
        raise Refused(401, v1_messages.bare(401))


def _check_pay(payload: Json) -> None:
    transaction_id = payload.get("merchantTransactionId")
    if isinstance(transaction_id, str) and not 1 <= len(transaction_id) <= LONGEST_ID:
        message = f"merchantTransactionId size must be between 1 and {LONGEST_ID}."
        raise Refused(400, v1_messages.bad_request(message))
    mobile = payload.get("mobileNumber")
    _require(
        is_object(payload, PAY_FIELDS),
        is_reference(transaction_id, LONGEST_ID),
        is_reference(payload.get("merchantUserId"), LONGEST_USER_ID),
        is_paise(payload.get("amount")),
        is_url(payload.get("redirectUrl")),
        is_url(payload.get("callbackUrl")),
        payload.get("redirectMode") in (None, *Order.RedirectMode.values),
        mobile is None or (is_text(mobile, LONGEST_MOBILE) and mobile.isdigit()),
        payload.get("paymentInstrument") == {"type": "PAY_PAGE"},
    )


def _check_refund(payload: Json) -> None:
    user_id = payload.get("merchantUserId")
    _require(
        is_object(payload, REFUND_FIELDS),
        is_reference(payload.get("merchantTransactionId"), LONGEST_ID),
        is_reference(payload.get("originalTransactionId"), LONGEST_ID),
        user_id is None or is_reference(user_id, LONGEST_USER_ID),
        is_paise(payload.get("amount")),
        is_url(payload.get("callbackUrl")),
    )


def _require(*met: bool) -> None:
    if not all(met):
        raise Refused(400, v1_messages.bad_request())
