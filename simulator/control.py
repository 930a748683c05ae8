"""The control API, in JSON: decide for the customer, arm faults, move the clock, read accounts.

`views.control` checks the permission of HTTP callers; the in-process adapter is always allowed.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from simulator import (
    canned_errors,
    clock,
    destinations,
    events,
    faults,
    merchants,
    orders,
    refunds,
    seeded_faults,
    snapshots,
    transitions,
    validation,
)
from simulator import webhook_deliveries as outbox
from simulator.models import Attempt, Delivery, Fault, FaultRate, Merchant, Order, Refund, Token
from simulator.orders import Choice
from simulator.wire import ApiError, Json, Request, Response, json_response, read_object

PREFIX = "/simulator/control/"
ROWS_SHOWN = 100
DEFAULT_MERCHANT = merchants.PUBLISHED[Merchant.Generation.V2]["merchant_id"]
MAX_SECONDS = 10**8
NUMBER, SIGNED = re.compile(r"[0-9]{0,7}"), re.compile(r"-?[0-9]{1,7}")


def handle(request: Request) -> Response:
    path = request.path.removeprefix(PREFIX).rstrip("/") + "/"
    for route in ROUTES:
        matched = route.pattern.fullmatch(path)
        if not matched or route.method != request.method:
            continue
        try:
            body = read_object(request.body) if request.body and request.method != "GET" else {}
            _require(body is not None, "The body must be a JSON object.")
            return json_response(route.handler(body, *matched.groups()))
        except ApiError as error:
            return error.response
        except (orders.NotAllowed, events.SubjectMissing) as error:
            return json_response({"error": str(error)}, 409)
    return json_response({"error": "There is nothing to control here."}, 404)


def list_orders(body: Json) -> Json:
    newest = Order.objects.select_related("merchant").order_by("-pk")[:ROWS_SHOWN]
    return {"orders": [snapshots.serialize_order(order) for order in newest]}


def show_order(body: Json, merchant_order_id: str) -> Json:
    return snapshots.serialize_order_with_details(_find_order(merchant_order_id))


def decide_order(body: Json, merchant_order_id: str) -> Json:
    """`outcome`, and optionally `reason` (a detailedErrorCode), `amount_paise` (what arrives instead), `seconds`."""
    order = _find_order(merchant_order_id)
    amount_paise, reason = body.get("amount_paise"), body.get("reason", orders.WRONG_PIN)
    seconds = body.get("seconds", orders.BANK_SECONDS)
    _require(amount_paise is None or validation.is_paise(amount_paise), "amount_paise must be at least 100")
    _require(validation.is_text(reason, 60), "reason must be a word")
    _require(type(seconds) is int and 0 <= seconds <= MAX_SECONDS, "seconds must be a whole number")
    choice = Choice(amount_paise=amount_paise, reason=reason, seconds=seconds)
    orders.decide(order, _outcome(body, orders.OUTCOMES), choice)
    return snapshots.serialize_order_with_details(order)


def act_in_app(body: Json, merchant_order_id: str) -> Json:
    """Plays the app with PhonePe's SDK, or a UPI app: `action`, and the order `token` of the SDK.

    `told` is what the SDK tells the app: SUCCESS, FAILURE, INTERRUPTED, or null when the app was killed. A shop must
    not believe it.
    """
    order, token = _find_order(merchant_order_id), body.get("token", "")
    action = body.get("action")
    _require(action in tuple(orders.APP_ACTIONS), f"action must be one of {', '.join(orders.APP_ACTIONS)}")
    _require(isinstance(token, str), "token must be a text")
    try:
        report = orders.act_in_app(order, str(action), token)
    except orders.TokenRefused as refused:
        raise ApiError(401, {"errorCode": "PR004", "message": "Unauthorized"}) from refused
    return {"told": report, "order": snapshots.serialize_order_with_details(order)}


def refund_order(body: Json, merchant_order_id: str) -> Json:
    """Refunds as from PhonePe's dashboard; without `amount_paise`, all that is left."""
    amount_paise = body.get("amount_paise")
    _require(amount_paise is None or validation.is_paise(amount_paise), "amount_paise must be at least 100")
    return snapshots.serialize_refund(
        refunds.refund_from_dashboard(_find_order(merchant_order_id), amount_paise)
    )


def decide_refund(body: Json, merchant_refund_id: str) -> Json:
    refund = _find_newest(
        Refund.objects.select_related("merchant", "order__merchant"), "refund", merchant_refund_id
    )
    refunds.decide(refund, _outcome(body, refunds.TRANSITIONS))
    return snapshots.serialize_refund(refund)


