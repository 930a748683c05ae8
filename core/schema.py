"""Adds the error responses, which all routes share, to the OpenAPI description."""

from typing import Any

from core.error_codes import CODES, markdown

REFUSALS = {
    "400": "the request cannot be read or is not valid",
    "401": "no login, or an ended one",
    "403": "not for this person",
    "404": "does not exist, or not for this person",
    "405": "this route has no such method",
    "406": "only JSON is answered",
    "408": "the body took too long to arrive",
    "409": "right request, wrong moment",
    "413": "the body is too large",
    "415": "this content type is not read",
    "422": "the Idempotency-Key was used with another request",
    "429": "too many requests: wait for Retry-After",
    "502": "PhonePe rejected the request, or its answer cannot be read",
    "503": "a dependency is busy or down, nothing was done: error_category says which",
    "504": "the outcome is not known yet: poll the status of payment_id",
}
TEXT = {"type": "string"}
ERROR = {
    "type": "object",
    "description": "`error` comes first: one sentence for a person, again in `detail` and `message`. "
    "Wrong fields have keys of their own, too.",
    "properties": {
        "error": {"type": "string", "minLength": 1},
        "detail": {"type": "string", "minLength": 1},
        "message": {"type": "string", "minLength": 1},
        "code": {"$ref": "#/components/schemas/ErrorCode"},
        "error_category": TEXT,
        "user_message": TEXT,
        "retryable": {"type": "boolean"},
        "request_id": TEXT,
        "payment_id": {"description": "the payment in question, or what is wrong with the given payment_id"},
        "fields": {"type": "object", "additionalProperties": True},
        "non_field_errors": {"type": "array", "items": TEXT},
        "wait_minutes": {"type": "integer"},
        "can_cleanup": {"type": "boolean"},
    },
    "required": [
        *("error", "detail", "message", "code"),
        *("error_category", "user_message", "retryable", "request_id"),
    ],
    "additionalProperties": True,
}
ERROR_CODE = {
    "type": "string",
    "enum": sorted(CODES),
    "description": f"For programs. Later releases add codes: treat an unknown one by its HTTP status.\n\n{markdown()}",
}
METHODS = {"get", "post", "put", "patch", "delete"}


def add_refusals(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """A drf-spectacular hook. A response that a view describes itself stays unchanged."""
    result["components"]["schemas"] |= {"Error": ERROR, "ErrorCode": ERROR_CODE}
    for operations in result["paths"].values():
        for method in METHODS & operations.keys():
            answers = operations[method]["responses"]
            content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
            operations[method]["responses"] = {
                code: {"description": text, "content": content} for code, text in REFUSALS.items()
            } | answers
    return result
