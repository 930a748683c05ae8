"""A message to whoever must act: what we ask for, what fails, when, the exact error, and what works meanwhile."""

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from django.conf import settings

from core.logging import redact
from diagnostics.config import mask
from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import Evidence
from diagnostics.probes import ConnectionAttempt, ProbeResult, StatusProbeResult
from diagnostics.targets import Role
from diagnostics.verdicts import Conclusion

INDIA = ZoneInfo("Asia/Kolkata")
BLOCKED = "our API requests get 403, a page or a redirect, and no answer of the API."
HTTP_STATUS = re.compile(r"HTTP \d{3}")
ONE_FAMILY = "one family"  # IPv4 or IPv6 alone fails
# By finding or verdict, the first that fits. The {fields} are those of `_fields`.
TO_HOSTING: Mapping[str, str] = {
    Finding.NAME_SERVER_SILENT: (
        "Please let the name server {servers} answer {source} (UDP and TCP port 53), or name one that does."
    ),
    Finding.NAME_SERVER_FAILED: (
        "Please repair the name server {servers}: asked for {host} by {source}, it answers with an error "
        "(SERVFAIL or REFUSED)."
    ),
    Finding.NAME_UNKNOWN: (
        "Please correct the name server {servers}: it says that there is no {host} (NXDOMAIN), and public name "
        "servers know it."
    ),
    Finding.PRIVATE_ANSWER: (
        "Please remove the wrong address of {host} from the name server {servers}: it answers {addresses}, a private "
        "network where this host is not."
    ),
    Finding.SINKHOLE_ANSWER: (
        "Please take {host} off the block list of the name server {servers}: it answers {addresses}, which leads "
        "nowhere."
    ),
    Verdict.DNS_FAILURE: "Please make the name server {servers} resolve {host} for {source}.",
    Finding.INTERCEPTED: (
        "Please exempt {targets} from TLS inspection: connections from {source} get a certificate issued by {issuer} "
        "instead of PhonePe's own."
    ),
    Finding.CHAIN_INCOMPLETE: (
        "Please tell us whether connections from {source} to {targets} are inspected: they get a certificate issued by "
        "{issuer}, without the one of its issuer."
    ),
    Verdict.TLS_UNTRUSTED: (
        "Please find out what answers in the place of {targets}, and let connections from {source} through unchanged: "
        "the certificate is issued by {issuer}."
    ),
    Verdict.PHONEPE_DOWN: (
        "Please find out what answers in the place of {targets}, and let connections from {source} through unchanged: "
        "the certificate is issued by {issuer}."
    ),
    Verdict.TLS_HOSTNAME_MISMATCH: (
        "Please find out what answers in the place of {targets}, and let connections from {source} through unchanged: "
        "the certificate is for {names}."
    ),
    Finding.CAPTIVE_PORTAL: (
        "Please let {source} reach {targets} without the login or consent page of the network."
    ),
    Verdict.HTTP_BLOCKED: (
        "Please let requests from {source} to {targets} through: a page of a firewall or gateway answers instead."
    ),
    ONE_FAMILY: (
        "Please repair {family} between {source} and {targets} (often its MTU): connections are made by it, and then "
        "nothing passes; the other kind of address works."
    ),
    Verdict.TLS_HANDSHAKE_FAILED: (
        "Please allow outgoing TLS connections (TCP 443) from {source} to {targets}: they are made, and broken off or "
        "dropped as TLS begins."
    ),
    Verdict.CONNECTION_RESET: (
        "Please allow outgoing connections (TCP 443) from {source} to {targets}: something cuts them after they "
        "are made."
    ),
    Verdict.NETWORK_UNREACHABLE: ("Please give {source} a route to {targets} (outgoing, TCP port 443)."),
}
TO_HOSTING_ELSE = "Please allow outgoing TCP {ports} from {source} to {targets}."
TO_PHONEPE: Mapping[str, str] = {
    Verdict.HTTP_BLOCKED: (
        "Please unblock {public} at {targets}: our API requests are answered with 403 or a block page, not by your API."
    ),
    Verdict.RATE_LIMITED: (
        "Please tell us which limit of requests applies to our merchant at {targets}, and raise it if you can."
    ),
    Verdict.TLS_EXPIRED: "Please renew the certificate of {targets}: it is not valid at this time.",
    Verdict.TLS_UNTRUSTED: (
        "Please let {targets} send its full certificate chain: the intermediate certificate is missing."
    ),
    Verdict.DNS_FAILURE: "Please check the DNS records of {host}: name servers do not resolve it.",
    Finding.NO_ANSWER: (
        "Please check {targets}: our connections are taken, but our requests are not answered in time."
    ),
    Finding.SERVER_ERROR: "Please check {targets}: our API requests are answered with errors of the server (5xx).",
    Verdict.CONNECTION_REFUSED: "Please check {targets}: connections from {public} are refused.",
    Verdict.CONNECTION_TIMEOUT: "Please check {targets}: connections from {public} are not answered.",
    Verdict.CONNECTION_RESET: "Please check {targets}: connections from {public} are cut.",
    Verdict.NETWORK_UNREACHABLE: "Please check {targets}: there is no route from {public}.",
    Verdict.TLS_HANDSHAKE_FAILED: "Please check {targets}: the TLS handshake with {public} fails.",
}
TO_PHONEPE_ELSE = (
    "Please check {targets} and our merchant account: our API requests are not answered as documented."
)
TO_PROXY: Mapping[str, str] = {
    Finding.PROXY_WANTS_LOGIN: "Please give us a login for the proxy {proxy}: it wants one, or another, from {local}.",
    Finding.PROXY_FORBIDS: "Please allow CONNECT to {targets} through the proxy {proxy} from {local}.",
    Finding.PROXY_GETS_NOWHERE: (
        "Please make the proxy {proxy} reach {targets}: it answers our CONNECT with an error of the server (5xx)."
    ),
    Finding.PROXY_SILENT: "Please let the proxy {proxy} answer {local}: connections to it time out.",
    Finding.PROXY_NAME_UNKNOWN: "Please tell us the right address of the proxy: the name in {proxy} is not resolved.",
    Finding.PROXY_REFUSED: "Please start the proxy {proxy}, or let {local} connect to it: it refuses.",
    Finding.PROXY_UNREACHABLE: "Please give {local} a route to the proxy {proxy}.",
}
UNKNOWN = "our server"  # where no connection has shown its address
TO_PROXY_ELSE = "Please let {local} reach {targets} through the proxy {proxy}."


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
    merchant_id = merchant if conclusion.culprit is Culprit.PHONEPE else mask(merchant)
    yield f"Merchant: {merchant_id} ({settings.PHONEPE_ENV})"
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
    reply = ", ".join(answer.addresses) or (str(Finding(finding).label) if finding else "nothing")
    for server in answer.servers:
        address, _, port = server.partition(":") if server.count(":") == 1 else (server, "", "")
        command = f"dig @{address} {host}" + (f" -p {port}" if port else "")
        yield f"Name server {server} about {host}: {reply}. To see it: {command}"
    yield f"What others know: dig @1.1.1.1 {host}"