def arm_fault(body: Json) -> Json:
    """Strikes `times` calls, beginning with the `call`-th from now. `about`: only calls for that order or refund."""
    operation, kind = body.get("operation"), body.get("kind", body.get("fault"))
    kinds = faults.KINDS.get(operation, ()) if isinstance(operation, str) else ()
    _require(bool(kinds), f"operation must be one of {', '.join(faults.OPERATIONS)}")
    _require(kind in kinds, f"fault must be one of {', '.join(kinds)}")
    times, call = _count(body, "times"), _count(body, "call")
    argument, about = str(body.get("argument", "")), body.get("about", "")
    _require(_is_argument(str(kind), argument), "argument does not suit this fault")
    _require(about == "" or validation.is_reference(about, 63), "about must be the id of an order or refund")
    carried_out = body.get("carried_out")
    _require(carried_out is None or isinstance(carried_out, bool), "carried_out must be true or false")
    _require(
        carried_out is not False or not faults.sends_webhook(str(operation), str(kind)),
        f"carried_out cannot be false for {kind}: it strikes a webhook that is sent. drop sends none",
    )
    armed = faults.arm(str(operation), str(kind), times, argument, carried_out, call=call, about=about)
    return snapshots.serialize_fault(armed)


def list_faults(body: Json) -> Json:
    return {
        "faults": [
            snapshots.serialize_fault(fault)
            for fault in Fault.objects.filter(times_left__gt=0).order_by("pk")
        ]
    }


def account(body: Json) -> Json:
    """Paid and refunded paise per merchant, to compare with the shop's ledger."""
    return {
        "merchants": [snapshots.serialize_account(merchant) for merchant in Merchant.objects.order_by("pk")]
    }


def list_deliveries(body: Json) -> Json:
    newest = Delivery.objects.order_by("-pk")[:ROWS_SHOWN]
    return {"deliveries": [snapshots.serialize_delivery(delivery) for delivery in newest]}


def change_merchant(body: Json, merchant_id: str) -> Json:
    """`webhook_url` and `webhook_scheme` (sha, hmac) of every merchant with this id."""
    scheme, url = body.get("webhook_scheme"), body.get("webhook_url")
    _require(scheme is None or scheme in Merchant.Scheme.values, "webhook_scheme must be sha or hmac")
    _require(not url or validation.is_url(url), "webhook_url must be a URL")
    _require(not url or destinations.is_allowed(str(url)), "webhook_url must be an address of the shop")
    changes = {"webhook_scheme": scheme, "webhook_url": url}
    merchants_of_id = Merchant.objects.filter(merchant_id=merchant_id)
    _require(merchants_of_id.exists(), "There is no such merchant.", 404)
    merchants_of_id.update(**{name: value for name, value in changes.items() if value is not None})
    return {"merchant": merchant_id}


def send_again(body: Json, number: str) -> Json:
    """Sends the same body once more, whether it was delivered or not."""
    known = Delivery.objects.select_related("merchant")
    delivery = known.filter(pk=int(number)).first() if NUMBER.fullmatch(number) else None
    if delivery is None:
        raise ApiError(404, {"error": "There is no such delivery."})
    return snapshots.serialize_delivery(outbox.resend(delivery))


def send_webhook(body: Json) -> Json:
    """Sends any V2 event to a V2 `merchant` (default: the published one), about their order or refund (the newest).

    `payload` replaces members; `scheme` (sha, hmac) overrides the merchant's authentication scheme.
    """
    event, scheme, reference = body.get("event"), body.get("scheme", ""), body.get("about", "")
    _require(event in tuple(events.EVENTS), f"event must be one of {', '.join(events.EVENTS)}")
    _require(scheme in ("", *Merchant.Scheme.values), "scheme must be sha or hmac")
    _require(
        reference == "" or validation.is_reference(reference, 63),
        "about must be the id of an order or refund",
    )
    given = body.get("payload", {})
    _require(
        isinstance(given, dict) and validation.is_encodable(given), "payload must be an object of whole text"
    )
    merchant = merchants.find_by_merchant_id(
        Merchant.Generation.V2, str(body.get("merchant", DEFAULT_MERCHANT))
    )
    if merchant is None:
        raise ApiError(404, {"error": "There is no such merchant of V2."})
    message = events.build_event(str(event), merchant, reference, clock.now(), given)
    return snapshots.serialize_delivery(outbox.enqueue_event(merchant, message, scheme)) | {"said": message}


