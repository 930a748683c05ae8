"""PhonePe as the rest of the house sees it: open an order, ask about it, refund, hear webhooks.

    Refusal (core.errors)
    ├── NotConfigured        503  no credentials for this
    ├── NotAuthentic         401  a webhook that does not prove to come from PhonePe
    └── GatewayError              carries what was tried: error_category, host, port, http_attempts
        ├── NotSent          503  nothing can have reached PhonePe, or it turned us away unread
        ├── Rejected         502  PhonePe read it and said no
        ├── OutcomeUnknown   504  it may have arrived; nobody could say within the deadline
        └── CheckoutPageLost         409  PhonePe knows the order, its page cannot be had; never leaves the services

The law of repeating: what was never sent may go to the next endpoint. What may have arrived is not said again
before PhonePe was asked about it.
"""

import functools
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from core.errors import Refusal
from payment.phonepe import credentials, response_codes, v1, v2
from payment.phonepe.client import Call, Courier
from payment.phonepe.credentials import Identity, Merchant, NotConfigured
from payment.phonepe.enums import ErrorCategory, Generation, Operation, ProviderStatus
from payment.phonepe.errors import RequestFailed
from payment.phonepe.oauth import TokenStore
from payment.phonepe.response_codes import Sentence
from payment.phonepe.schemas import (
    CheckoutPage,
    HttpAttempt,
    Json,
    Order,
    OrderStatus,
    RefundOrder,
    RefundStatus,
    Request,
    RequestOutcome,
    Unreadable,
    WebhookClaim,
)
from payment.phonepe.transport import Deadline, Session
from payment.phonepe.webhooks import NotAuthentic, authenticate_webhook

__all__ = [
    "CheckoutPage",
    "CheckoutPageLost",
    "Deadline",
    "GatewayError",
    "HttpAttempt",
    "NotAuthentic",
    "NotConfigured",
    "NotSent",
    "Order",
    "OrderStatus",
    "OutcomeUnknown",
    "PhonePeGateway",
    "RefundOrder",
    "RefundStatus",
    "Rejected",
    "WebhookClaim",
    "authenticate_webhook",
    "current_gateway",
    "gateway_for",
]

T = TypeVar("T")
S = TypeVar("S", OrderStatus, RefundStatus)

EARLIER_CALL = RequestFailed(ErrorCategory.READ_TIMEOUT, RequestOutcome.AMBIGUOUS)


class GatewayError(Refusal):
    """`http_attempts` are all HTTP http_attempts of the call; the last one that failed, failed at `host` and `port`.

    When PhonePe says for how long it turns us away, the caller is told no shorter time.
    """

    def __init__(self, failure: RequestFailed, call: Call) -> None:
        super().__init__()
        self.error_category = failure.category.value
        self.phonepe_code = failure.code
        self.http_attempts = tuple(call.http_attempts)
        failed = [each for each in call.http_attempts if each.error_category]
        self.host, self.port = failed[-1].hop if failed else ("", 0)
        if self.retry_after and failure.retry_after:
            self.retry_after = max(self.retry_after, math.ceil(failure.retry_after))

    def user_message(self, language: str) -> str:
        return self.sentence.in_language(language)

    @property
    def sentence(self) -> Sentence:
        return response_codes.ASKING


class NotSent(GatewayError):
    status_code = 503
    default_code = "phonepe_unreachable"
    default_detail = (
        "PhonePe cannot be reached at the moment. Nothing was charged. Please try again in a minute."
    )
    retryable = True
    retry_after = 5

    @property
    def sentence(self) -> Sentence:
        is_crowded = self.error_category == ErrorCategory.RATE_LIMITED
        return response_codes.CROWDED if is_crowded else response_codes.UNREACHABLE


class Rejected(GatewayError):
    status_code = 502
    default_code = "phonepe_rejected"
    default_detail = "PhonePe did not accept this request. Nothing was charged."

    @property
    def sentence(self) -> Sentence:
        found = response_codes.meaning(self.phonepe_code)
        return found.sentence if found else response_codes.OUR_SIDE


class OutcomeUnknown(GatewayError):
    status_code = 504
    default_code = "outcome_unknown"
    default_detail = "PhonePe has not answered yet. We keep asking; please do not pay a second time."


