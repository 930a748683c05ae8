"""Probes of a target: how far a connection gets and what answers; and a status request, which moves no money.

Probes use the connections that payments use (`payment.phonepe.transport`), each on fresh ones of its own. Findings come
from the types of errors and the stage reached. Only a proxy's answer to CONNECT is read from the text of the error:
`http.client` keeps it nowhere else.

A status request that failed on the way (name, connection, proxy, TLS) keeps the failed connection attempt: the rules
judge it as they judge a probe. Only what PhonePe itself said is judged as an answer of PhonePe.
"""

import functools
import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from core.logging import redact
from diagnostics import tls
from diagnostics.deadlines import side_by_side
from diagnostics.dns import FAMILY, FINDING_OF_SYSTEM_ERROR, DnsClients, Resolution, is_address, resolve
from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.load import note_own_limit, root_cause
from diagnostics.targets import STAGE_OF_LAYER, Role, Target
from diagnostics.tls import Certificate
from payment.gateways import GatewayError, PhonePeGateway
from payment.phonepe import transport
from payment.phonepe.enums import ErrorCategory, Operation, ProviderStatus, Stage
from payment.phonepe.errors import CLIENT_UNKNOWN, PATH_STATUSES, WIRE_ERRORS, categorize
from payment.phonepe.response_codes import KEYS, MEANINGS, Actor
from payment.phonepe.schemas import HttpAttempt
from payment.phonepe.transport import Address, Answer, Deadline, InFlightRequest, Resolver, Session

# A connection attempt ends a little before its caller stops waiting, so that it can report how far it came.
SHARE = 0.9
ADDRESSES_PER_FAMILY = 3
# How Cloudflare's hosts report the address that a request comes from.
PUBLIC_ADDRESS = re.compile(rb"^ip=([0-9a-fA-F.:]{3,45})$", re.MULTILINE)
TITLE = re.compile(rb"<title[^<>]*+>\s*([^<]{1,80})", re.IGNORECASE)
TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")
PROXY_GATEWAY_ERRORS = {500, 502, 503, 504}

