"""V2's orders and refunds: plain JSON and a token, under `/apis/pg` and the sandbox."""

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
from simulator.v2_auth import asked, body, merchant
from simulator.wire import Json, Refused, Request, Response, answer


def pay(request: Request) -> Response:
    order = _place(_order(request, *_page_order(request)))
    return answer(v2_messages.opened(order, {"redirectUrl": orders.page_url(order)}))


def sdk_order(request: Request) -> Response:
    """For a mobile app: it opens the page itself, with the token."""
    order = _place(_order(request, *_page_order(request, for_app=True)))
    return answer(v2_messages.opened(order, {"token": order.page_token}))


def pay_custom(request: Request) -> Response:
    """The customer has chosen in the shop: there is no page, but for cards and banks, which have their own."""
    payer, payload = merchant(request), body(request)
    v2_validation.check_custom_order(payload)
    wanted = payload["paymentFlow"]["paymentMode"]
    mode = wanted["type"]
    lasts = {"expireAfter": v2_validation.CUSTOM_EXPIRES_AFTER[mode]}
    order = _order(request, payer, lasts | payload)
    agreed = instruments.agreed(mode, wanted.get("details", {}).get("vpa", ""))
    order.flow, order.mode, order.vpa = Order.Flow.CUSTOM, mode, agreed.vpa
    order.offered = instruments.of_mode(mode)
    return answer(v2_messages.opened(_place(order), instrument_responses.way_to_pay(order, mode)))


def order_status(request: Request, merchant_order_id: str) -> Response:
    payer = merchant(request)
    order = _find(payer, merchant_order_id)
    if order is None:
        raise Refused(400, v2_messages.order_unknown())
    return _status(request, order)


def custom_order_status(request: Request, merchant_order_id: str) -> Response:
    """Both families know all orders of the merchant; only their words for an unknown one differ."""
    payer = merchant(request)
    order = _find(payer, merchant_order_id)
    if order is None:
        raise Refused(404, v2_messages.entry_unknown(payer, merchant_order_id))
    return _status(request, order)


def attempt_status(request: Request, transaction_id: str) -> Response:
    payer = merchant(request)
    attempts = Attempt.objects.filter(order__merchant=payer, provider_id=transaction_id)
    attempt = attempts.select_related("order__merchant").first()
    if attempt is None:
        raise Refused(404, v2_messages.entry_unknown(payer, transaction_id))
    transitions.catch_up(attempt.order, request.moment)
    attempt.refresh_from_db()
    return answer(v2_messages.order_status(attempt.order, [attempt], **_wishes(request)))


def refund(request: Request) -> Response:
    payer, payload = merchant(request), body(request)
    v2_validation.check_refund(payload)
    order = _find(payer, payload["originalMerchantOrderId"])
    if order is None:
        raise Refused(400, v2_messages.order_unknown())
    if order.state != State.COMPLETED:
        raise Refused(400, v2_messages.bad_request())
    try:
        accepted = refunds.accept(order, payload["merchantRefundId"], payload["amount"])
    except refunds.IdTaken as taken:
        raise Refused(417, v2_messages.duplicate()) from taken
    except refunds.TooMuch as too_much:
        raise Refused(400, v2_messages.bad_request()) from too_much
    return answer(v2_messages.refund_accepted(accepted))


def refund_status(request: Request, merchant_refund_id: str) -> Response:
    payer = merchant(request)
    found = payer.refunds.filter(merchant_refund_id=merchant_refund_id)
    row = found.select_related("merchant", "order__merchant").first()
    if row is None:
        raise Refused(404, v2_messages.entry_unknown(payer, merchant_refund_id))
    refunds.settle_if_due(row)
    return answer(v2_messages.refund_status(row, row.order.attempts.get(state=State.COMPLETED)))


def validate_upi(request: Request) -> Response:
    """Whether there is a UPI id or number like this one."""
    merchant(request)
    payload = body(request)
    v2_validation.check_address(payload)
    address, number = payload.get("vpa", ""), payload.get("upiNumber", "")
    valid = bool(instruments.ADDRESS.fullmatch(address) or instruments.UPI_NUMBER.fullmatch(number))
    return answer(v2_messages.address(valid))


def _page_order(request: Request, *, for_app: bool = False) -> tuple[Merchant, Json]:
    payer, payload = merchant(request), body(request)
    v2_validation.check_page_order(payload, for_app=for_app)
    return payer, payload


def _order(request: Request, payer: Merchant, payload: Json) -> Order:
    flow, moment = payload["paymentFlow"], request.moment
    lasts = timedelta(seconds=payload.get("expireAfter", v2_validation.EXPIRES_AFTER))
    return Order(
        merchant=payer,
        merchant_order_id=payload["merchantOrderId"],
        provider_id=identifiers.provider_id("OMO", moment),
        page_token=orders.new_page_token(),
        amount_paise=payload["amount"],
        redirect_url=flow.get("merchantUrls", {}).get("redirectUrl", ""),
        message=flow.get("message", ""),
        meta_info=payload.get("metaInfo"),
        offered=instruments.offered(flow.get("paymentModeConfig", {})),
        retry_disabled=payload.get("disablePaymentRetry") or flow.get("disablePaymentRetry") or False,
        created_at=moment,
        expires_at=moment + lasts,
    )


def _place(order: Order) -> Order:
    if not orders.place(order):
        raise Refused(417, v2_messages.duplicate())
    return order


def _find(payer: Merchant, merchant_order_id: str) -> Order | None:
    known = payer.orders.filter(merchant_order_id=merchant_order_id).select_related("merchant")
    order: Order | None = known.first()
    return order


def _status(request: Request, order: Order) -> Response:
    transitions.catch_up(order, request.moment)
    attempts = list(order.attempts.order_by("pk"))
    shown = attempts if asked(request, "details") else attempts[-1:]
    return answer(v2_messages.order_status(order, shown, **_wishes(request)))


def _wishes(request: Request) -> dict[str, bool]:
    return {"explain": asked(request, "errorContext"), "settled": asked(request, "settlementDetails")}