class CheckoutPageLost(GatewayError):
    """`status` is what PhonePe says about the order whose page is lost; None when it could not be asked."""

    status_code = 409
    default_code = "page_lost"
    default_detail = "The payment page was lost. Please try again."
    retryable = True

    def __init__(self, failure: RequestFailed, call: Call, status: OrderStatus | None) -> None:
        super().__init__(failure, call)
        self.status = status and replace(status, http_attempts=self.http_attempts)


class Dialect(Protocol):
    """What `phonepe_v1` and `phonepe_v2` do each in its own way."""

    def pay(self, merchant: Merchant, order: Order) -> Request: ...
    def order_status(self, merchant: Merchant, merchant_order_id: str) -> Request: ...
    def refund(self, merchant: Merchant, order: RefundOrder) -> Request: ...
    def refund_status(self, merchant: Merchant, merchant_refund_id: str) -> Request: ...
    def classify_answer(
        self, operation: Operation, http_status: int, answer: Json
    ) -> RequestOutcome | None: ...
    def read_page(self, answer: Json) -> CheckoutPage: ...
    def read_order_status(self, answer: Json) -> OrderStatus: ...
    def read_refund_status(self, answer: Json) -> RefundStatus: ...


class PhonePeGateway:
    """PhonePe for one merchant. Safe to share between threads."""

    def __init__(
        self,
        merchant: Merchant,
        *,
        session: Session | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        tokens: TokenStore | None = None,
    ) -> None:
        is_v2 = merchant.identity.generation == Generation.V2
        self.merchant = merchant
        self._dialect: Dialect = v2 if is_v2 else v1
        self._courier = Courier(
            merchant,
            self._dialect.classify_answer,
            (tokens or TokenStore(merchant)) if is_v2 else None,
            session,
            sleep,
            clock,
        )

    def pay(self, order: Order, deadline: Deadline, *, check_status_first: bool = False) -> CheckoutPage:
        """Opens an order. Raises NotSent, Rejected, OutcomeUnknown, CheckoutPageLost.

        `check_status_first`: an earlier call for this order may have arrived.
        """
        call = Call(deadline, in_doubt=check_status_first)
        request = self._dialect.pay(self.merchant, order)

        def page_is_lost(failure: RequestFailed, status: OrderStatus | None) -> CheckoutPage:
            raise CheckoutPageLost(failure, call, status)

        ask = self._order_question(order.merchant_order_id, call)
        page = self._say(request, self._dialect.read_page, ask, page_is_lost, call)
        return replace(page, http_attempts=tuple(call.http_attempts))

    def order_status(self, merchant_order_id: str, deadline: Deadline) -> OrderStatus:
        """What became of an order; "not found" is an answer. Raises NotSent, Rejected, OutcomeUnknown."""
        call = Call(deadline)
        return _answer(self._order_question(merchant_order_id, call), call)

    def refund(self, order: RefundOrder, deadline: Deadline) -> RefundStatus:
        """Sends money back. Raises NotSent, Rejected, OutcomeUnknown: then it may have moved."""
        call = Call(deadline)
        request = self._dialect.refund(self.merchant, order)

        def is_known(failure: RequestFailed, status: RefundStatus | None) -> RefundStatus:
            if status is None or status.verdict is ProviderStatus.NOT_FOUND:
                raise OutcomeUnknown(failure, call)
            return status

        ask = self._refund_question(order.merchant_refund_id, call)
        status = self._say(request, self._dialect.read_refund_status, ask, is_known, call)
        return replace(status, http_attempts=tuple(call.http_attempts))

    def refund_status(self, merchant_refund_id: str, deadline: Deadline) -> RefundStatus:
        """What became of a refund; "not found" is an answer. Raises NotSent, Rejected, OutcomeUnknown."""
        call = Call(deadline)
        return _answer(self._refund_question(merchant_refund_id, call), call)

    def probe(self, deadline: Deadline) -> tuple[HttpAttempt, ...]:
        """Knocks at every endpoint, page hosts too, without credentials. Any HTTP answer means reached."""
        call = Call(deadline)
        self._courier.knock(call)
        return tuple(call.http_attempts)

    def _order_question(self, merchant_order_id: str, call: Call) -> Callable[[], OrderStatus]:
        request = self._dialect.order_status(self.merchant, merchant_order_id)

        def read(answer: Json) -> OrderStatus:
            status = self._dialect.read_order_status(answer)
            _refuse_other(merchant_order_id, status.merchant_order_id)
            return status

        return functools.partial(self._courier.deliver, request, read, call)

    def _refund_question(self, merchant_refund_id: str, call: Call) -> Callable[[], RefundStatus]:
        request = self._dialect.refund_status(self.merchant, merchant_refund_id)

        def read(answer: Json) -> RefundStatus:
            status = self._dialect.read_refund_status(answer)
            _refuse_other(merchant_refund_id, status.merchant_refund_id)
            return status

        return functools.partial(self._courier.deliver, request, read, call)

    def _say(
        self,
        request: Request,
        read: Callable[[Json], T],
        ask: Callable[[], S],
        conclude: Callable[[RequestFailed, S | None], T],
        call: Call,
    ) -> T:
        """Says what must not happen twice, asking first whenever an earlier try may have arrived.

        `conclude` decides what it means that PhonePe knows the id: None if nobody says what has taken it.
        """
        failure = EARLIER_CALL if call.in_doubt else None
        while True:
            if failure is not None:
                found = _found(request.operation, failure, ask, call)
                if (
                    found is None
                    or found.verdict is not ProviderStatus.NOT_FOUND
                    or failure.outcome is RequestOutcome.DUPLICATE_ID
                ):
                    return conclude(failure, found)
                if not self._may_say_again(failure, call):
                    raise _error(failure, call) from failure
            try:
                return self._courier.deliver(request, read, call)
            except RequestFailed as error:
                failure = error
                call.in_doubt |= failure.outcome is RequestOutcome.AMBIGUOUS

    def _may_say_again(self, failure: RequestFailed, call: Call) -> bool:
        """PhonePe does not know the id. An earlier call is long over: there is nothing to wait for."""
        if failure is EARLIER_CALL:
            return True
        return failure.outcome is RequestOutcome.AMBIGUOUS and self._courier.pause(
            failure, call, call.deadline
        )


