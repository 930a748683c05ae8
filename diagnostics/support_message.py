"""A message ready to be sent to whoever must act: what, when, how far, the exact error, and what works meanwhile."""

import socket
from collections.abc import Iterator
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from django.conf import settings

from core.logging import redact
from diagnostics.configuration import masked
from diagnostics.enums import Culprit, Finding
from diagnostics.evidence import Facts
from diagnostics.probes import Knock, Visit
from diagnostics.verdicts import Judgement

TO = {
    Culprit.HOSTING: "the support of the hosting provider",
    Culprit.PHONEPE: "PhonePe's merchant support",
    Culprit.CREDENTIALS: "whoever manages our account in PhonePe's dashboard",
    Culprit.CONFIGURATION: "whoever configures this server",
    Culprit.THIS_SERVER: "whoever operates this server",
}
INDIA = ZoneInfo("Asia/Kolkata")


def letter(judgement: Judgement, facts: Facts, now: datetime) -> dict[str, str] | None:
    """`to`, `subject`, `body`; None when nobody has to act. `now` is aware."""
    if judgement.culprit is Culprit.NONE:
        return None
    return {
        "to": TO[judgement.culprit],
        "subject": redact(_subject(judgement, facts)),
        "body": redact("\n".join(_lines(judgement, facts, now))),
    }


def _subject(judgement: Judgement, facts: Facts) -> str:
    what = judgement.verdict.value.replace("_", " ")
    if _is_about_phonepe(judgement) and (knock := facts.subject):
        return f"{what}: from {_source(knock, facts)} to {knock.door.target}"
    return f"{what} on {socket.gethostname()}"


def _lines(judgement: Judgement, facts: Facts, now: datetime) -> list[str]:
    evidence = _network(facts) if _is_about_phonepe(judgement) else _own_hops(facts)
    return [
        judgement.summary,
        "",
        f"Checked at: {_both_clocks(now)}",
        f"Our server: {socket.gethostname()} (build {settings.BUILD})",
        *_ids(judgement, facts),
        *evidence,
        "",
        f"What is needed: {judgement.next_action}",
    ]


def _is_about_phonepe(judgement: Judgement) -> bool:
    return judgement.about == "phonepe"


def _ids(judgement: Judgement, facts: Facts) -> Iterator[str]:
    """PhonePe finds us by our id; to everyone else its ends are enough."""
    if judgement.culprit not in {Culprit.PHONEPE, Culprit.CREDENTIALS}:
        return
    name = settings.PHONEPE_MERCHANT_ID or settings.PHONEPE_CLIENT_ID
    is_theirs = judgement.culprit is Culprit.PHONEPE
    yield f"Merchant: {name if is_theirs else masked(name)} ({settings.PHONEPE_ENV})"
    if facts.failing:
        yield "Calls that failed lately:"
        yield from (f"  {line}" for line in facts.failing)


def _network(facts: Facts) -> Iterator[str]:
    if knock := facts.subject:
        yield f"Source address: {_source(knock, facts)}"
        yield f"Target: {knock.door.target}, {knock.door.way}"
        yield from _knocked(knock)
        yield f"To repeat: {_command(knock)}"
    for reply in facts.replies:
        yield f"A question about an order that does not exist, to {reply.target}: {reply.detail}"
    others = (*facts.compared, *((facts.sibling,) if facts.sibling else ()))
    for other in others:
        yield f"For comparison: {other.door.target}, {other.door.way}"
        yield from _knocked(other)


def _knocked(knock: Knock) -> Iterator[str]:
    if knock.names.addresses:
        yield f"  {knock.names.host} is {', '.join(knock.names.all)} ({knock.names.source})"
    yield from map(_visited, knock.visits)


def _visited(visit: Visit) -> str:
    took = ", ".join(f"{layer} {ms} ms" for layer, ms in visit.milliseconds.items())
    return f"  {visit.address or 'no address'}: {took or 'nothing'}; {_end(visit)}{_certificate(visit)}"


def _end(visit: Visit) -> str:
    if visit.is_reached:
        return visit.said or f"HTTP {visit.http_status}"
    found = f" ({Finding(visit.finding).label})" if visit.finding else ""
    return f"stopped at {visit.stopped_at}: {visit.error}{found}"


def _certificate(visit: Visit) -> str:
    shown = visit.certificate
    if shown is None or visit.stopped_at != "tls":
        return ""
    return (
        f"; certificate of {shown.subject}, issued by {shown.issuer}, valid from "
        f"{shown.valid_from:%Y-%m-%d} until {shown.valid_until:%Y-%m-%d}, SHA-256 {shown.sha256}"
    )


def _source(knock: Knock, facts: Facts) -> str:
    local = next((visit.source for visit in knock.visits if visit.source), "an unknown address")
    return f"{local} (public: {facts.seen_as})" if facts.seen_as else local


def _command(knock: Knock) -> str:
    """For the receiver, on this server. A proxy is named without its login."""
    host, port = knock.door.first_hop
    proxy = f"--proxy http://{host}:{port} " if knock.door.proxy else ""
    return f"curl -sv --max-time 10 -o /dev/null {proxy}{knock.door.url}"


def _own_hops(facts: Facts) -> Iterator[str]:
    for hop in facts.hops.values():
        if hop.ok is False:
            yield f"{hop.layer} ({hop.target}): {hop.detail}"


def _both_clocks(now: datetime) -> str:
    utc, india = now.astimezone(timezone.utc), now.astimezone(INDIA)
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC ({india:%Y-%m-%d %H:%M:%S} IST)"
