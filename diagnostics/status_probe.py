"""One status request to PhonePe that moves no money: for an order that was never created.

"Not found" is the good answer: PhonePe has read the request, knows the merchant and accepts the credentials.
"""

from dataclasses import dataclass

from diagnostics.enums import Culprit, Verdict
from diagnostics.targets import Target
from payment.gateways import GatewayError, PhonePeGateway
from payment.phonepe.enums import ErrorCategory, Operation
from payment.phonepe.schemas import HttpAttempt
from payment.phonepe.transport import Deadline

UNKNOWN_ORDER = "DIAGNOSIS-NO-SUCH-ORDER"


@dataclass(frozen=True)
class StatusProbeResult:
    """`verdict` None: PhonePe answered as it should. `host_port` is that of the last attempt.

    `credentials_accepted`: None when the request did not get that far. `target` None: a PhonePe inside this process.
    """

    verdict: Verdict | None
    host_port: str
    milliseconds: int
    detail: str
    credentials_accepted: bool | None = None
    target: Target | None = None


def probe_status(
    gateway: PhonePeGateway, deadline: Deadline, target: Target | None = None
) -> StatusProbeResult:
    try:
        http_attempts = gateway.order_status(UNKNOWN_ORDER, deadline).http_attempts
    except GatewayError as error:
        last = error.http_attempts[-1] if error.http_attempts else None
        answer = f", HTTP {last.http_status}, code {last.code!r}" if last else ""
        verdict = _verdict(error.error_category, last)
        return _result(verdict, error.http_attempts, f"{error.error_category}{answer}", target)
    return _result(None, http_attempts, "PhonePe answered: no such order, as it should", target)


def timeout_result(target: Target | None = None) -> StatusProbeResult:
    """For a request that did not return at all."""
    host_port = target.host_port if target else ""
    detail = "no answer within the time of the diagnosis"
    return StatusProbeResult(Verdict.PHONEPE_DOWN, host_port, 0, detail, target=target)


def _verdict(category: str, last: HttpAttempt | None) -> Verdict:
    if last is not None and last.code == "KEY_NOT_CONFIGURED":
        return Verdict.KEY_NOT_CONFIGURED
    # PhonePe answers 404 to a client id that it does not know in this environment, 401 to a wrong secret.
    is_unknown_client = last is not None and last.operation == Operation.TOKEN and last.http_status == 404
    if category == ErrorCategory.AUTHENTICATION and is_unknown_client:
        return Verdict.WRONG_ENVIRONMENT
    return Verdict.of(category)


def _result(
    verdict: Verdict | None, http_attempts: tuple[HttpAttempt, ...], detail: str, target: Target | None
) -> StatusProbeResult:
    host_port = f"{http_attempts[-1].host}:{http_attempts[-1].port}" if http_attempts else ""
    took = sum(each.milliseconds for each in http_attempts)
    return StatusProbeResult(
        verdict, host_port, took, detail, _credentials_accepted(verdict, http_attempts), target
    )


def _credentials_accepted(verdict: Verdict | None, http_attempts: tuple[HttpAttempt, ...]) -> bool | None:
    if verdict is None:
        return True
    if verdict.owner is Culprit.CREDENTIALS:
        return False
    has_token = any(each.operation == Operation.TOKEN and not each.error_category for each in http_attempts)
    return True if has_token else None
