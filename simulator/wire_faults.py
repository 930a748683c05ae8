"""Faults of an API call: what the caller sees, and whether PhonePe carried the call out.

The caller cannot know the second. Each kind makes its response from the genuine one, if there is one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime

from requests.structures import CaseInsensitiveDict

from simulator import canned_errors, clock
from simulator.wire import ConnectionFault, Request, Response, json_response, read_object, to_json

HTML = b"<!DOCTYPE html><html><head><title>Access denied</title></head><body>Request blocked.</body></html>"
HTML_HEADERS = {"Content-Type": "text/html; charset=utf-8"}
BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
CREDENTIALS = {"authorization", "x-verify"}
DELAY_SECONDS = 10
CLOCK_SHIFT_SECONDS = 7200
SECONDS, MILLISECONDS = ("issued_at", "expires_at", "session_expires_at"), ("expireAt",)

Transform = Callable[[Response, str], Response]


@dataclass(frozen=True)
class WireFault:
    spoil: Transform
    carried_out: bool = False
    without_credentials: bool = False


def apply_fault(kind: str, argument: str, genuine: Response | None) -> Response:
    """The response that the caller sees. `genuine`: that of a call that was carried out."""
    return KINDS[kind].spoil(genuine or json_response({"success": True, "code": "SUCCESS"}), argument)


def alter_request(kind: str, request: Request) -> Request:
    """The request as PhonePe reads it: `expired_token` removes the credentials."""
    if not KINDS[kind].without_credentials:
        return request
    kept = {name: value for name, value in request.headers.items() if name.lower() not in CREDENTIALS}
    return replace(request, headers=CaseInsensitiveDict(kept))


def _break_connection(connection_fault: ConnectionFault) -> Transform:
    return lambda genuine, argument: Response(0, connection_fault=connection_fault)


def _respond(response: Response) -> Transform:
    return lambda genuine, argument: response


def _rate_limit(genuine: Response, argument: str) -> Response:
    body = canned_errors.build_response("TOO_MANY_REQUESTS")
    return replace(body, headers={**body.headers, "Retry-After": argument}) if argument else body


def _shift_times(genuine: Response, argument: str) -> Response:
    """Shifts every time in the response by `argument` seconds, and the Date header."""
    off = int(argument or CLOCK_SHIFT_SECONDS)
    date = format_datetime(clock.now() + timedelta(seconds=off))
    body = read_object(genuine.body) or {}
    for names, unit in ((SECONDS, 1), (MILLISECONDS, 1000)):
        body |= {name: body[name] + off * unit for name in names if name in body}
    return replace(genuine, body=to_json(body), headers={**genuine.headers, "Date": date})


KINDS = {
    "refuse": WireFault(_break_connection("refuse")),
    "connect_timeout": WireFault(_break_connection("connect_timeout")),
    "reset_before": WireFault(_break_connection("reset")),
    "reset_after": WireFault(_break_connection("reset"), carried_out=True),
    "never_answer": WireFault(_break_connection("silence"), carried_out=True),
    "delay": WireFault(
        lambda genuine, argument: replace(genuine, delay_seconds=int(argument or DELAY_SECONDS)),
        carried_out=True,
    ),
    "status_500": WireFault(_respond(canned_errors.build_response("INTERNAL_SERVER_ERROR"))),
    "status_502": WireFault(_respond(Response(502, BAD_GATEWAY, {"Content-Type": "text/html"}))),
    # Not JSON: sent by a load balancer in front of PhonePe.
    "status_503": WireFault(_respond(Response(503, b"R999", {"Content-Type": "text/plain"}))),
    "status_429": WireFault(_rate_limit),
    "html": WireFault(lambda genuine, argument: Response(int(argument or 403), HTML, HTML_HEADERS)),
    "cut_json": WireFault(
        lambda genuine, argument: replace(genuine, body=genuine.body[: len(genuine.body) // 2]),
        carried_out=True,
    ),
    "wrong_content_type": WireFault(
        lambda genuine, argument: replace(genuine, headers={"Content-Type": "text/plain;charset=UTF-8"}),
        carried_out=True,
    ),
    "expired_token": WireFault(lambda genuine, argument: genuine, carried_out=True, without_credentials=True),
    "clock_off": WireFault(_shift_times, carried_out=True),
    "says": WireFault(lambda genuine, argument: canned_errors.build_response(argument or "BAD_REQUEST")),
}
