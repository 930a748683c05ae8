"""How one message gets to PhonePe and its answer back: endpoints, pauses, token, a record of each try.

There is one loop. A failed try says whether it may be repeated; the loop only obeys.
"""

import functools
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from django.conf import settings
from django.utils import timezone

from payment.phonepe import transport, v2
from payment.phonepe.circuit_breaker import CircuitBreaker
from payment.phonepe.credentials import Endpoint, Merchant, host_and_port
from payment.phonepe.enums import ErrorCategory, Operation, Stage
from payment.phonepe.errors import WIRE_ERRORS, RequestFailed, classify_error, parse_response
from payment.phonepe.oauth import TokenStore
from payment.phonepe.schemas import HttpAttempt, Json, Request, RequestOutcome, Unreadable, code
from payment.phonepe.transport import Answer, Deadline, Session

logger = logging.getLogger(__name__)
T = TypeVar("T")
FateOf = Callable[[Operation, int, Json], RequestOutcome | None]

BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS = 0.5, 4.0
# What must not be said twice leaves the rest of the time for asking what became of it.
SEND_SHARE = 0.8


@dataclass
class Call:
    """One call of ours: its deadline, its http_attempts, the repeats it took, whether anything may have arrived."""

    deadline: Deadline
    http_attempts: list[HttpAttempt] = field(default_factory=list)
    repeats: int = 0
    in_doubt: bool = False


