"""The strings behind the stage, as JSON: decide for the customer, arm faults, move the clock, read accounts.

Who may pull them is for the door to say (`views.control`); the in-process adapter is always let in.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from simulator import (
    canned_errors,
    clock,
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
from simulator.models import Attempt, Delivery, Fault, Luck, Merchant, Order, Refund, Token
from simulator.orders import Choice
from simulator.wire import Json, Refused, Request, Response, answer, read_object

PREFIX = "/simulator/control/"
SHOWN = 100
OURS = merchants.PUBLISHED[Merchant.Generation.V2]["merchant_id"]
LONGEST = 10**8
NUMBER, SIGNED = re.compile(r"[0-9]{0,7}"), re.compile(r"-?[0-9]{1,7}")


def handle(request: Request) -> Response:
    path = request.path.removeprefix(PREFIX).rstrip("/") + "/"
    for route in ROUTES:
        matched = route.pattern.fullmatch(path)
        if matched and route.method == request.method:
            return _answer(route.handler, request, matched.groups())
    return answer({"error": "There is nothing to control here."}, 404)


def _answer(handler: Callable[..., Json], request: Request, captured: tuple[str, ...]) -> Response:
    try:
        return answer(handler(_body(request), *captured))
    except Refused as refused:
        return refused.response
    except (orders.NotPossible, events.NothingToSay) as impossible:
        return answer({"error": str(impossible)}, 409)


def list_orders(body: Json) -> Json:
    newest = Order.objects.select_related("merchant").order_by("-pk")[:SHOWN]
    return {"orders": [snapshots.order(order) for order in newest]}


def show_order(body: Json, merchant_order_id: str) -> Json:
    return snapshots.in_full(_find_order(merchant_order_id))


def decide_order(body: Json, merchant_order_id: str) -> Json:
    """`outcome`, and optionally `reason` (a detailedErrorCode), `amount_paise` (what arrives instead), `seconds`."""
    order = _find_order(merchant_order_id)
    amount_paise, reason = body.get("amount_paise"), body.get("reason", orders.WRONG_PIN)
    seconds = body.get("seconds", orders.BANK_TAKES)
    _require(amount_paise is None or validation.is_paise(amount_paise), "amount_paise must be at least 100")
    _require(validation.is_text(reason, 60), "reason must be a word")
    _require(type(seconds) is int and 0 <= seconds <= LONGEST, "seconds must be a whole number")
    choice = Choice(amount_paise=amount_paise, reason=reason, seconds=seconds)
    orders.decide(order, _outcome(body, orders.OUTCOMES), choice)
    return snapshots.in_full(order)


def refund_order(body: Json, merchant_order_id: str) -> Json:
    """As if somebody had done it in PhonePe's dashboard; without `amount_paise` all that is left."""
    amount_paise = body.get("amount_paise")
    _require(amount_paise is None or validation.is_paise(amount_paise), "amount_paise must be at least 100")
    return snapshots.refund(refunds.from_dashboard(_find_order(merchant_order_id), amount_paise))


def decide_refund(body: Json, merchant_refund_id: str) -> Json:
    refund = _latest(
        Refund.objects.select_related("merchant", "order__merchant"), "refund", merchant_refund_id
    )
    refunds.decide(refund, _outcome(body, refunds.MOVES))
    return snapshots.refund(refund)


def arm_fault(body: Json) -> Json:
    """`call`: strikes that call from now on, and `times` in all; `about`: those for one order or refund only."""
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
        carried_out is not False or not faults.always_sends(str(operation), str(kind)),
        f"carried_out cannot be false for {kind}: it strikes a webhook that is sent. drop sends none",
    )
    armed = faults.arm(str(operation), str(kind), times, argument, carried_out, call=call, about=about)
    return snapshots.fault(armed)


def list_faults(body: Json) -> Json:
    return {
        "faults": [snapshots.fault(fault) for fault in Fault.objects.filter(times_left__gt=0).order_by("pk")]
    }


def account(body: Json) -> Json:
    """What PhonePe's own books say; the shop's ledger must say the same."""
    return {"merchants": [snapshots.account(merchant) for merchant in Merchant.objects.order_by("pk")]}


def list_deliveries(body: Json) -> Json:
    newest = Delivery.objects.order_by("-pk")[:SHOWN]
    return {"deliveries": [snapshots.delivery(delivery) for delivery in newest]}


def change_merchant(body: Json, merchant_id: str) -> Json:
    """`webhook_url` and `webhook_scheme` (sha, hmac) of every merchant with this id."""
    scheme, url = body.get("webhook_scheme"), body.get("webhook_url")
    _require(scheme is None or scheme in Merchant.Scheme.values, "webhook_scheme must be sha or hmac")
    _require(not url or validation.is_url(url), "webhook_url must be a URL")
    changes = {"webhook_scheme": scheme, "webhook_url": url}
    found = Merchant.objects.filter(merchant_id=merchant_id)
    _require(found.exists(), "There is no such merchant.", 404)
    found.update(**{name: value for name, value in changes.items() if value is not None})
    return {"merchant": merchant_id}


def send_again(body: Json, number: str) -> Json:
    """The same bytes once more, whether they were heard or not."""
    known = Delivery.objects.select_related("merchant")
    delivery = known.filter(pk=int(number)).first() if NUMBER.fullmatch(number) else None
    if delivery is None:
        raise Refused(404, {"error": "There is no such delivery."})
    return snapshots.delivery(outbox.send_again(delivery))


def send_webhook(body: Json) -> Json:
    """Any event of V2's, to a `merchant` of V2 (the published one), about an order or refund of theirs (the newest).

    `payload` replaces members of what would be said; `scheme` (sha, hmac) proves it so, whatever was agreed.
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
        isinstance(given, dict) and validation.is_speakable(given), "payload must be an object of whole text"
    )
    merchant = merchants.by_merchant_id(Merchant.Generation.V2, str(body.get("merchant", OURS)))
    if merchant is None:
        raise Refused(404, {"error": "There is no such merchant of V2."})
    said = events.announced(str(event), merchant, reference, clock.now(), given)
    return snapshots.delivery(outbox.announce(merchant, said, scheme)) | {"said": said}


def show_clock(body: Json) -> Json:
    return {"now": clock.now().isoformat(), "stopped": clock.is_stopped()}


def set_clock(body: Json) -> Json:
    """`advance` by seconds, `stopped` true or false. Time passes at once: orders expire, refunds settle."""
    seconds, stopped = body.get("advance", 0), body.get("stopped")
    _require(bool(body.keys() & {"advance", "stopped"}), "advance or stopped is missing")
    _require(type(seconds) is int and 0 <= seconds <= LONGEST, "advance must be a number of seconds")
    _require(stopped is None or isinstance(stopped, bool), "stopped must be true or false")
    if stopped is not None:
        clock.stop() if stopped else clock.start()
    if seconds:
        clock.advance(seconds)
    transitions.catch_up_due()
    refunds.settle_due()
    return show_clock(body)


def reset(body: Json) -> Json:
    """Everything is forgotten but the merchants. With a `seed` calls fail by chance, `percent` of a hundred."""
    seed, percents = body.get("seed"), body.get("percent", faults.PERCENTS)
    _require(seed is None or (type(seed) is int and abs(seed) < 2**63), "seed must be a whole number")
    _require(_are_percents(percents), "percent must name operations, each with 0 to 100")
    for model in (Delivery, Refund, Attempt, Order, Token, Fault, Luck):
        model.objects.all().delete()
    clock.set_right()
    if seed is not None:
        seeded_faults.seed(seed, percents)
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
    transitions.catch_up(order)
    return order


def _latest(rows: QuerySet[Any], noun: str, reference: str) -> Any:
    """Ids are unique per merchant only; of several the newest is meant."""
    row = rows.filter(**{f"merchant_{noun}_id": reference}).order_by("-pk").first()
    _require(row is not None, f"There is no {noun} {reference}.", 404)
    return row


def _count(body: Json, name: str) -> int:
    number = body.get(name, 1)
    _require(type(number) is int and 1 <= number <= 1_000_000, f"{name} must be a whole number of at least 1")
    return int(number)


def _is_argument(kind: str, argument: str) -> bool:
    """Most take a number of seconds, of times, of bytes or of paise."""
    if kind == "says":
        return argument in canned_errors.SAYINGS
    if kind == "html":
        return argument == "" or (NUMBER.fullmatch(argument) is not None and 200 <= int(argument) <= 599)
    if kind == "clock_off":
        return argument == "" or SIGNED.fullmatch(argument) is not None
    if kind == "duplicate":
        return argument == "" or (NUMBER.fullmatch(argument) is not None and int(argument) >= 1)
    return NUMBER.fullmatch(argument) is not None


def _are_percents(percents: Any) -> bool:
    if not isinstance(percents, dict) or not percents.keys() <= set(faults.OPERATIONS):
        return False
    return all(type(percent) is int and 0 <= percent <= 100 for percent in percents.values())
