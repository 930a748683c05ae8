"""The V2 API of orders and refunds: JSON with an OAuth token, under `/apis/pg` and the sandbox."""

from datetime import timedelta

from simulator import (
    identifiers,
    instrument_responses,
    instruments,
    orders,
    refunds,
    transitions,
    v2_messages,
    v2_validation,
)
from simulator.models import Attempt, Merchant, Order, State
from simulator.v2_auth import authenticate, is_set, read_body
from simulator.wire import ApiError, Json, Request, Response, json_response


def pay(request: Request) -> Response:
    order = _insert(_build_order(request, *_read_page_order(request)))
    return json_response(v2_messages.order_created(order, {"redirectUrl": orders.page_url(order)}))


def sdk_order(request: Request) -> Response:
    """For a mobile app, whose SDK opens the payment with the token."""
    order = _build_order(request, *_read_page_order(request, for_app=True))
    order.for_app = True
    _insert(order)
    return json_response(v2_messages.order_created(order, {"token": order.page_token}))


def pay_custom(request: Request) -> Response:
    """Custom checkout: the merchant has chosen the mode. Only cards and net banking get a page."""
    merchant, payload = authenticate(request), read_body(request)
    v2_validation.check_custom_order(payload)
    payment_mode = payload["paymentFlow"]["paymentMode"]
    mode = payment_mode["type"]
    lasts = {"expireAfter": v2_validation.CUSTOM_EXPIRES_AFTER[mode]}
    order = _build_order(request, merchant, lasts | payload)
    agreed = instruments.from_mode(mode, payment_mode.get("details", {}).get("vpa", ""))
    order.flow, order.mode, order.vpa = Order.Flow.CUSTOM, mode, agreed.vpa
    order.offered = instruments.names_of_mode(mode)
    return json_response(
        v2_messages.order_created(_insert(order), instrument_responses.v2_response(order, mode))
    )


def order_status(request: Request, merchant_order_id: str) -> Response:
    merchant = authenticate(request)
    order = _find_order(merchant, merchant_order_id)
    if order is None:
        raise ApiError(400, v2_messages.order_not_found())
    return _answer_status(request, order)


def custom_order_status(request: Request, merchant_order_id: str) -> Response:
    """Both families find all orders of the merchant; only their error for an unknown one differs."""
    merchant = authenticate(request)
    order = _find_order(merchant, merchant_order_id)
    if order is None:
        raise ApiError(404, v2_messages.entry_not_found(merchant, merchant_order_id))
    return _answer_status(request, order)


def attempt_status(request: Request, transaction_id: str) -> Response:
    merchant = authenticate(request)
    attempts = Attempt.objects.filter(order__merchant=merchant, provider_id=transaction_id)
    attempt = attempts.select_related("order__merchant").first()
    if attempt is None:
        raise ApiError(404, v2_messages.entry_not_found(merchant, transaction_id))
    transitions.apply_due(attempt.order, request.moment)
    attempt.refresh_from_db()
    return json_response(v2_messages.order_status(attempt.order, [attempt], **_status_options(request)))


def refund(request: Request) -> Response:
    merchant, payload = authenticate(request), read_body(request)
    v2_validation.check_refund(payload)
    order = _find_order(merchant, payload["originalMerchantOrderId"])
    if order is None:
        raise ApiError(400, v2_messages.order_not_found())
    if order.state != State.COMPLETED:
        raise ApiError(400, v2_messages.bad_request())
    try:
        accepted = refunds.accept(order, payload["merchantRefundId"], payload["amount"])
    except refunds.DuplicateId as taken:
        raise ApiError(417, v2_messages.duplicate_id()) from taken
    except refunds.ExcessAmount as too_much:
        raise ApiError(400, v2_messages.bad_request()) from too_much
    return json_response(v2_messages.refund_accepted(accepted))


def refund_status(request: Request, merchant_refund_id: str) -> Response:
    merchant = authenticate(request)
    refund = merchant.refunds.filter(merchant_refund_id=merchant_refund_id)
    row = refund.select_related("merchant", "order__merchant").first()
    if row is None:
        raise ApiError(404, v2_messages.entry_not_found(merchant, merchant_refund_id))
    refunds.settle_if_due(row)
    return json_response(v2_messages.refund_status(row, row.order.attempts.get(state=State.COMPLETED)))


def validate_upi(request: Request) -> Response:
    """Whether the UPI id or number is valid."""
    authenticate(request)
    payload = read_body(request)
    v2_validation.check_address(payload)
    address, number = payload.get("vpa", ""), payload.get("upiNumber", "")
    valid = bool(instruments.VPA.fullmatch(address) or instruments.UPI_NUMBER.fullmatch(number))
    return json_response(v2_messages.address(valid))


def _read_page_order(request: Request, *, for_app: bool = False) -> tuple[Merchant, Json]:
    merchant, payload = authenticate(request), read_body(request)
    v2_validation.check_page_order(payload, for_app=for_app)
    return merchant, payload


def _build_order(request: Request, merchant: Merchant, payload: Json) -> Order:
    flow, moment = payload["paymentFlow"], request.moment
    lasts = timedelta(seconds=payload.get("expireAfter", v2_validation.EXPIRES_AFTER))
    return Order(
        merchant=merchant,
        merchant_order_id=payload["merchantOrderId"],
        provider_id=identifiers.provider_id("OMO", moment),
        page_token=orders.new_page_token(),
        amount_paise=payload["amount"],
        redirect_url=flow.get("merchantUrls", {}).get("redirectUrl", ""),
        message=flow.get("message", ""),
        meta_info=payload.get("metaInfo"),
        offered=instruments.enabled_names(flow.get("paymentModeConfig", {})),
        retry_disabled=payload.get("disablePaymentRetry") or flow.get("disablePaymentRetry") or False,
        prefilled_phone=payload.get("prefillUserLoginDetails", {}).get("phoneNumber") or "",
        created_at=moment,
        expires_at=moment + lasts,
    )


def _insert(order: Order) -> Order:
    if not orders.insert(order):
        raise ApiError(417, v2_messages.duplicate_id())
    return order


def _find_order(merchant: Merchant, merchant_order_id: str) -> Order | None:
    known = merchant.orders.filter(merchant_order_id=merchant_order_id).select_related("merchant")
    order: Order | None = known.first()
    return order


def _answer_status(request: Request, order: Order) -> Response:
    transitions.apply_due(order, request.moment)
    attempts = list(order.attempts.order_by("pk"))
    listed = attempts if is_set(request, "details") else attempts[-1:]
    return json_response(v2_messages.order_status(order, listed, **_status_options(request)))


def _status_options(request: Request) -> dict[str, bool]:
    return {"explain": is_set(request, "errorContext"), "settled": is_set(request, "settlementDetails")}
