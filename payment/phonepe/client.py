"""The HTTP client of PhonePe's API: endpoint fallback, retries with exponential backoff and full jitter, access token,
circuit breaker, rate limit, and a record of each HTTP attempt.

`PhonePeClient.send` is the loop over endpoints and retries; `RequestFailed.may_retry` decides whether a retry is safe.
After an ambiguous answer to an order or a refund, `payment/gateways.py` fetches the status before it sends again.
"""

import functools
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from payment.phonepe import credentials, transport, v2
from payment.phonepe.circuit_breaker import CircuitBreaker
from payment.phonepe.credentials import Endpoint, Merchant, host_and_port
from payment.phonepe.enums import ErrorCategory, Operation, Stage
from payment.phonepe.errors import WIRE_ERRORS, RequestFailed, categorize, classify_error, parse_response
from payment.phonepe.oauth import TokenStore
from payment.phonepe.rate_limit import RateLimit
from payment.phonepe.schemas import HttpAttempt, Json, Request, RequestOutcome
from payment.phonepe.transport import Deadline, InFlightRequest, Session
from payment.phonepe.v2 import AccessToken

logger = logging.getLogger(__name__)
T = TypeVar("T")
ClassifyAnswer = Callable[[Operation, int, Json], RequestOutcome | None]

BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS = 0.5, 4.0
# A request that must not be sent twice leaves a fifth of the time for the status request after it.
SEND_SHARE = 0.8


@dataclass
class CallContext:
    """One call of the gateway: its deadline, its HTTP attempts and its retries.

    `may_have_arrived`: PhonePe may know the order or refund, because an attempt ended ambiguously.
    """

    deadline: Deadline
    may_have_arrived: bool = False
    retries: int = 0
    http_attempts: list[HttpAttempt] = field(default_factory=list)

    def record(
        self,
        operation: Operation,
        endpoint: Endpoint,
        in_flight: InFlightRequest,
        *,
        http_status: int | None = None,
        code: str = "",
        message: str = "",
        category: ErrorCategory | None = None,
    ) -> None:
        """Keeps the attempt, and logs it when it failed."""
        base_url = endpoint.base_url_for(operation)
        host, port = host_and_port(base_url)
        attempt = HttpAttempt(
            operation=operation,
            endpoint=base_url,
            host=host,
            port=port,
            proxy=endpoint.proxy_name,
            stage=in_flight.stage or Stage.STARTED,
            milliseconds=in_flight.elapsed_ms,
            http_status=http_status,
            code=code,
            error_category=category.value if category else "",
            started_at=in_flight.started_at,
            message=message,
        )
        self.http_attempts.append(attempt)
        if category:
            failed_host, failed_port = attempt.hop
            extra = {
                "hop": "phonepe" if failed_host == host else "proxy",
                "host": failed_host,
                "port": failed_port,
                "operation": operation.value,
                "proxy": attempt.proxy,
                "stage": attempt.stage.name,
                "ms": attempt.milliseconds,
                "http_status": http_status,
                "phonepe_code": code,
                "error_category": attempt.error_category,
            }
            logger.warning("PhonePe: an HTTP attempt failed", extra=extra)


