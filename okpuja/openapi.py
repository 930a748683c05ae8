"""What the OpenAPI description says beside its shapes: servers, tags, summaries, and an example for each operation."""

import functools
import json
import re
from pathlib import Path
from typing import Any

from django.conf import settings

from okpuja.api_examples import EXAMPLES, SAMPLES, Example, fill

# What the running product answered to each example: a test compares, and writes it.
ANSWERS_FILE = Path(__file__).with_name("api_answers.json")
METHODS = ("get", "post", "put", "patch", "delete")
# The first prefix that fits. A route that fits none gets "Other": add its prefix here.
TAGS: tuple[tuple[str, str, str], ...] = (
    (
        "/simulator/",
        "Simulator",
        "The simulated PhonePe, in simulation only. It is no part of the shop's API.",
    ),
    ("/api/server/", "Servers", "For programs of the business, by API key: docs/server-api.md."),
    ("/api/auth/", "Accounts", "Registration, login, profile, addresses."),
    ("/api/puja/", "Catalogue", "Pujas, packages, free times. Public to read."),
    ("/api/cart/", "Cart", "What one person is about to buy."),
    ("/api/promo/", "Promo codes", "Discounts."),
    ("/api/booking/admin/", "Desk", "For staff, by their rights."),
    ("/api/booking/", "Bookings", "Paid pujas: look, move, cancel, calendar, waiting list."),
    ("/api/payments/payments/debug-connectivity/", "Diagnosis", "Whose fault is it when payments fail?"),
    ("/api/payments/refunds/", "Refunds", "For staff: the second pair of eyes."),
    ("/api/payments/webhook/", "Webhook of PhonePe", "Called by PhonePe alone."),
    ("/api/payments/", "Payments", "Open a payment, ask what became of it, send money back."),
    ("/api/astrology/", "Not sold here", "Empty answers for pages of the frontends."),
    ("/api/user/astrology/", "Not sold here", ""),
    ("/api/admin/astrology/", "Not sold here", ""),
    ("/api/misc/", "Not sold here", ""),
    ("/api/blog/", "Not sold here", ""),
    ("/api/accounts/", "Desk", ""),
)
# Who may call it, as the description says it: one kind of token for people, one for servers.
BEARER = (
    "For people: `POST /api/auth/login/` answers `access`, good for an hour, and `refresh` for the next one at"
    " `POST /api/auth/refresh/`. Send `Authorization: Bearer <access>`. Some routes answer strangers,"
    " too: their security has an empty alternative."
)


def teach(result: dict[str, Any], **around: Any) -> dict[str, Any]:
    """The last postprocessing hook of drf-spectacular."""
    result["servers"] = [{"url": settings.PUBLIC_BASE_URL, "description": "this installation"}]
    used = set()
    for path, operations in result["paths"].items():
        for method in METHODS:
            if method in operations:
                operation = operations[method]
                used.add(_teach_operation(path, method, operation))
    described = {name: text for _prefix, name, text in reversed(TAGS) if text}
    result["tags"] = [
        {"name": name, "description": described.get(name, "")} for name in sorted(used - {"Simulator"})
    ]
    if "Simulator" in used:
        result["tags"].append({"name": "Simulator", "description": described["Simulator"]})
    _tell_one_scheme(result)
    return result


def _tell_one_scheme(result: dict[str, Any]) -> None:
    """What differs inside, such as whether a stale token is a stranger's, is one login to who reads."""
    schemes = result["components"].get("securitySchemes", {})
    same = {name for name in schemes if name.lower().endswith("jwtauth")}
    for name in same - {"jwtAuth"}:
        schemes["jwtAuth"] = schemes.pop(name)
    if "jwtAuth" in schemes:
        schemes["jwtAuth"]["description"] = BEARER
    for operations in result["paths"].values():
        for method in METHODS:
            if security := operations.get(method, {}).get("security"):
                renamed: list[dict[str, list[str]]] = [
                    {"jwtAuth" if each in same else each: [] for each in one} for one in security
                ]
                operations[method]["security"] = [
                    one for at, one in enumerate(renamed) if one not in renamed[:at]
                ]


def _teach_operation(path: str, method: str, operation: dict[str, Any]) -> str:
    tag = next((name for prefix, name, _text in TAGS if path.startswith(prefix)), "Other")
    operation["tags"] = [tag]
    example = EXAMPLES.get(f"{method} {path}")
    text = (operation.get("description") or "").strip()
    if example is not None and example.summary:
        operation["summary"] = example.summary
    operation.setdefault("summary", _first_sentence(text) or _spelled(operation["operationId"]))
    if example is not None:
        _add_example(operation, example)
    if answer := recorded_answers().get(f"{method} {path}"):
        content = operation["responses"].get(str(answer["status"]), {}).get("content", {})
        if "application/json" in content:
            content["application/json"]["example"] = answer["body"]
    return tag


@functools.cache
def recorded_answers() -> dict[str, dict[str, Any]]:
    """By method and path: `status` and the JSON `body`."""
    answers: dict[str, dict[str, Any]] = json.loads(ANSWERS_FILE.read_text(encoding="utf-8"))
    return answers


def _first_sentence(text: str) -> str:
    match = re.match(r"(.+?[.:;])(\s|$)", " ".join(text.split()))
    return (match[1] if match else text).rstrip(".:;")[:120]


def _spelled(operation_id: str) -> str:
    return operation_id.removeprefix("api_").replace("_", " ").capitalize()


def _add_example(operation: dict[str, Any], example: Example) -> None:
    """Of the request. Values in angle brackets are shown as samples, and as ids that exist where a test sends it."""
    for parameter in operation.get("parameters", []):
        value = (example.query | example.headers | SAMPLES).get(parameter["name"])
        if value is not None and (parameter["in"] != "query" or parameter["name"] in example.query):
            parameter["example"] = fill(value, SAMPLES)
    content = operation.get("requestBody", {}).get("content", {})
    if example.body is not None and "application/json" in content:
        content["application/json"]["example"] = fill(example.body, SAMPLES)
