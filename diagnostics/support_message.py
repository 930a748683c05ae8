"""A message to whoever must act: what we ask for, what fails, when, the exact error, and what works meanwhile."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from django.conf import settings

from core.logging import redact
from diagnostics.config import mask
from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import Evidence
from diagnostics.probes import ConnectionAttempt, ProbeResult
from diagnostics.status_probe import StatusProbeResult
from diagnostics.support_requests import request_to, source_of
from diagnostics.verdicts import Conclusion

INDIA = ZoneInfo("Asia/Kolkata")
BLOCKED = "our API requests get 403, a page or a redirect, and no answer of the API."
HTTP_STATUS = re.compile(r"HTTP \d{3}")


@dataclass(frozen=True)
class SupportMessage:
    to: str
    subject: str
    body: str


def write_support_message(conclusion: Conclusion, evidence: Evidence, now: datetime) -> SupportMessage | None:
    """None when nobody has to act. `now` is aware."""
    if conclusion.culprit is Culprit.NONE:
        return None
    is_intercepted = conclusion.culprit is Culprit.HOSTING and bool(evidence.interceptor)
    subject = "intercepted connections" if is_intercepted else conclusion.verdict.value.replace("_", " ")
    is_about_network = conclusion.about == "phonepe" and conclusion.verdict is not Verdict.SERVER_OVERLOADED
    probe = evidence.subject if is_about_network else None
    source = source_of(evidence) if probe else socket.gethostname()
    subject += f": from {source} to {probe.target.host_port}" if probe else f" on {source}"
    utc, india = now.astimezone(timezone.utc), now.astimezone(INDIA)
    body = [
        request_to(conclusion, evidence),
        "",
        f"What we see: {_summary(conclusion, evidence)}",
        f"Checked at: {utc:%Y-%m-%d %H:%M:%S} UTC ({india:%Y-%m-%d %H:%M:%S} IST)",
        f"Our server: {socket.gethostname()} (build {settings.BUILD})",
        *_merchant_lines(conclusion, evidence),
        *(
            _network_lines(conclusion, evidence)
            if conclusion.about == "phonepe"
            else _check_lines(conclusion, evidence)
        ),
    ]
    return SupportMessage(_recipient(conclusion, probe), redact(subject), redact("\n".join(body)))


def _recipient(conclusion: Conclusion, probe: ProbeResult | None) -> str:
    if conclusion.verdict is Verdict.PROXY_FAILURE and probe and probe.target.proxy:
        return "whoever runs the proxy {}:{}".format(*probe.target.peer)
    return conclusion.culprit.recipient


def _summary(conclusion: Conclusion, evidence: Evidence) -> str:
    """In one sentence. People outside get the finding; our summary speaks of "this server" and "us"."""
    if conclusion.about != "phonepe" or conclusion.culprit not in {Culprit.HOSTING, Culprit.PHONEPE}:
        return conclusion.summary
    if evidence.finding:
        return f"{Finding(evidence.finding).label}."
    return BLOCKED if conclusion.verdict is Verdict.HTTP_BLOCKED else f"{conclusion.verdict.label}."


def _check_lines(conclusion: Conclusion, evidence: Evidence) -> Iterator[str]:
    """Of what the conclusion is about; another fault of ours has a message of its own when it is the first."""
    for name, check in evidence.dependencies.items():
        if check.ok is False and name.partition("_")[0] == conclusion.about:
            yield f"{check.name} ({check.target}): {check.detail}"


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


def _network_lines(conclusion: Conclusion, evidence: Evidence) -> Iterator[str]:
    """PhonePe gets what it can find in its own logs, and no times of our network."""
    is_phonepe = conclusion.culprit is Culprit.PHONEPE
    if probe := evidence.subject:
        if evidence.source_address:
            yield f"Source address: {source_of(evidence)}"
        yield f"Target: {probe.target.host_port}, {probe.target.route}"
        yield from _probe_lines(probe, has_times=not is_phonepe)
        for before in evidence.probes:
            if before is not probe and before.target == probe.target:
                yield "A moment before, by each address:"
                yield from _probe_lines(before, has_times=not is_phonepe)
        if evidence.fault is Verdict.DNS_FAILURE:
            yield from _name_server_lines(probe)
        host, port = probe.target.peer
        proxy = f"--proxy http://{host}:{port} " if probe.target.proxy else ""  # without its login
        yield f"To repeat: curl -sv --max-time 10 -o /dev/null {proxy}{probe.target.url}"
    for result in evidence.status_results:
        whose = "Your answer to our" if is_phonepe and evidence.is_phonepe else "A"
        answer = _answer_of(result) if is_phonepe else result.detail
        yield f"{whose} status request for an order that does not exist, to {result.host_port}: {answer}"
    others = (*evidence.comparable_controls, *((evidence.sibling,) if evidence.sibling else ()))
    for other in others:
        yield f"For comparison: {other.target.host_port}, {other.target.route}"
        yield from _probe_lines(other, has_times=not is_phonepe)


def _answer_of(result: StatusProbeResult) -> str:
    """As PhonePe sent it, with its tracking id: our own words for it mean nothing to PhonePe."""
    status = HTTP_STATUS.search(result.detail)
    if status is None or not (result.code or result.message):
        return result.detail
    parts = (
        status[0],
        f"code {result.code!r}" if result.code else "",
        result.message and f"message {result.message!r}",
    )
    return ", ".join(filter(None, parts))


def _name_server_lines(probe: ProbeResult) -> Iterator[str]:
    """What the name server answered, and the commands that show it."""
    answer, host = probe.resolution.name_server, probe.resolution.host
    finding = answer.finding or probe.resolution.finding
    said = ", ".join(answer.addresses) or (str(Finding(finding).label) if finding else "nothing")
    for server in answer.servers:
        address, _, port = server.partition(":") if server.count(":") == 1 else (server, "", "")
        command = f"dig @{address} {host}" + (f" -p {port}" if port else "")
        yield f"Name server {server} about {host}: {said}. To see it: {command}"
    yield f"What others know: dig @1.1.1.1 {host}"


def _probe_lines(probe: ProbeResult, *, has_times: bool) -> Iterator[str]:
    found = probe.resolution
    if found.addresses:
        yield f"  {found.host} is {', '.join(found.all_addresses)} ({found.source})"
    for attempt in probe.attempts:
        times = (
            ", ".join(f"{layer} {ms} ms" for layer, ms in attempt.milliseconds.items()) if has_times else ""
        )
        yield f"  {attempt.address or 'no address'}: {f'{times}; ' if times else ''}{_end_of(attempt)}"


def _end_of(attempt: ConnectionAttempt) -> str:
    """How far one connection came."""
    if attempt.is_reached:
        return attempt.answer_summary or f"HTTP {attempt.http_status}"
    layer = attempt.failed_layer
    if attempt.finding == Finding.NO_ANSWER:
        seconds = attempt.milliseconds.get(layer, 0) / 1000
        return f"connected, but no answer within {seconds:.0f} s (stopped at {layer}: {attempt.error})"
    finding = f" ({Finding(attempt.finding).label})" if attempt.finding else ""
    end = f"stopped at {layer}: {attempt.error}{finding}"
    if (certificate := attempt.certificate) and layer == "tls":
        end += (
            f"; certificate of {certificate.subject}, issued by {certificate.issuer}, valid from "
            f"{certificate.valid_from:%Y-%m-%d} until {certificate.valid_until:%Y-%m-%d}, SHA-256 {certificate.sha256}"
        )
    return end
