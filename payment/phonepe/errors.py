"""One failed HTTP attempt: its category, and whether a retry is safe.

Decided by the types of the exceptions, the stage reached and the shape of the answer, never by their text. Only the
label of a rejection may follow PhonePe's sentence, where it sends no code.
"""

import errno
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TypeVar

import requests
from urllib3 import exceptions as urllib3_errors

from payment.phonepe.enums import ErrorCategory, Operation, Stage
from payment.phonepe.response_codes import MEANINGS
from payment.phonepe.schemas import Json, RequestOutcome, Unreadable, code, json_object, words
from payment.phonepe.transport import Answer, DeadlineExceeded, ResponseTooLarge

T = TypeVar("T")

# Everything that an HTTP attempt can raise. Any other exception is a bug of ours.
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
    errno.EACCES,  # a route of type "prohibit"
    errno.EINVAL,  # a route of type "blackhole"
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
# PhonePe's API gateway answers 400 and 404 without a code of its own: only its sentence says what is unknown.
PATH_UNKNOWN = re.compile(r"api mapping not found|no route (?:matched|and no api)", re.IGNORECASE)
CLIENT_UNKNOWN = re.compile(
    r"(?:client|merchant)(?:[ _]?id)?[ _](?:was[ _])?(?:not[ _]found|does[ _]not[ _]exist)", re.IGNORECASE
)
CLIENT_REFUSED = re.compile(r"(?:invalid|unauthorized)[ _]client", re.IGNORECASE)  # RFC 6749
PATH_STATUSES = {404, 405, 410}

LONGEST_WAIT = 86_400.0  # seconds: a longer Retry-After is cut


