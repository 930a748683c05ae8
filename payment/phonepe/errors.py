"""One failed try: what went wrong, and what that means for saying the same thing again.

Decided by the types of the exceptions, the stage reached and the shape of the answer, never by their text.
"""

import errno
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import requests
from urllib3 import exceptions as urllib3_errors

from payment.phonepe.enums import ErrorCategory, Operation, Stage
from payment.phonepe.schemas import Json, RequestOutcome, code, json_object
from payment.phonepe.transport import Answer, DeadlineExceeded, ResponseTooLarge

# Everything the wire can raise; all else is a mistake of ours.
WIRE_ERRORS = (
    requests.RequestException,
    urllib3_errors.HTTPError,
    http.client.HTTPException,
    OSError,
    ResponseTooLarge,
)

UNREACHABLE = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.ENETDOWN,
    errno.EACCES,  # a route that prohibits
    errno.EINVAL,  # a route that swallows ("blackhole")
    errno.EPERM,  # a firewall on this machine
}
TIMEOUTS = (TimeoutError, requests.Timeout, urllib3_errors.TimeoutError)
NEVER_SENT = (
    DeadlineExceeded,
    socket.gaierror,
    ConnectionRefusedError,
    requests.ConnectTimeout,
    requests.exceptions.ProxyError,
    requests.exceptions.SSLError,
    requests.exceptions.InvalidURL,
    urllib3_errors.NewConnectionError,
    urllib3_errors.ConnectTimeoutError,
)
BY_TYPE: tuple[tuple[tuple[type[BaseException], ...], ErrorCategory], ...] = (
    ((urllib3_errors.ProxyError, requests.exceptions.ProxyError), ErrorCategory.PROXY_ERROR),
    ((socket.gaierror, urllib3_errors.NameResolutionError), ErrorCategory.DNS_ERROR),
    ((ConnectionRefusedError,), ErrorCategory.CONNECTION_REFUSED),
    ((ResponseTooLarge, http.client.LineTooLong, urllib3_errors.DecodeError), ErrorCategory.BAD_RESPONSE),
)
TLS_ERRORS = (ssl.SSLError, urllib3_errors.SSLError, requests.exceptions.SSLError)

CREDENTIALS_REFUSED = {"AUTHORIZATION_FAILED", "KEY_NOT_CONFIGURED", "INVALID_CLIENT", "401"}

LONGEST_WAIT = 86_400.0  # seconds: what anybody may tell us to wait


