"""Who calls in V2, and what they bring: client credentials for a token, a token and an object for all else."""

import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from simulator import merchants, v2_messages
from simulator.models import Merchant, Token
from simulator.validation import is_reference
from simulator.wire import JSON, Json, Refused, Request, Response, answer, read_object

TOKEN_LASTS = timedelta(seconds=624_600)
DEEPEST = 6  # of the objects in a request


def token(request: Request) -> Response:
    form = _form(request)
    client_id = form.get("client_id", "")
    if not client_id or form.get("grant_type") != "client_credentials":
        raise Refused(400, v2_messages.client_refused("OIM000", "Bad Request"))
    merchant = merchants.by_client_id(client_id)
    if merchant is None:
        raise Refused(404, v2_messages.client_unknown())
    offered = (form.get("client_secret"), form.get("client_version"))
    if offered != (merchant.client_secret, str(merchant.client_version)):
        raise Refused(401, v2_messages.client_refused("OIM004", "Unauthorized"))
    issued = Token.objects.create(
        merchant=merchant,
        value=secrets.token_urlsafe(48),
        issued_at=request.moment,
        expires_at=request.moment + TOKEN_LASTS,
    )
    return answer(v2_messages.token(issued))


def merchant(request: Request) -> Merchant:
    """`O-Bearer`, spelled so: it catches everybody's first `Bearer`."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme != "O-Bearer" or not is_reference(value, 80):
        raise Refused(401, v2_messages.unauthorized())
    known = Merchant.objects.filter(tokens__value=value, tokens__expires_at__gt=request.moment)[:1]
    for found in known:
        return found
    raise Refused(401, v2_messages.unauthorized())


def body(request: Request) -> Json:
    """PhonePe's own SDK sends what it does not set as null: null is absent."""
    payload = read_object(request.body) if request.content_type == JSON else None
    if payload is None:
        raise Refused(400, v2_messages.bad_request())
    known: Json = _without_nulls(payload)
    return known


def asked(request: Request, name: str) -> bool:
    """The Python SDK writes `details=False`."""
    return request.query.get(name, "").lower() == "true"


def _form(request: Request) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused(400, v2_messages.client_refused("OIM000", "Bad Request"))
    fields = parse_qs(request.body.decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}


def _without_nulls(value: Any, levels: int = DEEPEST) -> Any:
    if isinstance(value, dict) and levels:
        return {name: _without_nulls(item, levels - 1) for name, item in value.items() if item is not None}
    return value
