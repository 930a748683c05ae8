"""OpenAPI of the control API: a document of its own, and a part of the site's schema."""

import inspect
from typing import Any

from django.conf import settings

from simulator import control, events, faults, orders, refunds
from simulator.models import Merchant
from simulator.wire import Json

INTEGER = {"type": "integer"}
TEXT = {"type": "string"}
BOOLEAN = {"type": "boolean"}
PAISE = {"type": "integer", "minimum": 100, "description": "paise"}
SECONDS = {"type": "integer", "minimum": 0, "description": "seconds"}
KINDS = sorted({kind for kinds in faults.KINDS.values() for kind in kinds})
TAG = "simulator"

# Members of the body of a POST, by handler; those in REQUIRED must be present.
BODIES: dict[str, Json] = {
    "decide_order": {
        "outcome": {"enum": list(orders.OUTCOMES)},
        "reason": TEXT | {"description": "a bank's code, as ZM"},
        "amount_paise": PAISE,
        "seconds": SECONDS,
    },
    "act_in_app": {
        "action": {"enum": list(orders.APP_ACTIONS)},
        "token": TEXT | {"description": "of the SDK order"},
    },
    "refund_order": {"amount_paise": PAISE},
    "decide_refund": {"outcome": {"enum": list(refunds.TRANSITIONS)}},
    "arm_fault": {
        "operation": {"enum": list(faults.OPERATIONS)},
        "fault": {"enum": KINDS},
        "times": {"type": "integer", "minimum": 1, "default": 1},
        "call": {"type": "integer", "minimum": 1, "default": 1, "description": "strikes this call first"},
        "about": TEXT | {"description": "the merchant's id of an order or refund"},
        "argument": TEXT | {"description": "seconds, times, bytes, paise, or a code, as the fault says"},
        "carried_out": BOOLEAN | {"description": "whether the call has its effect all the same"},
    },
    "send_again": {},
    "send_webhook": {
        "event": {"enum": list(events.EVENTS)},
        "merchant": TEXT | {"description": "a merchant id of V2"},
        "about": TEXT | {"description": "the merchant's id of an order or refund; without it the newest"},
        "payload": {"type": "object", "description": "members that replace ours"},
        "scheme": {"enum": list(Merchant.Scheme.values)},
    },
    "change_merchant": {"webhook_url": TEXT, "webhook_scheme": {"enum": list(Merchant.Scheme.values)}},
    "set_clock": {"advance": SECONDS, "stopped": BOOLEAN},
    "reset": {
        "seed": INTEGER,
        "percent": {
            "type": "object",
            "properties": {name: INTEGER | {"minimum": 0, "maximum": 100} for name in faults.OPERATIONS},
        },
    },
}
REQUIRED = {
    "decide_order": ["outcome"],
    "act_in_app": ["action"],
    "decide_refund": ["outcome"],
    "arm_fault": ["operation", "fault"],
    "send_webhook": ["event"],
}
ERROR = {"content": {"application/json": {"schema": {"type": "object", "properties": {"error": TEXT}}}}}
RESPONSES = {
    "200": {"description": "Done", "content": {"application/json": {"schema": {"type": "object"}}}},
    "400": {"description": "Invalid request", **ERROR},
    "401": {"description": "PhonePe's SDK does not start with this token"},
    "403": {"description": "Only the operator may call it", **ERROR},
    "404": {"description": "Not found, or no simulation mode", **ERROR},
    "409": {"description": "The state does not allow it", **ERROR},
}
IDS = {"orders": "merchant_order_id", "refunds": "merchant_refund_id", "merchants": "merchant_id"}


def document() -> Json:
    """OpenAPI 3 for `GET /simulator/control/openapi.json`."""
    about = {"title": "The simulated PhonePe: control", "version": "1.0.0"}
    return {"openapi": "3.0.3", "info": about, "paths": paths()}


def paths() -> Json:
    described: Json = {}
    for route in control.ROUTES:
        noun = route.path.partition("/")[0]
        reference = IDS.get(noun, "number")
        path = control.PREFIX + route.path.replace("{}", f"{{{reference}}}")
        described.setdefault(path, {})[route.method.lower()] = _operation(route, reference)
    return described


def add_control(result: Json, **around: Any) -> Json:
    """A postprocessing hook of drf-spectacular: the control API has no REST framework view.

    Without simulation mode there is no control API to describe.
    """
    if settings.PHONEPE_SIMULATION_MODE:
        result["paths"] |= paths()
    return result


def _operation(route: control.Route, reference: str) -> Json:
    name = route.handler.__name__
    operation: Json = {
        "operationId": f"simulator_{name}",
        "tags": [TAG],
        "description": inspect.getdoc(route.handler) or "",
        "responses": dict(RESPONSES),
    }
    if "{}" in route.path:
        operation["parameters"] = [{"name": reference, "in": "path", "required": True, "schema": TEXT}]
    if route.method == "POST":
        schema = {"type": "object", "properties": BODIES[name]}
        if name in REQUIRED:
            schema["required"] = REQUIRED[name]
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation
