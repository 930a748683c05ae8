"""The strings behind the stage, as JSON: decide for the customer, arm faults, move the clock, read accounts.

Who may pull them is for the door to say (`views.control`); the in-process adapter is always let in.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Q, QuerySet, Sum

from simulator import clock, faults, limits, orders, refunds
from simulator.models import Attempt, Clock, Delivery, Fault, Merchant, Order, Refund, State, Token
from simulator.wire import Json, Refused, Request, Response, answer, read_object

PREFIX = "/simulator/control/"
SHOWN = 100
NUMBER = re.compile(r"[0-9]{0,6}")


def handle(request: Request) -> Response:
    path = request.path.removeprefix(PREFIX)
    for method, pattern, handler in ROUTES:
        matched = pattern.fullmatch(path)
        if matched and method == request.method:
            return _answer(handler, request, matched.groups())
    return answer({"error": "There is nothing to control here."}, 404)


def _answer(handler: Callable[..., Json], request: Request, captured: tuple[str, ...]) -> Response:
    try:
        return answer(handler(_body(request), *captured))
    except Refused as refused:
        return refused.response
    except orders.NotPossible as impossible:
        return answer({"error": str(impossible)}, 409)


def list_orders(body: Json) -> Json:
    newest = Order.objects.select_related("merchant").order_by("-pk")[:SHOWN]
    return {"orders": [_order(order) for order in newest]}


def show_order(body: Json, merchant_order_id: str) -> Json:
    return _in_full(_find_order(merchant_order_id))


def decide_order(body: Json, merchant_order_id: str) -> Json:
    """`outcome`, and optionally `reason` (a detailedErrorCode) and `amount_paise` (what arrives instead)."""
    order = _find_order(merchant_order_id)
    amount_paise, reason = body.get("amount_paise"), body.get("reason", orders.WRONG_PIN)
    _require(amount_paise is None or limits.is_paise(amount_paise), "amount_paise must be at least 100")
    _require(limits.is_text(reason, 60), "reason must be a word")
    orders.decide(order, _outcome(body, orders.OUTCOMES), reason=reason, amount_paise=amount_paise)
    return _in_full(order)


def decide_refund(body: Json, merchant_refund_id: str) -> Json:
    refund = _latest(
        Refund.objects.select_related("merchant", "order__merchant"), "refund", merchant_refund_id
    )
    refunds.decide(refund, _outcome(body, refunds.MOVES))
    return _refund(refund)


def arm_fault(body: Json) -> Json:
    operation, kind, times = body.get("operation"), body.get("kind", body.get("fault")), body.get("times", 1)
    kinds = faults.kinds_of(operation) if isinstance(operation, str) else ()
    _require(bool(kinds), f"operation must be one of {', '.join(faults.OPERATIONS)}")
    _require(kind in kinds, f"fault must be one of {', '.join(kinds)}")
    _require(type(times) is int and 1 <= times <= 1_000_000, "times must be a whole number of at least 1")
    argument = str(body.get("argument", ""))
    _require(NUMBER.fullmatch(argument) is not None, "argument must be a whole number")
    carried_out = body.get("carried_out")
    _require(carried_out is None or isinstance(carried_out, bool), "carried_out must be true or false")
    return _fault(faults.arm(str(operation), str(kind), times, argument, carried_out))


def list_faults(body: Json) -> Json:
    return {"faults": [_fault(fault) for fault in Fault.objects.filter(times_left__gt=0).order_by("pk")]}


def account(body: Json) -> Json:
    """What PhonePe's own books say; the shop's ledger must say the same."""
    return {"merchants": [_account(merchant) for merchant in Merchant.objects.order_by("pk")]}


def deliveries(body: Json) -> Json:
    newest = Delivery.objects.order_by("-pk")[:SHOWN]
    return {"deliveries": [_delivery(delivery) for delivery in newest]}


def change_merchant(body: Json, merchant_id: str) -> Json:
    """`webhook_url` and `webhook_scheme` (sha, hmac) of every merchant with this id."""
    scheme, url = body.get("webhook_scheme"), body.get("webhook_url")
    _require(scheme is None or scheme in Merchant.Scheme.values, "webhook_scheme must be sha or hmac")
    _require(not url or limits.is_url(url), "webhook_url must be a URL")
    changes = {"webhook_scheme": scheme, "webhook_url": url}
    merchants = Merchant.objects.filter(merchant_id=merchant_id)
    _require(merchants.exists(), "There is no such merchant.", 404)
    merchants.update(**{name: value for name, value in changes.items() if value is not None})
    return {"merchant": merchant_id}


def advance_clock(body: Json) -> Json:
    """Time passes at once: orders expire, refunds settle, their webhooks become due."""
    seconds = body.get("advance")
    _require(type(seconds) is int and 0 <= seconds <= 10**8, "advance must be a number of seconds")
    moment = clock.advance(int(seconds or 0))
    orders.expire_due()
    refunds.settle_due()
    return {"now": moment.isoformat()}


def reset(body: Json) -> Json:
    """Everything is forgotten but the merchants."""
    for model in (Delivery, Refund, Attempt, Order, Token, Fault, Clock):
        model.objects.all().delete()
    return {"reset": True}


Row = tuple[str, re.Pattern[str], Callable[..., Json]]


def _route(method: str, path: str, handler: Callable[..., Json]) -> Row:
    return method, re.compile(path.replace("{}", r"([^/\x00]+)")), handler


ROUTES = (
    _route("GET", "orders/", list_orders),
    _route("GET", "orders/{}/", show_order),
    _route("POST", "orders/{}/decide/", decide_order),
    _route("POST", "refunds/{}/decide/", decide_refund),
    _route("GET", "faults/", list_faults),
    _route("POST", "faults/", arm_fault),
    _route("GET", "account/", account),
    _route("GET", "deliveries/", deliveries),
    _route("POST", "merchants/{}/", change_merchant),
    _route("POST", "clock/", advance_clock),
    _route("POST", "reset/", reset),
)


def _body(request: Request) -> Json:
    if request.method == "GET" or not request.body:
        return {}
    body = read_object(request.body)
    _require(body is not None, "The body must be a JSON object.")
    return body or {}


def _require(met: bool, error: str, status: int = 400) -> None:
    if not met:
        raise Refused(status, {"error": error})


def _outcome(body: Json, known: Iterable[str]) -> str:
    outcome = body.get("outcome")
    _require(outcome in tuple(known), f"outcome must be one of {', '.join(known)}")
    return str(outcome)


def _find_order(merchant_order_id: str) -> Order:
    order: Order = _latest(Order.objects.select_related("merchant"), "order", merchant_order_id)
    orders.end_if_expired(order)
    return order


def _latest(rows: QuerySet[Any], noun: str, reference: str) -> Any:
    """Ids are unique per merchant only; of several the newest is meant."""
    row = rows.filter(**{f"merchant_{noun}_id": reference}).order_by("-pk").first()
    _require(row is not None, f"There is no {noun} {reference}.", 404)
    return row


def _in_full(order: Order) -> Json:
    tries = order.attempts.order_by("pk")
    returned = order.refunds.order_by("pk")
    return _order(order) | {
        "attempts": [_attempt(attempt) for attempt in tries],
        "refunds": [_refund(refund) for refund in returned],
    }


def _order(order: Order) -> Json:
    return {
        "merchant_order_id": order.merchant_order_id,
        "merchant_id": order.merchant.merchant_id,
        "generation": order.merchant.generation,
        "provider_order_id": order.provider_id,
        "amount_paise": order.amount_paise,
        "state": order.state,
        "error_code": order.error_code,
        "detailed_error_code": order.detailed_error_code,
        "page_url": orders.page_url(order),
        "redirect_url": order.redirect_url,
        "created_at": order.created_at.isoformat(),
        "expires_at": order.expires_at.isoformat(),
    }


def _attempt(attempt: Attempt) -> Json:
    shown = ("provider_id", "amount_paise", "state", "mode", "utr", "error_code", "detailed_error_code")
    return {name: getattr(attempt, name) for name in shown}


def _refund(refund: Refund) -> Json:
    shown = (
        "merchant_refund_id",
        "provider_id",
        "amount_paise",
        "state",
        "error_code",
        "detailed_error_code",
    )
    return {name: getattr(refund, name) for name in shown}


def _fault(fault: Fault) -> Json:
    shown = ("operation", "kind", "times_left", "argument", "carried_out")
    return {name: getattr(fault, name) for name in shown}


def _delivery(delivery: Delivery) -> Json:
    shown = ("event", "about", "url", "tries", "last_status", "last_error")
    done = {"delivered": delivery.delivered_at is not None, "finished": delivery.due_at is None}
    return {name: getattr(delivery, name) for name in shown} | done


def _account(merchant: Merchant) -> Json:
    received = Attempt.objects.filter(order__merchant=merchant, state=State.COMPLETED)
    returned = merchant.refunds.aggregate(
        done=Sum("amount_paise", filter=Q(state=State.COMPLETED)),
        open=Sum("amount_paise", filter=Q(state__in=refunds.NOT_SETTLED)),
    )
    return {
        "merchant_id": merchant.merchant_id,
        "generation": merchant.generation,
        "orders": merchant.orders.count(),
        "paid_paise": received.aggregate(paise=Sum("amount_paise"))["paise"] or 0,
        "refunded_paise": returned["done"] or 0,
        "refunds_open_paise": returned["open"] or 0,
    }
