"""A message to whoever must act: what fails, when, how far we get, the exact error, and what works meanwhile."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from django.conf import settings

from core.logging import redact
from diagnostics.config import mask
from diagnostics.enums import Culprit, Finding
from diagnostics.evidence import Evidence
from diagnostics.probes import ProbeResult
from diagnostics.verdicts import Conclusion

INDIA = ZoneInfo("Asia/Kolkata")


@dataclass(frozen=True)
class SupportMessage:
    to: str
    subject: str
    body: str


def write_support_message(conclusion: Conclusion, evidence: Evidence, now: datetime) -> SupportMessage | None:
    """None when nobody has to act. `now` is aware."""
    if conclusion.culprit is Culprit.NONE:
        return None
    subject = conclusion.verdict.value.replace("_", " ")
    if conclusion.about == "phonepe":
        lines = list(_network_lines(evidence))
        if probe := evidence.subject:
            subject += f": from {_source_address(probe, evidence)} to {probe.target.host_port}"
    else:
        lines = [
            f"{check.name} ({check.target}): {check.detail}"
            for check in evidence.dependencies.values()
            if check.ok is False
        ]
    if conclusion.about != "phonepe" or not evidence.subject:
        subject += f" on {socket.gethostname()}"
    utc, india = now.astimezone(timezone.utc), now.astimezone(INDIA)
    body = [
        conclusion.summary,
        "",
        f"Checked at: {utc:%Y-%m-%d %H:%M:%S} UTC ({india:%Y-%m-%d %H:%M:%S} IST)",
        f"Our server: {socket.gethostname()} (build {settings.BUILD})",
        *_merchant_lines(conclusion, evidence),
        *lines,
        "",
        f"What is needed: {conclusion.next_action}",
    ]
    return SupportMessage(conclusion.culprit.recipient, redact(subject), redact("\n".join(body)))


def _merchant_lines(conclusion: Conclusion, evidence: Evidence) -> Iterator[str]:
    """PhonePe finds us by our id; for everyone else it is masked."""
    if conclusion.culprit not in {Culprit.PHONEPE, Culprit.CREDENTIALS}:
        return
    merchant = settings.PHONEPE_MERCHANT_ID or settings.PHONEPE_CLIENT_ID
    shown = merchant if conclusion.culprit is Culprit.PHONEPE else mask(merchant)
    yield f"Merchant: {shown} ({settings.PHONEPE_ENV})"
    if evidence.failed_calls:
        yield "Calls that failed lately:"
        yield from (f"  {line}" for line in evidence.failed_calls)


def _network_lines(evidence: Evidence) -> Iterator[str]:
    if probe := evidence.subject:
        yield f"Source address: {_source_address(probe, evidence)}"
        yield f"Target: {probe.target.host_port}, {probe.target.route}"
        yield from _probe_lines(probe)
        host, port = probe.target.peer
        proxy = f"--proxy http://{host}:{port} " if probe.target.proxy else ""  # without its login
        yield f"To repeat: curl -sv --max-time 10 -o /dev/null {proxy}{probe.target.url}"
    for result in evidence.status_results:
        yield f"A status request for an order that does not exist, to {result.host_port}: {result.detail}"
    others = (*evidence.comparable_controls, *((evidence.sibling,) if evidence.sibling else ()))
    for other in others:
        yield f"For comparison: {other.target.host_port}, {other.target.route}"
        yield from _probe_lines(other)


def _probe_lines(probe: ProbeResult) -> Iterator[str]:
    found = probe.resolution
    if found.addresses:
        yield f"  {found.host} is {', '.join(found.all_addresses)} ({found.source})"
    for attempt in probe.attempts:
        times = ", ".join(f"{layer} {ms} ms" for layer, ms in attempt.milliseconds.items())
        finding = f" ({Finding(attempt.finding).label})" if attempt.finding else ""
        end = f"stopped at {attempt.failed_layer}: {attempt.error}{finding}"
        if (certificate := attempt.certificate) and attempt.failed_layer == "tls":
            end += (
                f"; certificate of {certificate.subject}, issued by {certificate.issuer}, valid from "
                f"{certificate.valid_from:%Y-%m-%d} until {certificate.valid_until:%Y-%m-%d}, "
                f"SHA-256 {certificate.sha256}"
            )
        if attempt.is_reached:
            end = attempt.answer_summary or f"HTTP {attempt.http_status}"
        yield f"  {attempt.address or 'no address'}: {times or 'nothing'}; {end}"


def _source_address(probe: ProbeResult, evidence: Evidence) -> str:
    known = (attempt.source_address for attempt in probe.attempts if attempt.source_address)
    local, public = next(known, "an unknown address"), evidence.public_address
    return f"{local} (public: {public})" if public else local