def show_clock(body: Json) -> Json:
    return {"now": clock.now().isoformat(), "stopped": clock.is_stopped()}


def set_clock(body: Json) -> Json:
    """`advance` in seconds, `stopped` true or false. Applied at once: orders expire, refunds settle."""
    seconds, stopped = body.get("advance", 0), body.get("stopped")
    _require(bool(body.keys() & {"advance", "stopped"}), "advance or stopped is missing")
    _require(type(seconds) is int and 0 <= seconds <= MAX_SECONDS, "advance must be a number of seconds")
    _require(stopped is None or isinstance(stopped, bool), "stopped must be true or false")
    if stopped is not None:
        clock.stop() if stopped else clock.start()
    if seconds:
        clock.advance(seconds)
    transitions.apply_all_due()
    refunds.settle_due()
    return show_clock(body)


def reset(body: Json) -> Json:
    """Deletes everything but the merchants. With a `seed`, `percent` of a hundred calls get a fault."""
    seed, percents = body.get("seed"), body.get("percent", faults.PERCENTS)
    _require(seed is None or (type(seed) is int and abs(seed) < 2**63), "seed must be a whole number")
    is_table = isinstance(percents, dict) and percents.keys() <= set(faults.OPERATIONS)
    _require(
        is_table and all(type(each) is int and 0 <= each <= 100 for each in percents.values()),
        "percent must name operations, each with 0 to 100",
    )
    for model in (Delivery, Refund, Attempt, Order, Token, Fault, FaultRate):
        model.objects.all().delete()
    clock.reset()
    if seed is not None:
        seeded_faults.set_rates(seed, percents)
    return {"reset": True, "seed": seed}


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    pattern: re.Pattern[str]
    handler: Callable[..., Json]


def _route(method: str, path: str, handler: Callable[..., Json]) -> Route:
    return Route(method, path, re.compile(path.replace("{}", r"([^/\x00]+)")), handler)


ROUTES = (
    _route("GET", "orders/", list_orders),
    _route("GET", "orders/{}/", show_order),
    _route("POST", "orders/{}/decide/", decide_order),
    _route("POST", "orders/{}/app/", act_in_app),
    _route("POST", "orders/{}/refund/", refund_order),
    _route("POST", "refunds/{}/decide/", decide_refund),
    _route("GET", "faults/", list_faults),
    _route("POST", "faults/", arm_fault),
    _route("GET", "account/", account),
    _route("GET", "deliveries/", list_deliveries),
    _route("POST", "deliveries/{}/send/", send_again),
    _route("POST", "webhooks/", send_webhook),
    _route("POST", "merchants/{}/", change_merchant),
    _route("GET", "clock/", show_clock),
    _route("POST", "clock/", set_clock),
    _route("POST", "reset/", reset),
)


def _require(condition: bool, error: str, status: int = 400) -> None:
    if not condition:
        raise ApiError(status, {"error": error})


def _outcome(body: Json, known: Iterable[str]) -> str:
    outcome = body.get("outcome")
    _require(outcome in tuple(known), f"outcome must be one of {', '.join(known)}")
    return str(outcome)


def _find_order(merchant_order_id: str) -> Order:
    order: Order = _find_newest(Order.objects.select_related("merchant"), "order", merchant_order_id)
    transitions.apply_due(order)
    return order


def _find_newest(rows: QuerySet[Any], noun: str, reference: str) -> Any:
    """Ids are unique per merchant only; the newest row is taken."""
    row = rows.filter(**{f"merchant_{noun}_id": reference}).order_by("-pk").first()
    _require(row is not None, f"There is no {noun} {reference}.", 404)
    return row


def _count(body: Json, name: str) -> int:
    number = body.get(name, 1)
    _require(type(number) is int and 1 <= number <= 1_000_000, f"{name} must be a whole number of at least 1")
    return int(number)


def _is_argument(kind: str, argument: str) -> bool:
    """Most arguments are a number of seconds, times, bytes or paise."""
    if kind == "says":
        return argument in canned_errors.ERRORS
    if kind == "html":
        return argument == "" or (NUMBER.fullmatch(argument) is not None and 200 <= int(argument) <= 599)
    if kind == "clock_off":
        return argument == "" or SIGNED.fullmatch(argument) is not None
    if kind == "duplicate":
        return argument == "" or (NUMBER.fullmatch(argument) is not None and int(argument) >= 1)
    return NUMBER.fullmatch(argument) is not None