# OpenSSL's X509_V_ERR_*: not yet valid, expired, other host name, other IP address.
CERTIFICATE_FINDING = {
    9: Finding.NOT_YET_VALID,
    10: Finding.EXPIRED,
    62: Finding.WRONG_HOST,
    64: Finding.WRONG_HOST,
}
# OpenSSL's reasons.
OLD_PROTOCOL = {
    "NO_PROTOCOLS_AVAILABLE",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "VERSION_TOO_LOW",
}
OTHER_PROTOCOL = {"HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "WRONG_VERSION_NUMBER"}
# No connection to the target, and the same where the peer is a proxy.
PROXY_FINDING = {
    Finding.REFUSED: Finding.PROXY_REFUSED,
    Finding.SILENT: Finding.PROXY_SILENT,
    Finding.RESET: Finding.PROXY_REFUSED,
    Finding.UNREACHABLE: Finding.PROXY_UNREACHABLE,
}
# "Not found" is the good answer to a status request for an order that was never created: PhonePe has read the request,
# knows the merchant and accepts the credentials.
UNKNOWN_ORDER = "DIAGNOSIS-NO-SUCH-ORDER"
# Seconds. Silence for a shorter time proves nothing.
SHORTEST_WAIT = 0.5
LATE = "not asked: no time was left"
# Failures that stem from the way to PhonePe. After them nobody knows what PhonePe would have answered.
OF_THE_WAY = {
    ErrorCategory.DNS_ERROR,
    ErrorCategory.CONNECTION_REFUSED,
    ErrorCategory.CONNECTION_TIMEOUT,
    ErrorCategory.CONNECTION_RESET,
    ErrorCategory.NETWORK_UNREACHABLE,
    ErrorCategory.TLS_ERROR,
    ErrorCategory.PROXY_ERROR,
}
# The answers of these categories carry a code that says more than the category.
SAID_BY_CODE = {
    "",
    ErrorCategory.AUTHENTICATION,
    ErrorCategory.REJECTED,
    ErrorCategory.GATEWAY_5XX,
    ErrorCategory.BAD_RESPONSE,
}
# Without JSON the status alone says it.
BY_STATUS = dict.fromkeys(PATH_STATUSES, Verdict.WRONG_BASE_URL) | {401: Verdict.BAD_CREDENTIALS}


@dataclass(frozen=True)
class ConnectionAttempt:
    """One attempt at one address. `milliseconds` by layer, the failed layer included.

    `finding`: what stopped it, or the kind of HTTP answer. `clock_ahead`: seconds our clock is ahead of theirs.
    `source_address`: our own address on this route. `public_address`: ours, as the other side sees it.
    """

    target: Target
    address: str
    stage: Stage
    milliseconds: Mapping[str, int] = field(default_factory=dict)
    category: str = ""
    verdict: Verdict | None = None
    finding: str = ""
    error: str = ""
    http_status: int | None = None
    answer_summary: str = ""
    clock_ahead: float | None = None
    source_address: str = ""
    public_address: str = ""
    certificate: Certificate | None = None

    @property
    def family(self) -> str:
        if not self.address:
            return ""
        return "ipv6" if ":" in self.address else "ipv4"

    @property
    def passed_layers(self) -> tuple[str, ...]:
        return tuple(layer for layer in self.target.layers if self.stage >= STAGE_OF_LAYER[layer])

    @property
    def is_reached(self) -> bool:
        """Any HTTP answer proves that the route is open, whatever its status."""
        return self.stage >= Stage.HEADERS

    @property
    def failed_layer(self) -> str:
        """The first layer that did not work; "" when all did."""
        return next((layer for layer in self.target.layers if self.stage < STAGE_OF_LAYER[layer]), "")


@dataclass(frozen=True)
class ProbeResult:
    """All connection attempts at one target: a few addresses of each family. `resolution` is of the peer."""

    target: Target
    attempts: tuple[ConnectionAttempt, ...]
    resolution: Resolution = field(default_factory=lambda: Resolution(""))

    @property
    def best(self) -> ConnectionAttempt:
        return max(self.attempts, key=lambda attempt: attempt.stage)

    @property
    def is_reached(self) -> bool:
        return self.best.is_reached

    @property
    def is_misresolved(self) -> bool:
        """The name resolves to where PhonePe cannot be. If PhonePe answers there all the same, it is no fault."""
        return bool(self.resolution.addresses and self.resolution.finding) and not self.is_reached

    @property
    def finding(self) -> str:
        return self.resolution.finding if self.is_misresolved else self.best.finding

    @property
    def verdict(self) -> Verdict | None:
        return Verdict.DNS_FAILURE if self.is_misresolved else self.best.verdict

    @property
    def passed_layers(self) -> tuple[str, ...]:
        return () if self.is_misresolved else self.best.passed_layers

    @property
    def error(self) -> str:
        if not self.is_misresolved:
            return self.best.error
        resolution = self.resolution
        return f"{Finding(resolution.finding).label}: {', '.join(resolution.all_addresses)} ({resolution.source})"


class ProbeRequest(InFlightRequest):
    """A request to one address, which records when it reached each stage. The name is resolved before."""

    def __init__(self, deadline: Deadline, address: Address) -> None:
        super().__init__(deadline, FixedResolver(address))
        self.socket_address, self.address = address, str(address[4][0])
        self.source_address = source_address_of(address)
        self.furthest = Stage.RESOLVED
        self.started = time.monotonic()
        self.reached: dict[Stage, int] = {}

    def reach(self, stage: Stage) -> None:
        super().reach(stage)
        self.furthest = max(self.furthest, stage)
        self.reached.setdefault(stage, self.milliseconds())

    def milliseconds(self) -> int:
        return round((time.monotonic() - self.started) * 1000)


class FixedResolver(Resolver):
    """Resolves every name to one address."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._address = address

    def addresses(self, host: str, port: int, seconds: float) -> list[Address]:
        return [self._address]


def fresh_session(resolver: Resolver) -> Session:
    """Trusts the authorities that payments trust, and has no open connection: a kept one proves nothing."""
    verify = transport.session().verify or False
    return Session(verify, resolver, tls.trusting(verify))


def source_address_of(address: Address) -> str:
    """Our address from which this one is reached; "" without a route. Sends nothing."""
    try:
        with socket.socket(address[0], socket.SOCK_DGRAM) as sock:
            sock.connect(address[4])
            return str(sock.getsockname()[0])
    except OSError:
        return ""


def probe(target: Target, deadline: Deadline, clients: DnsClients) -> ProbeResult:
    """Never raises: errors stand in the attempts."""
    is_public = target.is_phonepe and target.proxy is None
    pending = resolve(*target.peer, deadline, clients, is_public=is_public)
    if not pending.addresses:
        resolution = pending.finish(deadline)
        finding = Finding(resolution.finding)
        if target.proxy:
            finding = Finding.PROXY_NAME_UNKNOWN
        unresolved = ConnectionAttempt(
            target,
            "",
            Stage.STARTED,
            {"dns": resolution.milliseconds},
            ErrorCategory.DNS_ERROR.value,
            finding.verdict,
            finding,
            resolution.error,
        )
        return ProbeResult(target, (unresolved,), resolution)
    dns = pending.milliseconds
    # A few of each family, side by side: payments go on to the next address when one is dead.
    by_family = [
        [each for each in dict.fromkeys(pending.addresses) if each[0] == family] for family in FAMILY
    ]
    requests = [
        ProbeRequest(deadline.within(deadline.remaining() * SHARE), address)
        for addresses in by_family
        for address in addresses[:ADDRESSES_PER_FAMILY]
    ]
    tasks = [functools.partial(_attempt, target, request, dns) for request in requests]
    # A request that did not return has recorded how far it came.
    late = TimeoutError("not back in time")
    attempts = tuple(
        attempt or _failed_attempt(target, request, dns, late)
        for request, attempt in zip(requests, side_by_side(tasks, deadline), strict=True)
    )
    return ProbeResult(target, attempts, pending.finish(deadline))


def probe_timeout(target: Target) -> ProbeResult:
    """For a probe that did not return at all."""
    verdict, error = Verdict.CONNECTION_TIMEOUT, "the probe did not end in time"
    failed = ConnectionAttempt(target, "", Stage.STARTED, {}, verdict.name, verdict, Finding.SILENT, error)
    return ProbeResult(target, (failed,))


def classify_answer(answer: Answer) -> str:
    """The kind of HTTP answer; "" for JSON and other plain answers, whatever they say."""
    status, is_page = answer.http_status, is_html(answer)
    if status == 407:
        return Finding.PROXY_WANTS_LOGIN
    if is_redirect(answer):
        return Finding.REDIRECT
    if status == 511 or (is_page and status < 300):
        return Finding.CAPTIVE_PORTAL
    if status == 429:
        return Finding.TOO_MANY
    if status >= 500:
        return Finding.SERVER_ERROR
    if is_page and status != 404:
        return Finding.FIREWALL_PAGE
    return Finding.FORBIDDEN if status == 403 else ""


def describe_answer(answer: Answer) -> str:
    """The answer in short: status, host of a redirect, title of a page, `Server` header."""
    title = TITLE.search(answer.body)
    parts = [f"HTTP {answer.http_status}"]
    if location := answer.headers.get("Location", ""):
        parts.append(f"to {urlsplit(location).netloc or 'another path'}")
    if title and is_html(answer):
        parts.append(f"page {' '.join(title[1].decode(errors='replace').split())!r}")
    if server := answer.headers.get("Server", ""):
        parts.append(f"Server: {server[:40]}")
    return ", ".join(parts)


def is_html(answer: Answer) -> bool:
    return "html" in answer.headers.get("Content-Type", "").lower()


def is_redirect(answer: Answer) -> bool:
    return 300 <= answer.http_status < 400


def _attempt(target: Target, request: ProbeRequest, dns: int) -> ConnectionAttempt:
    attempt = _request(target, request, dns)
    if not target.is_tls or attempt.stage < (Stage.PROXIED if target.proxy else Stage.CONNECTED):
        return attempt
    certificate = tls.fetch_certificate(target, request.socket_address, request.deadline)
    finding = attempt.finding
    if certificate and finding == Finding.UNTRUSTED:
        if certificate.is_forged_for(target.host):
            finding = Finding.INTERCEPTED
        elif certificate.is_incomplete_for(target.host):
            finding = Finding.CHAIN_INCOMPLETE
    return replace(attempt, certificate=certificate, finding=finding)


def _request(target: Target, request: ProbeRequest, dns: int) -> ConnectionAttempt:
    with fresh_session(request.resolver) as session:
        try:
            answer = session.send_request(request, "GET", target.url, proxy=target.proxy)
        except WIRE_ERRORS as error:
            return _failed_attempt(target, request, dns, error)
    is_control = target.role is Role.CONTROL
    reported = PUBLIC_ADDRESS.search(answer.body) if is_control else None
    return ConnectionAttempt(
        target,
        request.address,
        Stage.BODY,
        _layer_times(target, request, dns),
        # A control host may answer with any page, but must answer itself.
        finding="" if is_control and not is_redirect(answer) else classify_answer(answer),
        http_status=answer.http_status,
        answer_summary=redact(describe_answer(answer)),
        clock_ahead=_clock_ahead(answer.headers.get("Date", "")),
        source_address=request.source_address,
        public_address=reported[1].decode() if reported and is_address(reported[1].decode()) else "",
    )


def _failed_attempt(
    target: Target, request: ProbeRequest, dns: int, error: BaseException
) -> ConnectionAttempt:
    cause, stage = root_cause(error), request.furthest
    note_own_limit(error)
    finding = failure_finding(target, cause, stage)
    kind = categorize(error, stage)
    times = _layer_times(target, request, dns)
    waited = request.milliseconds() - sum(times.values()) + dns
    failed_layers = [layer for layer in target.layers if stage < STAGE_OF_LAYER[layer]]
    return ConnectionAttempt(
        target,
        request.address,
        stage,
        times | dict.fromkeys(failed_layers[:1], waited),
        category=kind.value,
        verdict=finding.verdict or Verdict.of(kind),
        finding=finding,
        error=redact(f"{type(cause).__name__}: {cause}"[:300]),
        source_address=request.source_address,
    )


def _layer_times(target: Target, request: ProbeRequest, dns: int) -> dict[str, int]:
    """Milliseconds of each layer that was passed."""
    times, before = {"dns": dns}, 0
    for layer in target.layers:
        if layer != "dns" and STAGE_OF_LAYER[layer] in request.reached:
            times[layer] = request.reached[STAGE_OF_LAYER[layer]] - before
            before = request.reached[STAGE_OF_LAYER[layer]]
    return times


def name_failure_finding(cause: BaseException, *, has_proxy: bool) -> Finding:
    """Why the system did not resolve the name of a host, or of the proxy to it."""
    errno = getattr(cause, "errno", None) or 0
    finding = FINDING_OF_SYSTEM_ERROR.get(errno, Finding.NAME_SERVER_SILENT)
    return Finding.PROXY_NAME_UNKNOWN if has_proxy else finding


def failure_finding(target: Target, cause: BaseException, stage: Stage) -> Finding:
    """Why an attempt failed that came as far as `stage`. Resolution errors are handled before."""
    if stage < Stage.CONNECTED:
        verdict = Verdict.of(categorize(cause, Stage.RESOLVED))
        finding = next((each for each in PROXY_FINDING if each.verdict is verdict), Finding.SILENT)
        return PROXY_FINDING[finding] if target.proxy else finding
    if target.has_tunnel and stage < Stage.PROXIED:
        return _tunnel_finding(cause)
    if target.is_tls and stage < Stage.TLS:
        return _tls_finding(cause)
    return Finding.NO_ANSWER if isinstance(cause, TimeoutError) else Finding.CUT


def _tunnel_finding(cause: BaseException) -> Finding:
    if isinstance(cause, TimeoutError):
        return Finding.PROXY_SILENT
    refusal = TUNNEL_REFUSED.search(str(cause))
    status = int(refusal[1]) if refusal else 0
    if status == 407:
        return Finding.PROXY_WANTS_LOGIN
    return Finding.PROXY_GETS_NOWHERE if status in PROXY_GATEWAY_ERRORS else Finding.PROXY_FORBIDS


def _tls_finding(cause: BaseException) -> Finding:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return CERTIFICATE_FINDING.get(cause.verify_code, Finding.UNTRUSTED)
    if isinstance(cause, TimeoutError):
        return Finding.HANDSHAKE_SILENT
    if not isinstance(cause, ssl.SSLError):
        return Finding.RESET
    if cause.reason in OLD_PROTOCOL:
        return Finding.PROTOCOL_TOO_OLD
    return Finding.NOT_TLS if cause.reason in OTHER_PROTOCOL else Finding.HANDSHAKE_REFUSED


def _clock_ahead(date: str) -> float | None:
    """Seconds from a `Date` header; None if there is none to compare with."""
    try:
        theirs = parsedate_to_datetime(date)
    except (ValueError, OverflowError):  # the latter for an absurd offset
        return None
    if theirs.tzinfo is None:
        return None
    return (datetime.now(timezone.utc) - theirs).total_seconds()


@dataclass(frozen=True)
class StatusProbeResult:
    """`verdict` None: PhonePe answered as it should. `host_port` is that of the last attempt.

    `credentials_accepted`: None when the request did not get that far. `target` None: a PhonePe inside this process.
    `code`, `message`: PhonePe's own. `failure`: where the request failed on the way. `timed_out`: it got no answer.
    `is_late`: what came before it had taken the time, so that PhonePe had less than `SHORTEST_WAIT` to answer.
    """

    verdict: Verdict | None
    host_port: str
    milliseconds: int
    detail: str
    credentials_accepted: bool | None = None
    target: Target | None = None
    code: str = ""
    message: str = ""
    failure: ConnectionAttempt | None = None
    timed_out: bool = False
    is_redirect: bool = False
    is_late: bool = False

    @property
    def is_doubtful(self) -> bool:
        """Another request may well be answered: this one got no answer, which lost packets explain."""
        return self.failure is not None or self.timed_out or self.is_late


def probe_status(
    gateway: PhonePeGateway, deadline: Deadline, target: Target | None = None
) -> StatusProbeResult:
    """One status request. Never raises: errors stand in the result."""
    verdict, failure, category, wait, is_late = None, None, "", 0, False
    try:
        status = gateway.order_status(UNKNOWN_ORDER, deadline)
        attempts = status.http_attempts
        if status.state is ProviderStatus.UNKNOWN and attempts:
            verdict = _verdict("", attempts[-1])
    except GatewayError as error:
        attempts, category, wait = error.http_attempts, error.error_category, error.retry_after or 0
        verdict = _verdict(category, attempts[-1]) if attempts else Verdict.of(category)
        has_no_time = isinstance(root_cause(error), TimeoutError) and bool(attempts)
        is_late = has_no_time and sum(each.milliseconds for each in attempts) < SHORTEST_WAIT * 1000
        if is_late:
            verdict, category = Verdict.SERVER_OVERLOADED, LATE
        elif has_no_time and attempts[-1].stage < Stage.RESOLVED and len(attempts) > 1:  # the token took all
            verdict, category = Verdict.PHONEPE_DOWN, ErrorCategory.READ_TIMEOUT
        failure = _failure(error, attempts[-1], target) if attempts and category in OF_THE_WAY else None
    has_token = any(each.operation == Operation.TOKEN and not each.error_category for each in attempts)
    accepted: bool | None = True if verdict is None or has_token else None
    if verdict is not None and verdict.owner is Culprit.CREDENTIALS:
        accepted = False
    last = attempts[-1] if attempts else None
    return StatusProbeResult(
        verdict,
        f"{last.host}:{last.port}" if last else "",
        sum(each.milliseconds for each in attempts),
        _detail(category, last, wait) if verdict else "PhonePe answered: no such order, as it should",
        accepted,
        target,
        last.code if last else "",
        redact(last.message) if last else "",
        failure,
        timed_out=category == ErrorCategory.READ_TIMEOUT,
        is_redirect=last is not None and last.http_status in range(300, 400),
        is_late=is_late,
    )


def status_timeout(target: Target | None = None) -> StatusProbeResult:
    """For a status request that did not return at all."""
    host_port = target.host_port if target else ""
    detail = "no answer within the time of the diagnosis"
    return StatusProbeResult(Verdict.PHONEPE_DOWN, host_port, 0, detail, target=target, timed_out=True)


def _detail(category: str, last: HttpAttempt | None, wait: int) -> str:
    """Category, what PhonePe said, and what our table of codes knows about it. `wait`: seconds until a retry."""
    if last is None:
        return category
    parts = [category or "answered"]
    if last.http_status:
        parts.append(f"HTTP {last.http_status}")
    if last.code:
        parts.append(f"code {last.code!r}")
    if last.message:
        parts.append(f"message {redact(last.message)!r}")
    if category == ErrorCategory.RATE_LIMITED and wait:
        parts.append(f"asks for a pause of {wait} s")
    detail = ", ".join(parts)
    if known := MEANINGS.get(last.code):
        detail += f": {known.cause}" + (f" ({known.where})" if known.where else "")
    return detail


def _verdict(category: str, last: HttpAttempt) -> Verdict | None:
    """None for an answer that could be read and whose code is not in our table."""
    meaning = MEANINGS.get(last.code)
    if last.code == "KEY_NOT_CONFIGURED":
        return Verdict.KEY_NOT_CONFIGURED
    # PhonePe answers so to a client id that it does not know in this environment, 401 to a wrong secret.
    is_unknown_client = CLIENT_UNKNOWN.search(f"{last.code} {last.message}") is not None
    if category == ErrorCategory.AUTHENTICATION and is_unknown_client:
        return Verdict.WRONG_ENVIRONMENT
    # PhonePe's API gives a code to its 403, a firewall or a gateway before it gives none. 511: a network wants a login.
    if last.http_status == 511 or (last.http_status == 403 and not last.code):
        return Verdict.HTTP_BLOCKED
    if category == ErrorCategory.BLOCKED_RESPONSE and last.http_status in BY_STATUS:
        return BY_STATUS[last.http_status]
    if meaning and not category and meaning.actor in {Actor.CUSTOMER, Actor.NOBODY}:
        return None  # how some order stands: PhonePe has read the request
    if meaning and category in SAID_BY_CODE:
        if meaning.where == KEYS:
            return Verdict.BAD_CREDENTIALS
        is_theirs = Culprit.of(meaning) is Culprit.PHONEPE
        return Verdict.PHONEPE_DOWN if is_theirs else Verdict.MISCONFIGURED
    return Verdict.of(category) if category else None


def _failure(error: GatewayError, last: HttpAttempt, target: Target | None) -> ConnectionAttempt:
    """The failed request as an attempt at its host: a token may come from another one."""
    proxy = target.proxy if target else None
    if target is None or target.host_port != f"{last.host}:{last.port}":
        target = Target(Role.TOKEN, last.endpoint, proxy)
    cause = root_cause(error)
    note_own_limit(error)
    if last.stage < Stage.RESOLVED:
        finding = name_failure_finding(cause, has_proxy=proxy is not None)
    else:
        finding = failure_finding(target, cause, last.stage)
    layer = next((each for each in target.layers if last.stage < STAGE_OF_LAYER[each]), "http")
    return ConnectionAttempt(
        target,
        "",
        last.stage,
        {layer: last.milliseconds},
        category=last.error_category,
        verdict=finding.verdict or Verdict.of(last.error_category),
        finding=finding,
        error=redact(f"{type(cause).__name__}: {cause}"[:300]),
    )
