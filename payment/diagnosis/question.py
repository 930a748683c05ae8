"""One question to PhonePe that moves no money: what became of an order that nobody ever made.

"Not found" is the good answer: PhonePe has read the question, knows the merchant and honours the credentials.
"""

from dataclasses import dataclass

from payment.diagnosis.words import VERDICT_OF, Verdict
from payment.gateways import GatewayError, PhonePeGateway
from payment.messages import Try
from payment.states import ErrorCategory, Operation
from payment.transport import Deadline

NOBODYS_ORDER = "DIAGNOSIS-NO-SUCH-ORDER"


@dataclass(frozen=True)
class Reply:
    """`verdict` None: the credentials are honoured. `target` is host:port of the last try."""

    verdict: Verdict | None
    target: str
    milliseconds: int
    detail: str


def ask(gateway: PhonePeGateway, deadline: Deadline) -> Reply:
    try:
        tries = gateway.order_status(NOBODYS_ORDER, deadline).tries
    except GatewayError as error:
        return _refused(error)
    return _reply(None, tries, "PhonePe answered: no such order, as it should")


def no_reply() -> Reply:
    """For a question that did not come back at all."""
    return Reply(Verdict.PHONEPE_DOWN, "", 0, "no answer within the time of the diagnosis")


def _refused(error: GatewayError) -> Reply:
    last = error.tries[-1] if error.tries else None
    said = (
        f"{error.error_category}, HTTP {last.http_status}, code {last.code!r}"
        if last
        else error.error_category
    )
    return _reply(_verdict(error.error_category, last), error.tries, said)


def _verdict(category: str, last: Try | None) -> Verdict:
    if last is not None and last.code == "KEY_NOT_CONFIGURED":
        return Verdict.KEY_NOT_CONFIGURED
    # A client id that PhonePe does not know in this environment is told so by 404, a wrong secret by 401.
    if last is not None and last.operation == Operation.TOKEN and last.http_status == 404:
        return Verdict.WRONG_ENVIRONMENT
    return VERDICT_OF[ErrorCategory(category)]


def _reply(verdict: Verdict | None, tries: tuple[Try, ...], detail: str) -> Reply:
    target = f"{tries[-1].host}:{tries[-1].port}" if tries else ""
    return Reply(verdict, target, sum(each.milliseconds for each in tries), detail)
