"""The status request of a diagnosis, which moves no money, and what PhonePe's answer to it means.

A request that failed on the way (name, connection, proxy, TLS) keeps the failed connection attempt: the rules of the
way judge it as they judge a probe. Only what PhonePe itself said is judged as an answer of PhonePe.
"""

from dataclasses import dataclass

from core.logging import redact
from diagnostics.enums import Culprit, Verdict
from diagnostics.failures import note_own_limit, root_cause
from diagnostics.probes import ConnectionAttempt, failure_finding, name_failure_finding
from diagnostics.targets import STAGE_OF_LAYER, Role, Target
from payment.gateways import GatewayError, PhonePeGateway
from payment.phonepe.enums import ErrorCategory, Operation, ProviderStatus, Stage
from payment.phonepe.errors import CLIENT_UNKNOWN, PATH_STATUSES
from payment.phonepe.response_codes import KEYS, MEANINGS, Actor
from payment.phonepe.schemas import HttpAttempt
from payment.phonepe.transport import Deadline

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
    known = MEANINGS.get(last.code)
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
    if known and not category and known.actor in {Actor.CUSTOMER, Actor.NOBODY}:
        return None  # how some order stands: PhonePe has read the request
    if known and category in SAID_BY_CODE:
        if known.where == KEYS:
            return Verdict.BAD_CREDENTIALS
        is_theirs = Culprit.of(known) is Culprit.PHONEPE
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
