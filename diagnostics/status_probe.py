"""One question to PhonePe that moves no money: what became of an order that nobody ever made.

"Not found" is the good answer: PhonePe has read the question, knows the merchant and honours the credentials.
"""

from dataclasses import dataclass

from diagnostics.enums import VERDICT_OF, Verdict
from diagnostics.targets import Door
from payment.gateways import GatewayError, PhonePeGateway
from payment.phonepe.enums import ErrorCategory, Operation
from payment.phonepe.schemas import HttpAttempt
from payment.phonepe.transport import Deadline

NOBODYS_ORDER = "DIAGNOSIS-NO-SUCH-ORDER"
ABOUT_CREDENTIALS = {Verdict.BAD_CREDENTIALS, Verdict.KEY_NOT_CONFIGURED, Verdict.WRONG_ENVIRONMENT}


@dataclass(frozen=True)
class Reply:
    """`verdict` None: the credentials are honoured. `target` is host:port of the last try.

    `honoured`: whether PhonePe accepts our credentials; None when it has not come to that. `door` None: it was asked
    inside this process.
    """

    verdict: Verdict | None
    target: str
    milliseconds: int
    detail: str
    honoured: bool | None = None
    door: Door | None = None


def ask(gateway: PhonePeGateway, deadline: Deadline, door: Door | None = None) -> Reply:
    try:
        http_attempts = gateway.order_status(NOBODYS_ORDER, deadline).http_attempts
    except GatewayError as error:
        return _refused(error, door)
    return _reply(None, http_attempts, "PhonePe answered: no such order, as it should", door)


def no_reply(door: Door | None = None) -> Reply:
    """For a question that did not come back at all."""
    target = door.target if door else ""
    return Reply(Verdict.PHONEPE_DOWN, target, 0, "no answer within the time of the diagnosis", door=door)


def _refused(error: GatewayError, door: Door | None) -> Reply:
    last = error.http_attempts[-1] if error.http_attempts else None
    said = (
        f"{error.error_category}, HTTP {last.http_status}, code {last.code!r}"
        if last
        else error.error_category
    )
    return _reply(_verdict(error.error_category, last), error.http_attempts, said, door)


def _verdict(category: str, last: HttpAttempt | None) -> Verdict:
    if last is not None and last.code == "KEY_NOT_CONFIGURED":
        return Verdict.KEY_NOT_CONFIGURED
    if category == ErrorCategory.AUTHENTICATION and last is not None and _is_unknown_client(last):
        return Verdict.WRONG_ENVIRONMENT
    return VERDICT_OF[ErrorCategory(category)]


def _is_unknown_client(last: HttpAttempt) -> bool:
    """A client id that PhonePe does not know in this environment is told so by 404, a wrong secret by 401."""
    return last.operation == Operation.TOKEN and last.http_status == 404


def _reply(
    verdict: Verdict | None, http_attempts: tuple[HttpAttempt, ...], detail: str, door: Door | None
) -> Reply:
    target = f"{http_attempts[-1].host}:{http_attempts[-1].port}" if http_attempts else ""
    took = sum(each.milliseconds for each in http_attempts)
    return Reply(verdict, target, took, detail, _honoured(verdict, http_attempts), door)


def _honoured(verdict: Verdict | None, http_attempts: tuple[HttpAttempt, ...]) -> bool | None:
    if verdict is None:
        return True
    if verdict in ABOUT_CREDENTIALS:
        return False
    has_token = any(each.operation == Operation.TOKEN and not each.error_category for each in http_attempts)
    return True if has_token else None