class PhonePeClient:
    """Sends the requests of one merchant. Safe to share between threads."""

    def __init__(
        self,
        merchant: Merchant,
        classify_answer: ClassifyAnswer,
        tokens: TokenStore | None,
        session: Session | None,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
        rate_limit: RateLimit | None = None,
    ) -> None:
        self._merchant = merchant
        self._classify_answer = classify_answer
        self._tokens = tokens
        self._session = session
        self._sleep = sleep
        self._breaker = CircuitBreaker(clock)
        self._rate_limit = rate_limit or RateLimit(merchant, clock)

    def send(
        self,
        request: Request,
        read: Callable[[Json], T],
        context: CallContext,
        deadline: Deadline | None = None,
    ) -> T:
        """Sends a request until it has a usable answer, and returns what `read` makes of it. Raises RequestFailed.

        `deadline` is that of the call unless an earlier one is given.
        """
        operation, deadline = request.operation, deadline or context.deadline
        endpoints: list[Endpoint] = []
        turn, has_new_token = 0, False
        while True:
            token = self._authorize(operation, context)
            # Ordered after the token request, which shows which endpoints work.
            endpoints = endpoints or self._order_endpoints(operation)
            endpoint = endpoints[turn % len(endpoints)]
            # A silent endpoint leaves time for the next one, and for a status request.
            part = 1.0 if operation.idempotent else SEND_SHARE
            share = deadline.within(deadline.remaining() * part / max(len(endpoints) - turn, 1))
            try:
                self._refuse_while_limited(context)
                return self._send_once(endpoint, request, token, read, context, share)
            except RequestFailed as failure:
                if not deadline.expired and failure.may_retry(operation):
                    has_next = turn + 1 < len(endpoints) and failure.outcome is not RequestOutcome.THROTTLED
                    if has_next or self.back_off(failure, context, deadline):
                        turn += 1
                        continue
                if token is None or self._tokens is None or has_new_token or failure.http_status != 401:
                    raise
                self._tokens.discard(token)
                # A 401 that PhonePe did not write does not say whether the request arrived.
                if failure.outcome is RequestOutcome.AMBIGUOUS and not operation.idempotent:
                    raise
                endpoints, turn, has_new_token = [], 0, True

    def probe_endpoints(self, context: CallContext) -> None:
        """Sends one unsigned GET to every endpoint, page hosts included. The attempts of the call are the result."""
        endpoints = self._merchant.endpoints
        session = self._session or transport.session()
        for position, endpoint in enumerate(endpoints):
            remaining = context.deadline.remaining()
            in_flight = session.start_request(
                context.deadline.within(remaining / (len(endpoints) - position))
            )
            try:
                answer = session.send_request(in_flight, "GET", endpoint.base_url + "/", proxy=endpoint.proxy)
            except WIRE_ERRORS as error:
                category = categorize(error, in_flight.stage)
                context.record(Operation.PROBE, endpoint, in_flight, category=category)
            else:
                context.record(Operation.PROBE, endpoint, in_flight, http_status=answer.http_status)

    def back_off(
        self, failure: RequestFailed, context: CallContext, deadline: Deadline | None = None
    ) -> bool:
        """Waits before a retry: exponential backoff with full jitter, or as long as PhonePe asks for.

        False, without a wait, when no retry or not enough time is left.
        """
        remaining = (deadline or context.deadline).remaining()
        longest = min(BACKOFF_BASE_SECONDS * 2**context.retries, BACKOFF_CAP_SECONDS)
        seconds = random.uniform(0, longest) if failure.retry_after is None else failure.retry_after
        if context.retries >= credentials.config().max_retries or seconds >= remaining:
            return False
        context.retries += 1
        self._sleep(seconds)
        return True

    def _authorize(self, operation: Operation, context: CallContext) -> AccessToken | None:
        """A valid access token, within half of the time left; None where a request is sent without one.

        Raises RequestFailed: without a token the request itself was not sent.
        """
        if self._tokens is None or operation is Operation.TOKEN:
            return None
        deadline = context.deadline.within(context.deadline.remaining() / 2)
        fetch = functools.partial(self.send, v2.token_request(self._merchant), v2.read_access_token, context)
        try:
            return self._tokens.get(fetch, deadline)
        except RequestFailed as failure:
            not_sent = failure.as_not_sent()
            if not_sent is failure:
                raise  # with its own cause
            raise not_sent from failure

    def _refuse_while_limited(self, context: CallContext) -> None:
        """Raises RequestFailed: PhonePe has told some process of ours to wait. A retry has waited already."""
        if not context.http_attempts and (seconds := self._rate_limit.seconds_left()):
            raise RequestFailed(
                ErrorCategory.RATE_LIMITED,
                RequestOutcome.THROTTLED,
                retry_after=seconds + random.uniform(0, 1),
            )

    def _order_endpoints(self, operation: Operation) -> list[Endpoint]:
        """The endpoints that work best come first. Only the opening of an order leaves out an open circuit."""
        endpoints = [endpoint for endpoint in self._merchant.endpoints if endpoint.signs]
        if operation is Operation.PAY:
            allowed = [endpoint for endpoint in endpoints if self._breaker.allows(endpoint)]
            endpoints = allowed or endpoints
        return self._breaker.order_by_health(endpoints)

    def _send_once(
        self,
        endpoint: Endpoint,
        request: Request,
        token: AccessToken | None,
        read: Callable[[Json], T],
        context: CallContext,
        deadline: Deadline,
    ) -> T:
        """One HTTP attempt: sends, classifies and records it. Raises RequestFailed."""
        session = self._session or transport.session()
        in_flight = session.start_request(deadline)
        headers = {**request.headers, **(v2.authorization(token) if token else {})}
        try:
            answer = session.send_request(
                in_flight,
                request.method,
                endpoint.base_url_for(request.operation) + request.path,
                body=request.body,
                headers=headers,
                proxy=endpoint.proxy,
            )
            result, code = parse_response(request.operation, answer, self._classify_answer, read)
        except WIRE_ERRORS as error:
            failure = classify_error(error, in_flight.stage)
            self._record_failure(request.operation, endpoint, in_flight, failure, context)
            raise failure from error
        except RequestFailed as failure:
            self._record_failure(request.operation, endpoint, in_flight, failure, context)
            raise
        context.record(request.operation, endpoint, in_flight, http_status=answer.http_status, code=code)
        self._breaker.record_success(endpoint)
        return result

    def _record_failure(
        self,
        operation: Operation,
        endpoint: Endpoint,
        in_flight: InFlightRequest,
        failure: RequestFailed,
        context: CallContext,
    ) -> None:
        context.record(
            operation,
            endpoint,
            in_flight,
            http_status=failure.http_status,
            code=failure.code,
            # An answer about an order may repeat what we said of the customer.
            message=failure.message if operation.idempotent else "",
            category=failure.category,
        )
        if failure.outcome is RequestOutcome.NOT_SENT:
            self._breaker.record_failure(endpoint)
            return
        if failure.outcome is RequestOutcome.THROTTLED:
            self._rate_limit.record(failure.retry_after)
        self._breaker.record_success(endpoint)
        if failure.outcome is RequestOutcome.AMBIGUOUS:
            self._breaker.record_ambiguous(endpoint)
            context.may_have_arrived |= not operation.idempotent