class Courier:
    """Carries the messages of one merchant. Safe to share between threads."""

    def __init__(
        self,
        merchant: Merchant,
        outcome: FateOf,
        tokens: TokenStore | None,
        session: Session | None,
        sleep: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._merchant = merchant
        self._fate = outcome
        self._tokens = tokens
        self._session = session
        self._sleep = sleep
        self._clock = clock
        self._breaker = CircuitBreaker(clock)

    def deliver(self, request: Request, read: Callable[[Json], T], call: Call) -> T:
        """One message, answered and read. A refused token is renewed once. Raises RequestFailed.

        A 401 that is not PhonePe's own leaves open whether the message arrived: then it is not said again here.
        """
        if self._tokens is None:
            return self._go_round(request, {}, read, call, call.deadline)
        grant = self._grant(self._tokens, call)
        try:
            return self._go_round(request, v2.authorization(grant), read, call, call.deadline)
        except RequestFailed as failure:
            if failure.http_status != 401:
                raise
            self._tokens.refused(grant)
            if failure.outcome is RequestOutcome.AMBIGUOUS and not request.operation.idempotent:
                raise
        grant = self._grant(self._tokens, call)
        return self._go_round(request, v2.authorization(grant), read, call, call.deadline)

    def knock(self, call: Call) -> None:
        """Every endpoint once, page hosts too, unsigned. The http_attempts of the call say what came of it."""
        endpoints = self._merchant.endpoints
        for position, endpoint in enumerate(endpoints):
            share = call.deadline.within(call.deadline.remaining() / (len(endpoints) - position))
            exchange = Exchange(endpoint, Request(Operation.PROBE, "GET", "/"), share, self._clock)
            try:
                answer = exchange.send(self._session or transport.session(), {})
            except RequestFailed as failure:
                call.http_attempts.append(
                    exchange.record(failure.http_status, failure.code, failure.category)
                )
            else:
                call.http_attempts.append(exchange.record(answer.http_status, "", None))

    def pause(self, failure: RequestFailed, call: Call, deadline: Deadline) -> bool:
        """Waits before a repeat, at random up to a bound that doubles. False: no repeat or no time left."""
        longest = min(BACKOFF_BASE_SECONDS * 2**call.repeats, BACKOFF_CAP_SECONDS)
        seconds = random.uniform(0, longest) if failure.retry_after is None else failure.retry_after
        if call.repeats >= settings.PHONEPE_MAX_RETRIES or seconds >= deadline.remaining():
            return False
        call.repeats += 1
        self._sleep(seconds)
        return True

    def _grant(self, tokens: TokenStore, call: Call) -> v2.AccessToken:
        """A token, in half of the time left. Without one the message itself has not been said."""
        deadline = call.deadline.within(call.deadline.remaining() / 2)
        request = v2.token(self._merchant)
        fetch = functools.partial(self._go_round, request, {}, v2.read_access_token, call)
        try:
            return tokens.get(fetch, deadline)
        except RequestFailed as failure:
            raise failure.as_not_sent() from failure

    def _go_round(
        self,
        request: Request,
        headers: Mapping[str, str],
        read: Callable[[Json], T],
        call: Call,
        deadline: Deadline,
    ) -> T:
        """The one loop: each endpoint in turn, then again after a pause, as long as the failures allow it."""
        route = self._breaker.order_by_health(self._route(request.operation))
        turn = 0
        while True:
            share = _share(request.operation, deadline, len(route) - turn)
            try:
                return self._try(route[turn % len(route)], request, headers, read, share, call)
            except RequestFailed as failure:
                if deadline.expired or not failure.may_retry(request.operation):
                    raise
                may_go_on = turn + 1 < len(route) and failure.outcome is not RequestOutcome.THROTTLED
                if not may_go_on and not self.pause(failure, call, deadline):
                    raise
                turn += 1

    def _route(self, operation: Operation) -> list[Endpoint]:
        """An order is opened where connecting works. No circuit ever holds back a question or a refund."""
        signing = [endpoint for endpoint in self._merchant.endpoints if endpoint.signs]
        if operation is not Operation.PAY:
            return signing
        return [endpoint for endpoint in signing if self._breaker.allows(endpoint)] or signing

    def _try(
        self,
        endpoint: Endpoint,
        request: Request,
        headers: Mapping[str, str],
        read: Callable[[Json], T],
        share: Deadline,
        call: Call,
    ) -> T:
        exchange = Exchange(endpoint, request, share, self._clock)
        try:
            answer = exchange.send(self._session or transport.session(), headers)
            said = parse_response(request.operation, answer, self._fate)
            result = _read(read, said, answer)
        except RequestFailed as failure:
            call.http_attempts.append(exchange.record(failure.http_status, failure.code, failure.category))
            self._learn(endpoint, failure)
            raise
        call.http_attempts.append(exchange.record(answer.http_status, code(said), None))
        self._breaker.record_success(endpoint)
        return result

    def _learn(self, endpoint: Endpoint, failure: RequestFailed) -> None:
        if failure.outcome is RequestOutcome.AMBIGUOUS:
            self._breaker.record_ambiguous(endpoint)
        if failure.outcome is RequestOutcome.NOT_SENT:
            self._breaker.record_failure(endpoint)
        else:
            self._breaker.record_success(endpoint)


class Exchange:
    """One HTTP try: sent once, then told as a `HttpAttempt`."""

    def __init__(
        self, endpoint: Endpoint, request: Request, share: Deadline, clock: Callable[[], float]
    ) -> None:
        self._endpoint = endpoint
        self._request = request
        self._share = share
        self._clock = clock
        self._base = endpoint.auth_base_url if request.operation is Operation.TOKEN else endpoint.base_url
        self._stage: Stage | None = None
        self._started_at, self._began = timezone.now(), clock()

    def send(self, session: Session, headers: Mapping[str, str]) -> Answer:
        """Raises RequestFailed."""
        in_flight = session.start_request(self._share)
        url = self._base + self._request.path
        try:
            return session.send_request(
                in_flight,
                self._request.method,
                url,
                body=self._request.body,
                headers={**self._request.headers, **headers},
                proxy=self._endpoint.proxy,
            )
        except WIRE_ERRORS as error:
            raise classify_error(error, in_flight.stage) from error
        finally:
            self._stage = in_flight.stage

    def record(self, http_status: int | None, code: str, category: ErrorCategory | None) -> HttpAttempt:
        host, port = host_and_port(self._base)
        made = HttpAttempt(
            operation=self._request.operation,
            endpoint=self._base,
            host=host,
            port=port,
            proxy=self._endpoint.proxy_name,
            stage=Stage.STARTED if self._stage is None else self._stage,
            milliseconds=round((self._clock() - self._began) * 1000),
            http_status=http_status,
            code=code,
            error_category=category.value if category else "",
            started_at=self._started_at,
        )
        if category:
            logger.warning("PhonePe: a try failed", extra=_told(made))
        return made


def _read(read: Callable[[Json], T], said: Json, answer: Answer) -> T:
    try:
        return read(said)
    except Unreadable as error:
        status, word = answer.http_status, code(said)
        raise RequestFailed(
            ErrorCategory.BAD_RESPONSE, RequestOutcome.AMBIGUOUS, http_status=status, code=word
        ) from error


def _share(operation: Operation, deadline: Deadline, endpoints_left: int) -> Deadline:
    """A silent endpoint must not eat the time of the next one, nor saying the time for asking."""
    part = 1.0 if operation.idempotent else SEND_SHARE
    return deadline.within(deadline.remaining() * part / max(endpoints_left, 1))


def _told(made: HttpAttempt) -> dict[str, object]:
    host, port = made.hop
    return {
        "hop": "phonepe" if host == made.host else "proxy",
        "host": host,
        "port": port,
        "operation": made.operation.value,
        "proxy": made.proxy,
        "stage": made.stage.name,
        "ms": made.milliseconds,
        "http_status": made.http_status,
        "phonepe_code": made.code,
        "error_category": made.error_category,
    }