class RequestFailed(Exception):
    """A try without a usable answer. The loop in `payment.phonepe.client` only obeys what is said here."""

    def __init__(
        self,
        category: ErrorCategory,
        outcome: RequestOutcome,
        *,
        http_status: int | None = None,
        code: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{category.value}, {outcome.name}, HTTP {http_status}, code {code!r}")
        self.category = category
        self.outcome = outcome
        self.http_status = http_status
        self.code = code
        self.retry_after = retry_after

    def as_not_sent(self) -> "RequestFailed":
        """The same failure of a step before the message itself: whatever arrived, the message did not."""
        if self.outcome is RequestOutcome.AMBIGUOUS:
            return RequestFailed(
                self.category, RequestOutcome.NOT_SENT, http_status=self.http_status, code=self.code
            )
        return self

    def may_retry(self, operation: Operation) -> bool:
        if self.outcome is RequestOutcome.AMBIGUOUS:
            return operation.idempotent
        return self.outcome in {RequestOutcome.NOT_SENT, RequestOutcome.THROTTLED}


def classify_error(error: BaseException, stage: Stage | None) -> RequestFailed:
    """The wire broke before there was a whole answer."""
    outcome = RequestOutcome.NOT_SENT if nothing_sent(error, stage) else RequestOutcome.AMBIGUOUS
    return RequestFailed(categorize(error, stage), outcome)


def parse_response(
    operation: Operation, answer: Answer, outcome: Callable[[Operation, int, Json], RequestOutcome | None]
) -> Json:
    """The JSON that an answer carries. `outcome` is the generation's own. Raises RequestFailed."""
    status, said = answer.http_status, json_object(answer.body)
    word = code(said or {})
    if status == 429 or word == "TOO_MANY_REQUESTS":
        wait = _parse_retry_after(answer.headers.get("Retry-After", ""), answer.headers.get("Date", ""))
        raise RequestFailed(
            ErrorCategory.RATE_LIMITED,
            RequestOutcome.THROTTLED,
            http_status=status,
            code=word,
            retry_after=wait,
        )
    if status >= 500 or status == 408:
        raise RequestFailed(
            ErrorCategory.GATEWAY_5XX, RequestOutcome.AMBIGUOUS, http_status=status, code=word
        )
    if said is None or 300 <= status < 400:
        raise RequestFailed(_categorize_unreadable(answer), RequestOutcome.AMBIGUOUS, http_status=status)
    if (verdict := outcome(operation, status, said)) is None:
        return said
    raise RequestFailed(
        _categorize_rejection(operation, status, word), verdict, http_status=status, code=word
    )


def categorize(error: BaseException, stage: Stage | None) -> ErrorCategory:
    """What broke. `stage` None: an adapter that writes no stage, judged by the exceptions alone."""
    causes = list(_causes(error))
    for kinds, verdict in BY_TYPE:
        if any(isinstance(cause, kinds) for cause in causes):
            return verdict
    if any(isinstance(cause, TLS_ERRORS) for cause in causes) and nothing_sent(error, stage):
        return ErrorCategory.TLS_ERROR
    if any(getattr(cause, "errno", None) in UNREACHABLE for cause in causes):
        return ErrorCategory.NETWORK_UNREACHABLE
    if any(isinstance(cause, TIMEOUTS) for cause in causes):
        return _categorize_timeout(stage, nothing_sent(error, stage))
    return ErrorCategory.CONNECTION_RESET


def nothing_sent(error: BaseException, stage: Stage | None) -> bool:
    """Whether no byte of the request can have left us."""
    if stage is not None:
        return stage.nothing_sent
    return any(isinstance(cause, NEVER_SENT) for cause in _causes(error))


def _categorize_timeout(stage: Stage | None, unsent: bool) -> ErrorCategory:
    """Which hop it was that did not answer in time."""
    if not unsent:
        return ErrorCategory.READ_TIMEOUT
    if stage is Stage.STARTED:
        return ErrorCategory.DNS_ERROR
    if stage in {Stage.CONNECTED, Stage.PROXIED}:
        return ErrorCategory.TLS_ERROR
    return ErrorCategory.CONNECTION_TIMEOUT


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and all it was made from: `requests` and urllib3 keep them in args and `reason`, too."""
    queue, seen = [error], set[int]()
    while queue:
        cause = queue.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        found = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        queue += [inner for inner in found if isinstance(inner, BaseException)]


def _categorize_unreadable(answer: Answer) -> ErrorCategory:
    """A page or a redirect comes from somebody between us and PhonePe; broken JSON from PhonePe."""
    page = "html" in answer.headers.get("Content-Type", "").lower()
    return ErrorCategory.BLOCKED_RESPONSE if page or answer.http_status >= 300 else ErrorCategory.BAD_RESPONSE


def _categorize_rejection(operation: Operation, http_status: int, word: str) -> ErrorCategory:
    if http_status == 401 or word in CREDENTIALS_REFUSED:
        return ErrorCategory.AUTHENTICATION
    if word == "404" or (word == "" and http_status == 400):
        return ErrorCategory.WRONG_ENDPOINT
    return ErrorCategory.AUTHENTICATION if operation is Operation.TOKEN else ErrorCategory.REJECTED


def _parse_retry_after(value: str, date: str) -> float | None:
    """Seconds, from either form of the header. A moment is compared with the answer's own `Date`: of one clock."""
    if value.isascii() and value.isdigit():
        return float(min(int(value[:6]), LONGEST_WAIT))
    moment = _parse_date(value)
    if moment is None:
        return None
    now = _parse_date(date) or datetime.now(timezone.utc)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT)


def _parse_date(header: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # the latter: a time zone without end
        return None
    return None if moment.tzinfo is None else moment