class RequestFailed(Exception):
    """An HTTP attempt without a usable answer. `PhonePeClient.send` retries by what this says."""

    def __init__(
        self,
        category: ErrorCategory,
        outcome: RequestOutcome,
        *,
        http_status: int | None = None,
        code: str = "",
        message: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{category.value}, {outcome.name}, HTTP {http_status}, code {code!r}")
        self.category = category
        self.outcome = outcome
        self.http_status = http_status
        self.code = code
        self.message = message
        self.retry_after = retry_after

    def as_not_sent(self) -> "RequestFailed":
        """The same failure, of a request that goes before the one in question: that one was not sent."""
        if self.outcome is RequestOutcome.AMBIGUOUS:
            return RequestFailed(
                self.category,
                RequestOutcome.NOT_SENT,
                http_status=self.http_status,
                code=self.code,
                message=self.message,
            )
        return self

    def may_retry(self, operation: Operation) -> bool:
        if self.outcome is RequestOutcome.AMBIGUOUS:
            return operation.idempotent
        return self.outcome in {RequestOutcome.NOT_SENT, RequestOutcome.THROTTLED}


def classify_error(error: BaseException, stage: Stage | None) -> RequestFailed:
    """The failure of an attempt that ended without a whole answer."""
    outcome = RequestOutcome.NOT_SENT if nothing_sent(error, stage) else RequestOutcome.AMBIGUOUS
    return RequestFailed(categorize(error, stage), outcome)


def parse_response(
    operation: Operation,
    answer: Answer,
    classify_answer: Callable[[Operation, int, Json], RequestOutcome | None],
    read: Callable[[Json], T],
) -> tuple[T, str]:
    """What `read` makes of an answer's JSON, and PhonePe's code. Raises RequestFailed.

    `classify_answer` is that of the API version: None for an answer that can be read.
    """
    status, payload = answer.http_status, json_object(answer.body)
    body = payload or {}
    sentences = (words(body.get(name)) for name in ("message", "error", "error_description"))
    word, message = code(body), next(filter(None, sentences), "")

    def failed(
        category: ErrorCategory, outcome: RequestOutcome, retry_after: float | None = None
    ) -> RequestFailed:
        return RequestFailed(
            category, outcome, http_status=status, code=word, message=message, retry_after=retry_after
        )

    if status == 429 or word == "TOO_MANY_REQUESTS":
        raise failed(ErrorCategory.RATE_LIMITED, RequestOutcome.THROTTLED, _parse_retry_after(answer.headers))
    if status >= 500 or status == 408:
        raise failed(ErrorCategory.GATEWAY_5XX, RequestOutcome.AMBIGUOUS)
    if payload is None or 300 <= status < 400:
        # A page or a redirect comes from somebody between us and PhonePe; broken JSON from PhonePe.
        is_page = "html" in answer.headers.get("Content-Type", "").lower()
        is_foreign = is_page or status >= 300
        category = ErrorCategory.BLOCKED_RESPONSE if is_foreign else ErrorCategory.BAD_RESPONSE
        raise RequestFailed(category, RequestOutcome.AMBIGUOUS, http_status=status)
    outcome = classify_answer(operation, status, payload)
    if outcome is not None:
        raise failed(_categorize_rejection(operation, status, word, message), outcome)
    try:
        return read(payload), word
    except Unreadable as error:
        raise failed(ErrorCategory.BAD_RESPONSE, RequestOutcome.AMBIGUOUS) from error


def categorize(error: BaseException, stage: Stage | None) -> ErrorCategory:
    """The category of an exception. `stage` None: an adapter that writes no stage; then the exceptions decide."""
    causes = list(_causes(error))
    for kinds, category in BY_TYPE:
        if any(isinstance(cause, kinds) for cause in causes):
            return category
    if any(isinstance(cause, TLS_ERRORS) for cause in causes) and nothing_sent(error, stage):
        return ErrorCategory.TLS_ERROR
    if any(getattr(cause, "errno", None) in UNREACHABLE for cause in causes):
        return ErrorCategory.NETWORK_UNREACHABLE
    if not any(isinstance(cause, TIMEOUTS) for cause in causes):
        return ErrorCategory.CONNECTION_RESET
    # Which step did not end in time.
    if not nothing_sent(error, stage):
        return ErrorCategory.READ_TIMEOUT
    if stage is Stage.STARTED:
        return ErrorCategory.DNS_ERROR
    if stage in {Stage.CONNECTED, Stage.PROXIED}:
        return ErrorCategory.TLS_ERROR
    return ErrorCategory.CONNECTION_TIMEOUT


def nothing_sent(error: BaseException, stage: Stage | None) -> bool:
    """Whether no byte of the request can have left us."""
    if stage is not None:
        return stage.nothing_sent
    return any(isinstance(cause, NEVER_SENT) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and its causes, which `requests` and urllib3 keep in args and `reason`, too."""
    queue, seen = [error], set[int]()
    while queue:
        cause = queue.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        found = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        queue += [inner for inner in found if isinstance(inner, BaseException)]


def _categorize_rejection(operation: Operation, http_status: int, word: str, message: str) -> ErrorCategory:
    """The label of a rejection for people. Whether a retry is safe is decided before, and without `message`."""
    if PATH_UNKNOWN.search(message):
        return ErrorCategory.WRONG_ENDPOINT
    text = f"{word} {message}"
    is_client_refused = CLIENT_UNKNOWN.search(text) or CLIENT_REFUSED.search(text)
    if http_status == 401 or word in CREDENTIALS_REFUSED or is_client_refused:
        return ErrorCategory.AUTHENTICATION
    is_unknown_path = http_status in PATH_STATUSES and word not in MEANINGS
    if is_unknown_path or word == "404" or (word == "" and http_status == 400):
        return ErrorCategory.WRONG_ENDPOINT
    return ErrorCategory.AUTHENTICATION if operation is Operation.TOKEN else ErrorCategory.REJECTED


def _parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from either form of `Retry-After`. A moment is compared with the answer's own `Date` header."""
    value = headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return float(min(int(value[:6]), LONGEST_WAIT))
    moment = _parse_date(value)
    if moment is None:
        return None
    now = _parse_date(headers.get("Date", "")) or datetime.now(timezone.utc)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT)


def _parse_date(header: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # the latter: a time zone without end
        return None
    return None if moment.tzinfo is None else moment
