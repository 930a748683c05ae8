"""V2 authentication: client credentials for a token, then the token on every other request."""

import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from simulator import merchants, v2_messages
from simulator.models import Merchant, Token
from simulator.validation import is_reference
from simulator.wire import JSON, ApiError, Json, Request, Response, json_response, read_object

TOKEN_LIFETIME = timedelta(seconds=624_600)
MAX_DEPTH = 6  # of nested objects in a request


def issue_token(request: Request) -> Response:
    if request.content_type != "application/x-www-form-urlencoded":
        raise ApiError(400, v2_messages.invalid_client("OIM000", "Bad Request"))
    fields = parse_qs(request.body.decode("utf-8", "replace"))
    form = {name: values[0] for name, values in fields.items()}
    client_id = form.get("client_id", "")
    if not client_id or form.get("grant_type") != "client_credentials":
        raise ApiError(400, v2_messages.invalid_client("OIM000", "Bad Request"))
    merchant = merchants.find_by_client_id(client_id)
    if merchant is None:
        raise ApiError(404, v2_messages.client_not_found())
    offered = (form.get("client_secret"), form.get("client_version"))
    if offered != (merchant.client_secret, str(merchant.client_version)):
        raise ApiError(401, v2_messages.invalid_client("OIM004", "Unauthorized"))
    issued = Token.objects.create(
        merchant=merchant,
        value=secrets.token_urlsafe(48),
        issued_at=request.moment,
        expires_at=request.moment + TOKEN_LIFETIME,
    )
    return json_response(v2_messages.token(issued))


def authenticate(request: Request) -> Merchant:
    """The scheme must be `O-Bearer`; the usual `Bearer` is rejected."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme != "O-Bearer" or not is_reference(value, 80):
        raise ApiError(401, v2_messages.unauthorized())
    known = Merchant.objects.filter(tokens__value=value, tokens__expires_at__gt=request.moment)[:1]
    for found in known:
        return found
    raise ApiError(401, v2_messages.unauthorized())


def read_body(request: Request) -> Json:
    """PhonePe's SDK sends unset members as null, so null means absent."""
    payload = read_object(request.body) if request.content_type == JSON else None
    if payload is None:
        raise ApiError(400, v2_messages.bad_request())
    known: Json = _without_nulls(payload)
    return known


def is_set(request: Request, name: str) -> bool:
    """The Python SDK sends `details=False`, with a capital letter."""
    return request.query.get(name, "").lower() == "true"


def _without_nulls(value: Any, levels: int = MAX_DEPTH) -> Any:
    if isinstance(value, dict) and levels:
        return {name: _without_nulls(item, levels - 1) for name, item in value.items() if item is not None}
    return value
