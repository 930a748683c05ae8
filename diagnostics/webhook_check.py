"""Our own webhook address as PhonePe meets it: one address without redirect, https, strict, unchanged, in time."""

import ipaddress
import json
import time
from dataclasses import replace
from urllib.parse import urlsplit

from django.conf import settings

from core.logging import redact
from diagnostics.dependencies import Hop
from diagnostics.probes import describe_answer, root_cause
from payment.phonepe import self_test
from payment.phonepe.credentials import Merchant
from payment.phonepe.enums import Stage
from payment.phonepe.errors import WIRE_ERRORS
from payment.phonepe.transport import Answer, Deadline, InFlightRequest, Resolver, Session

# Not looked up in the URL configuration: a diagnosis must work where that cannot even be loaded.
PATH = "/api/payments/webhook/phonepe/"
PHONEPE_WAITS = 3.0  # seconds
WRONG = {"Authorization": "0" * 64, "X-VERIFY": f"{'0' * 64}###1"}


def doorbell(merchant: Merchant | None, resolver: Resolver) -> Hop:
    """`ok` None where this server cannot tell: many networks do not reach their own public address from inside."""
    url = settings.PUBLIC_BASE_URL + PATH
    parts = urlsplit(url)
    hop = Hop("webhook", f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}")
    if merchant is None or settings.PHONEPE_SIMULATION_MODE or _is_inside(parts.hostname or ""):
        return replace(
            hop, ok=None, detail="not looked at: PhonePe itself does not have to reach this address"
        )
    if parts.scheme != "https":
        return replace(hop, ok=None, detail="PUBLIC_BASE_URL is not https: PhonePe calls no such address")
    with Session(settings.DIAGNOSIS_CA_BUNDLE or True, resolver) as session:
        return _rung(hop, session, url, merchant)


def _rung(hop: Hop, session: Session, url: str, merchant: Merchant) -> Hop:
    """First as a stranger, then as PhonePe."""
    in_flight, wrong = session.start_request(Deadline(2 * PHONEPE_WAITS)), _headers(WRONG, self_test.ticket())
    try:
        stranger = session.send_request(in_flight, "POST", url, body=self_test.body(), headers=wrong)
        return _turned_away(hop, stranger) or _as_phonepe(hop, session, in_flight, url, merchant)
    except WIRE_ERRORS as error:
        return _unanswered(hop, error, in_flight.stage or Stage.STARTED)


def _as_phonepe(hop: Hop, session: Session, in_flight: InFlightRequest, url: str, merchant: Merchant) -> Hop:
    raw_body = self_test.body()
    proofs = self_test.signed(merchant, raw_body)
    if not proofs:
        return _bad(hop, "refuses", "no scheme is set by which PhonePe could prove itself")
    ticket, started = self_test.ticket(), time.monotonic()
    answer = session.send_request(in_flight, "POST", url, body=raw_body, headers=_headers(proofs, ticket))
    seconds = time.monotonic() - started
    if fault := _not_let_in(hop, answer, ticket, raw_body):
        return fault
    if seconds > PHONEPE_WAITS:
        return _bad(hop, "slow", f"took {seconds:.1f} s, and PhonePe waits {PHONEPE_WAITS:.0f} s")
    return replace(hop, detail=f"refuses strangers, knows PhonePe, unchanged, in {round(seconds * 1000)} ms")


def _turned_away(hop: Hop, answer: Answer) -> Hop | None:
    """None when the stranger was, by ourselves."""
    said = describe_answer(answer)
    if 300 <= answer.http_status < 400:
        return _bad(hop, "redirect", f"{said}: PhonePe does not follow; name the final host")
    if answer.http_status == 401:
        return None
    if answer.http_status < 300:
        return _bad(hop, "open", f"{said}: somebody takes calls that prove nothing")
    return _bad(hop, "other", f"{said} in the place of our own 401")


def _not_let_in(hop: Hop, answer: Answer, ticket: str, raw_body: bytes) -> Hop | None:
    """None when PhonePe would be, with every byte it sends."""
    said = describe_answer(answer)
    if answer.http_status == 401:
        return _bad(hop, "refuses", f"{said}: what PhonePe sends to prove itself does not arrive as it is")
    if answer.http_status != 200:
        return _bad(hop, "other", f"{said} in the place of our own 200")
    if not self_test.proves(_json(answer.body), ticket, raw_body):
        return _bad(hop, "changed", "the body does not arrive byte by byte, or another server answers")
    return None


def _unanswered(hop: Hop, error: BaseException, stage: Stage) -> Hop:
    """Up to TCP the way back to oneself is another one than PhonePe's; from TLS on it is the same server."""
    inner = root_cause(error)
    exact = redact(f"{type(inner).__name__}: {inner}"[:200])
    if stage < Stage.CONNECTED:
        from_outside = (
            "this server cannot reach its own public address, which PhonePe may do: try from outside"
        )
        return replace(hop, ok=None, fault="unsure", detail=f"{from_outside} ({exact})")
    fault = "tls" if stage < Stage.TLS else "slow"
    return _bad(hop, fault, exact)


def _bad(hop: Hop, fault: str, detail: str) -> Hop:
    return replace(hop, ok=False, fault=fault, detail=detail)


def _headers(proofs: dict[str, str], ticket: str) -> dict[str, str]:
    return {"Content-Type": "application/json", self_test.HEADER: ticket, **proofs}


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _is_inside(host: str) -> bool:
    """Nobody outside this machine reaches such an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." not in host
