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
from diagnostics.probes import ConnectionAttempt, ProbeResult
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
    if _is_about_phonepe(judgement) and (probe := facts.subject):
        return f"{what}: from {_source(probe, facts)} to {probe.target.host_port}"
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
    if probe := facts.subject:
        yield f"Source address: {_source(probe, facts)}"
        yield f"Target: {probe.target.host_port}, {probe.target.route}"
        yield from _knocked(probe)
        yield f"To repeat: {_command(probe)}"
    for reply in facts.replies:
        yield f"A question about an order that does not exist, to {reply.host_port}: {reply.detail}"
    others = (*facts.compared, *((facts.sibling,) if facts.sibling else ()))
    for other in others:
        yield f"For comparison: {other.target.host_port}, {other.target.route}"
        yield from _knocked(other)


def _knocked(probe: ProbeResult) -> Iterator[str]:
    if probe.resolution.addresses:
        yield f"  {probe.resolution.host} is {', '.join(probe.resolution.all_addresses)} ({probe.resolution.source})"
    yield from map(_visited, probe.attempts)


def _visited(attempt: ConnectionAttempt) -> str:
    took = ", ".join(f"{layer} {ms} ms" for layer, ms in attempt.milliseconds.items())
    return f"  {attempt.address or 'no address'}: {took or 'nothing'}; {_end(attempt)}{_certificate(attempt)}"


def _end(attempt: ConnectionAttempt) -> str:
    if attempt.is_reached:
        return attempt.answer_summary or f"HTTP {attempt.http_status}"
    found = f" ({Finding(attempt.finding).label})" if attempt.finding else ""
    return f"stopped at {attempt.failed_layer}: {attempt.error}{found}"


def _certificate(attempt: ConnectionAttempt) -> str:
    shown = attempt.certificate
    if shown is None or attempt.failed_layer != "tls":
        return ""
    return (
        f"; certificate of {shown.subject}, issued by {shown.issuer}, valid from "
        f"{shown.valid_from:%Y-%m-%d} until {shown.valid_until:%Y-%m-%d}, SHA-256 {shown.sha256}"
    )


def _source(probe: ProbeResult, facts: Facts) -> str:
    local = next(
        (attempt.source_address for attempt in probe.attempts if attempt.source_address), "an unknown address"
    )
    return f"{local} (public: {facts.public_address})" if facts.public_address else local


def _command(probe: ProbeResult) -> str:
    """For the receiver, on this server. A proxy is named without its login."""
    host, port = probe.target.peer
    proxy = f"--proxy http://{host}:{port} " if probe.target.proxy else ""
    return f"curl -sv --max-time 10 -o /dev/null {proxy}{probe.target.url}"


def _own_hops(facts: Facts) -> Iterator[str]:
    for hop in facts.hops.values():
        if hop.ok is False:
            yield f"{hop.name} ({hop.target}): {hop.detail}"


def _both_clocks(now: datetime) -> str:
    utc, india = now.astimezone(timezone.utc), now.astimezone(INDIA)
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC ({india:%Y-%m-%d %H:%M:%S} IST)"
