"""The control door, described in OpenAPI: on its own, and as part of what the site says of itself."""

import inspect
from typing import Any

from django.conf import settings

from simulator import control, events, faults, orders, refunds
from simulator.models import Merchant
from simulator.wire import Json

WHOLE = {"type": "integer"}
TEXT = {"type": "string"}
TRUTH = {"type": "boolean"}
PAISE = {"type": "integer", "minimum": 100, "description": "paise"}
SECONDS = {"type": "integer", "minimum": 0, "description": "seconds"}
KINDS = sorted({kind for kinds in faults.KINDS.values() for kind in kinds})
TAG = "simulator"

# What a POST may say, by handler; the members in REQUIRED must be there.
BODIES: dict[str, Json] = {
    "decide_order": {
        "outcome": {"enum": list(orders.OUTCOMES)},
        "reason": TEXT | {"description": "a bank's code, as ZM"},
        "amount_paise": PAISE,
        "seconds": SECONDS,
    },
    "refund_order": {"amount_paise": PAISE},
    "decide_refund": {"outcome": {"enum": list(refunds.MOVES)}},
    "arm_fault": {
        "operation": {"enum": list(faults.OPERATIONS)},
        "fault": {"enum": KINDS},
        "times": {"type": "integer", "minimum": 1, "default": 1},
        "call": {"type": "integer", "minimum": 1, "default": 1, "description": "strikes this call first"},
        "about": TEXT | {"description": "the merchant's id of an order or refund"},
        "argument": TEXT | {"description": "seconds, times, bytes, paise, or a code, as the fault says"},
        "carried_out": TRUTH | {"description": "whether the call has its effect all the same"},
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
    "set_clock": {"advance": SECONDS, "stopped": TRUTH},
    "reset": {
        "seed": WHOLE,
        "percent": {
            "type": "object",
            "properties": {name: WHOLE | {"minimum": 0, "maximum": 100} for name in faults.OPERATIONS},
        },
    },
}
REQUIRED = {
    "decide_order": ["outcome"],
    "decide_refund": ["outcome"],
    "arm_fault": ["operation", "fault"],
    "send_webhook": ["event"],
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
    """A postprocessing hook of drf-spectacular: the control door is no REST framework view.

    Without simulation there is no such door, and nothing to describe.
    """
    if settings.PHONEPE_SIMULATION_MODE:
        result["paths"] |= paths()
    return result


def _operation(route: control.Route, reference: str) -> Json:
    name = route.handler.__name__
    said: Json = {
        "operationId": f"simulator_{name}",
        "tags": [TAG],
        "description": inspect.getdoc(route.handler) or "",
        "responses": _responses(),
    }
    if "{}" in route.path:
        said["parameters"] = [{"name": reference, "in": "path", "required": True, "schema": TEXT}]
    if route.method == "POST":
        schema = {"type": "object", "properties": BODIES[name]}
        if name in REQUIRED:
            schema["required"] = REQUIRED[name]
        said["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return said


def _responses() -> Json:
    sentence = {"type": "object", "properties": {"error": TEXT}}
    refused = {"content": {"application/json": {"schema": sentence}}}
    return {
        "200": {"description": "Done", "content": {"application/json": {"schema": {"type": "object"}}}},
        "400": {"description": "It makes no sense", **refused},
        "403": {"description": "Only the operator may", **refused},
        "404": {"description": "There is no such thing, or no simulation", **refused},
        "409": {"description": "Its state does not allow it", **refused},
    }
