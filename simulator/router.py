"""Routes API calls: which base serves which path, and which fault strikes the call."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from django.db import InterfaceError, OperationalError

from simulator import canned_errors, fault_targets, faults, request_context, v1, v2, v2_auth, wire_faults
from simulator.wire import ApiError, Request, Response, json_response

PREFIX = "/simulator/apis/"
# Each base serves its own paths only, the sandbox all of them: a wrong base fails as it does at PhonePe.
SANDBOX = "pg-sandbox"
V1_BASES = frozenset({"hermes", "merchant-simulator", SANDBOX})
V2_BASES = frozenset({"pg", SANDBOX})
TOKEN_BASES = frozenset({"identity-manager", SANDBOX})

INGEST_BASES = frozenset({"pg-ingestion", SANDBOX})

NO_FAULTS = "ingest"

UNMAPPED = {"message": "Bad Request - Api Mapping Not Found"}


@dataclass(frozen=True)
class Route:
    method: str
    bases: frozenset[str]
    pattern: re.Pattern[str]
    operation: str
    handler: Callable[..., Response]


def _route(
    method: str, bases: frozenset[str], path: str, operation: str, handler: Callable[..., Response]
) -> Route:
    return Route(method, bases, re.compile(path.replace("{}", r"([^/\x00]+)")), operation, handler)


def ingest(request: Request) -> Response:
    """Telemetry of PhonePe's SDKs, which is ignored."""
    return json_response({"success": True})


ROUTES = (
    _route("POST", V1_BASES, "/pg/v1/pay", "pay", v1.pay),
    _route("GET", V1_BASES, "/pg/v1/status/{}/{}", "status", v1.status),
    _route("POST", V1_BASES, "/pg/v1/refund", "refund", v1.refund),
    _route("POST", V1_BASES, "/pg/v1/vpa/validate", "status", v1.validate_vpa),
    _route("GET", V1_BASES, "/pg/v1/options/{}", "status", v1.options),
    _route("POST", V1_BASES, "/plugin/ingest-event", NO_FAULTS, ingest),
    _route("POST", INGEST_BASES, "/client/v1/backend/events/batch", NO_FAULTS, ingest),
    _route("POST", TOKEN_BASES, "/v1/oauth/token", "token", v2_auth.issue_token),
    _route("POST", V2_BASES, "/checkout/v2/pay", "pay", v2.pay),
    _route("POST", V2_BASES, "/checkout/v2/sdk/order", "pay", v2.sdk_order),
    _route("GET", V2_BASES, "/checkout/v2/order/{}/status", "status", v2.order_status),
    _route("POST", V2_BASES, "/payments/v2/pay", "pay", v2.pay_custom),
    _route("POST", V2_BASES, "/payments/v2/sdk/order", "pay", v2.sdk_order),
    _route("GET", V2_BASES, "/payments/v2/order/{}/status", "status", v2.custom_order_status),
    _route("GET", V2_BASES, "/payments/v2/transaction/{}/status", "status", v2.attempt_status),
    _route("POST", V2_BASES, "/v2/validate/upi", "status", v2.validate_upi),
    _route("GET", V2_BASES, "/checkout/v2/transaction/{}/status", "status", v2.attempt_status),
    _route("POST", V2_BASES, "/payments/v2/refund", "refund", v2.refund),
    _route("GET", V2_BASES, "/payments/v2/refund/{}/status", "refund_status", v2.refund_status),
)


def handle(request: Request) -> Response:
    """The response to `/simulator/apis/<base>/<path>`. Never raises for any input."""
    base, _, rest = request.path.removeprefix(PREFIX).partition("/")
    path = "/" + rest
    for route in ROUTES:
        matched = route.pattern.fullmatch(path)
        if matched and request.method == route.method and base in route.bases:
            return _handle_with_fault(route, replace(request, path=path), matched.groups())
    return json_response(UNMAPPED, 400)


def _handle_with_fault(route: Route, request: Request, captured: tuple[str, ...]) -> Response:
    try:
        now = request_context.load(route.operation)
        request = replace(request, moment=now.moment)
        fault = None
        if route.operation != NO_FAULTS:
            subject = fault_targets.read_target(request, captured)
            is_pay = route.operation == "pay"
            armed = is_pay and faults.arm_by_amount(subject.reference, subject.amount_paise)
            if armed or not now.has_no_fault:
                fault = faults.take(route.operation, subject.reference)
        if fault is None:
            return _call_handler(route, request, captured)
        genuine = None
        if fault.carried_out:
            genuine = _call_handler(route, wire_faults.alter_request(fault.kind, request), captured)
        return wire_faults.apply_fault(fault.kind, fault.argument, genuine)
    except (OperationalError, InterfaceError):
        # A caller sees a PhonePe error, never an error of our database.
        return canned_errors.build_response("INTERNAL_SERVER_ERROR")


def _call_handler(route: Route, request: Request, captured: tuple[str, ...]) -> Response:
    try:
        return route.handler(request, *captured)
    except ApiError as error:
        return error.response