def _probe_lines(probe: ProbeResult, *, has_times: bool) -> Iterator[str]:
    resolution = probe.resolution
    if resolution.addresses:
        yield f"  {resolution.host} is {', '.join(resolution.all_addresses)} ({resolution.source})"
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


def request_to(conclusion: Conclusion, evidence: Evidence) -> str:
    """For people outside; for our own what the conclusion says they should do."""
    probe = evidence.subject
    if conclusion.about != "phonepe" or probe is None:
        return conclusion.next_action
    if conclusion.verdict is Verdict.PROXY_FAILURE:
        texts, otherwise = TO_PROXY, TO_PROXY_ELSE
    elif conclusion.culprit is Culprit.HOSTING:
        texts, otherwise = TO_HOSTING, TO_HOSTING_ELSE
    elif conclusion.culprit is Culprit.PHONEPE:
        texts, otherwise = TO_PHONEPE, TO_PHONEPE_ELSE
    else:
        return conclusion.next_action
    words = (ONE_FAMILY if evidence.failed_family else "", str(evidence.finding), conclusion.verdict.value)
    text = next((texts[word] for word in words if word in texts), otherwise)
    return text.format(**_fields(evidence, probe))


def source_of(evidence: Evidence) -> str:
    """Where our connections come from, for people."""
    local, public = evidence.source_address or UNKNOWN, evidence.public_address
    return f"{local} (public: {public})" if public else local


def _fields(evidence: Evidence, probe: ProbeResult) -> dict[str, str]:
    certificate, public = probe.best.certificate, evidence.public_address
    local = evidence.source_address or UNKNOWN
    servers = ", ".join(probe.resolution.name_server.servers)
    host, port = probe.target.peer
    unreached = _payment_targets(evidence.probes, reached=False) or _payment_targets(
        evidence.probes, reached=True
    )
    return {
        "targets": ", ".join(dict.fromkeys(each.target.host_port for each in unreached))
        or probe.target.host_port,
        "ports": ", ".join(dict.fromkeys(str(each.target.port) for each in unreached))
        or str(probe.target.port),
        "host": probe.resolution.host or probe.target.host,
        "proxy": f"{host}:{port}",
        "source": source_of(evidence),
        "family": evidence.failed_family,
        "local": local,
        "public": f"our address {public or local}" if public or local != UNKNOWN else UNKNOWN,
        "servers": servers or "of this server",
        "addresses": ", ".join(probe.resolution.all_addresses),
        "issuer": certificate.issuer if certificate else "somebody else",
        "names": ", ".join(certificate.names[:3]) if certificate else "another name",
    }


def _payment_targets(probes: Iterable[ProbeResult], *, reached: bool) -> list[ProbeResult]:
    return [each for each in probes if each.is_reached is reached and each.target.role is not Role.PAGE]
