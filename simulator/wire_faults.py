"""How a call goes wrong on the wire: what the caller sees, and whether PhonePe carried the call out.

The second is what a caller cannot know. Each kind makes its answer from the genuine one, if there is one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime

from requests.structures import CaseInsensitiveDict

from simulator import canned_errors, clock
from simulator.wire import Breakage, Request, Response, answer, compact, read_object

HTML = b"<!DOCTYPE html><html><head><title>Access denied</title></head><body>Request blocked.</body></html>"
BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
CREDENTIALS = {"authorization", "x-verify"}
SECONDS_LATE = 10
CLOCK_OFF_BY = 7200
SECONDS, MILLISECONDS = ("issued_at", "expires_at", "session_expires_at"), ("expireAt",)

Spoil = Callable[[Response, str], Response]


@dataclass(frozen=True)
class Kind:
    spoil: Spoil
    carried_out: bool = False
    without_credentials: bool = False


def spoiled(kind: str, argument: str, genuine: Response | None) -> Response:
    """What the caller sees. `genuine` is the answer of a call that was carried out."""
    return KINDS[kind].spoil(genuine or answer({"success": True, "code": "SUCCESS"}), argument)


def as_read(kind: str, request: Request) -> Request:
    """The request as PhonePe reads it: one whose token has just ended has no credentials any more."""
    if not KINDS[kind].without_credentials:
        return request
    kept = {name: value for name, value in request.headers.items() if name.lower() not in CREDENTIALS}
    return replace(request, headers=CaseInsensitiveDict(kept))


def _breaks(breakage: Breakage) -> Spoil:
    return lambda genuine, argument: Response(0, breakage=breakage)


def _as_it_is(genuine: Response, argument: str) -> Response:
    return genuine


def _late(genuine: Response, argument: str) -> Response:
    return replace(genuine, seconds_late=int(argument or SECONDS_LATE))


def _trouble(genuine: Response, argument: str) -> Response:
    return canned_errors.response("INTERNAL_SERVER_ERROR")


def _bad_gateway(genuine: Response, argument: str) -> Response:
    return Response(502, BAD_GATEWAY, {"Content-Type": "text/html"})


def _unavailable(genuine: Response, argument: str) -> Response:
    """Not JSON: this answer comes from whatever stands in front of PhonePe."""
    return Response(503, b"R999", {"Content-Type": "text/plain"})


def _too_many(genuine: Response, argument: str) -> Response:
    said = canned_errors.response("TOO_MANY_REQUESTS")
    return replace(said, headers={**said.headers, "Retry-After": argument}) if argument else said


def _firewall(genuine: Response, argument: str) -> Response:
    return Response(int(argument or 403), HTML, {"Content-Type": "text/html; charset=utf-8"})


def _cut(genuine: Response, argument: str) -> Response:
    return replace(genuine, body=genuine.body[: len(genuine.body) // 2])


def _as_text(genuine: Response, argument: str) -> Response:
    return replace(genuine, headers={"Content-Type": "text/plain;charset=UTF-8"})


def _clock_off(genuine: Response, argument: str) -> Response:
    """Every moment in the answer is wrong by `argument` seconds, the Date header too."""
    off = int(argument or CLOCK_OFF_BY)
    date = format_datetime(clock.now() + timedelta(seconds=off))
    said = read_object(genuine.body) or {}
    for names, unit in ((SECONDS, 1), (MILLISECONDS, 1000)):
        said |= {name: said[name] + off * unit for name in names if name in said}
    return replace(genuine, body=compact(said), headers={**genuine.headers, "Date": date})


def _says(genuine: Response, argument: str) -> Response:
    return canned_errors.response(argument or "BAD_REQUEST")


KINDS = {
    "refuse": Kind(_breaks("refuse")),
    "connect_timeout": Kind(_breaks("connect_timeout")),
    "reset_before": Kind(_breaks("reset")),
    "reset_after": Kind(_breaks("reset"), carried_out=True),
    "never_answer": Kind(_breaks("silence"), carried_out=True),
    "delay": Kind(_late, carried_out=True),
    "status_500": Kind(_trouble),
    "status_502": Kind(_bad_gateway),
    "status_503": Kind(_unavailable),
    "status_429": Kind(_too_many),
    "html": Kind(_firewall),
    "cut_json": Kind(_cut, carried_out=True),
    "wrong_content_type": Kind(_as_text, carried_out=True),
    "expired_token": Kind(_as_it_is, carried_out=True, without_credentials=True),
    "clock_off": Kind(_clock_off, carried_out=True),
    "says": Kind(_says),
}