def current_gateway() -> PhonePeGateway:
    """The gateway that new orders go through. Raises NotConfigured."""
    return _gateway(os.getpid(), credentials.current())


def gateway_for(identity: Identity) -> PhonePeGateway:
    """The gateway of exactly this identity. Raises NotConfigured."""
    return _gateway(os.getpid(), credentials.for_identity(identity))


@functools.lru_cache(maxsize=16)
def _gateway(process: int, merchant: Merchant) -> PhonePeGateway:
    """One for a merchant and process: it holds circuits, a token and a lock, which survive no fork."""
    return PhonePeGateway(merchant)


def _answer(ask: Callable[[], S], call: Call) -> S:
    try:
        answer = ask()
    except RequestFailed as failure:
        raise _error(failure, call) from failure
    return replace(answer, http_attempts=tuple(call.http_attempts))


def _found(operation: Operation, failure: RequestFailed, ask: Callable[[], S], call: Call) -> S | None:
    """What PhonePe knows of the id; None if the id is taken and PhonePe does not say by what."""
    if not _is_worth_asking(operation, failure):
        raise _error(failure, call) from failure
    try:
        found = ask()
    except RequestFailed as silence:
        if failure.outcome is RequestOutcome.DUPLICATE_ID:
            return None
        raise OutcomeUnknown(silence, call) from silence
    if found.verdict is ProviderStatus.UNKNOWN and failure.outcome is not RequestOutcome.DUPLICATE_ID:
        raise OutcomeUnknown(failure, call) from failure
    return found


def _is_worth_asking(operation: Operation, failure: RequestFailed) -> bool:
    """A refused refund may be the second one under its id. A refused order has no page either way."""
    if failure.outcome is RequestOutcome.REJECTED:
        return operation is Operation.REFUND and failure.category is ErrorCategory.REJECTED
    return failure.outcome in {RequestOutcome.AMBIGUOUS, RequestOutcome.DUPLICATE_ID}


def _error(failure: RequestFailed, call: Call) -> GatewayError:
    """Once something may have arrived, no later refusal undoes it."""
    if call.in_doubt or failure.outcome in {RequestOutcome.AMBIGUOUS, RequestOutcome.DUPLICATE_ID}:
        return OutcomeUnknown(failure, call)
    if failure.outcome is RequestOutcome.REJECTED:
        return Rejected(failure, call)
    return NotSent(failure, call)


def _refuse_other(asked: str, answered: str | None) -> None:
    """An answer about somebody else's order is no answer."""
    if answered not in (None, asked):
        raise Unreadable("an answer about another id")
