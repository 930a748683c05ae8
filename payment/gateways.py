"""PhonePe as the services see it: open an order, fetch its status, refund, authenticate webhooks.

    Refusal (core.errors)
    ├── NotConfigured         503  no credentials for this
    ├── NotOffered            409  this merchant's protocol has no order of this channel
    ├── NotAuthentic          401  a webhook that does not prove to come from PhonePe
    └── GatewayError               carries the HTTP attempts: error_category, host, port, http_attempts
        ├── NotSent           503  nothing can have reached PhonePe, or it turned the request away unread
        ├── Rejected          502  PhonePe read the request and refused it
        ├── OutcomeUnknown    504  the request may have arrived; its outcome is not known within the deadline
        └── CheckoutPageLost  409  PhonePe knows the order, but its checkout page is lost; handled by the services

The rule of retries: a request that was not sent goes to the next endpoint. A request that may have arrived is sent
again only after a status request that says "not found".
"""

import functools
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, Refusal
from core.language import Text
from payment.phonepe import credentials, response_codes, v1, v2
from payment.phonepe.client import CallContext, PhonePeClient
from payment.phonepe.credentials import Identity, Merchant, NotConfigured
from payment.phonepe.enums import Channel, ErrorCategory, Generation, Operation, ProviderStatus
from payment.phonepe.errors import RequestFailed
from payment.phonepe.oauth import TokenStore
from payment.phonepe.rate_limit import RateLimit
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
    "NotOffered",
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
    "refuse_unless_offered",
]

S = TypeVar("S", OrderStatus, RefundStatus)

# What `check_status_first` assumes of an earlier call.
EARLIER_CALL = RequestFailed(ErrorCategory.READ_TIMEOUT, RequestOutcome.AMBIGUOUS)
AMBIGUOUS_OR_DUPLICATE = {RequestOutcome.AMBIGUOUS, RequestOutcome.DUPLICATE_ID}


class GatewayError(Refusal):
    """`http_attempts` are all of the call; `host` and `port` are those at which the last failed one failed.

    `retry_after` is never shorter than PhonePe asked for.
    """

    def __init__(self, failure: RequestFailed, context: CallContext) -> None:
        super().__init__()
        self.error_category = failure.category.value
        self.phonepe_code = failure.code
        self.http_attempts = tuple(context.http_attempts)
        failed = [attempt for attempt in self.http_attempts if attempt.error_category]
        self.host, self.port = failed[-1].hop if failed else ("", 0)
        if self.retry_after and failure.retry_after:
            self.retry_after = max(self.retry_after, math.ceil(failure.retry_after))

        self.message = self.customer_message()

    def customer_message(self) -> Text:
        """For the customer. `detail` is for the log and for programs."""
        return response_codes.ASKING


class NotSent(GatewayError):
    status_code = 503
    default_code = "phonepe_unreachable"
    default_detail = _(
        "PhonePe cannot be reached at the moment. Nothing was charged. Please try again in a minute."
    )
    retryable = True
    retry_after = 5

    def customer_message(self) -> Text:
        is_crowded = self.error_category == ErrorCategory.RATE_LIMITED
        return response_codes.CROWDED if is_crowded else response_codes.UNREACHABLE


class Rejected(GatewayError):
    status_code = 502
    default_code = "phonepe_rejected"
    default_detail = _("PhonePe did not accept this request. Nothing was charged.")

    def customer_message(self) -> Text:
        meaning = response_codes.meaning(self.phonepe_code)
        return meaning.sentence if meaning else response_codes.OUR_SIDE


class OutcomeUnknown(GatewayError):
    status_code = 504
    default_code = "outcome_unknown"
    default_detail = _("PhonePe has not answered yet. We keep asking; please do not pay a second time.")


class CheckoutPageLost(GatewayError):
    """`status` is PhonePe's status of the order whose page is lost; None when it did not answer."""

    status_code = 409
    default_code = "page_lost"
    default_detail = _("The payment page was lost. Please try again.")
    retryable = True

    def __init__(self, failure: RequestFailed, context: CallContext, status: OrderStatus | None) -> None:
        super().__init__(failure, context)
        self.status = status and replace(status, http_attempts=self.http_attempts)


class NotOffered(Conflict):
    default_code = "not_offered"
    default_detail = _(
        "Our account at PhonePe (V1) has no order tokens for PhonePe's SDK. "
        "Please pay in a UPI app, or on the web page."
    )
    ON_V2 = _(
        "Our account at PhonePe (V2) opens no UPI app directly. Please pay in PhonePe's SDK, or on the web page."
    )

    def __init__(self, channel: Channel) -> None:
        super().__init__(self.ON_V2 if channel is Channel.UPI_INTENT else None)


class ApiVersion(Protocol):
    """What `payment.phonepe.v1` and `payment.phonepe.v2` do each in its own way."""

    def pay(self, merchant: Merchant, order: Order) -> Request: ...
    def order_status(self, merchant: Merchant, merchant_order_id: str) -> Request: ...
    def refund(self, merchant: Merchant, order: RefundOrder) -> Request: ...
    def refund_status(self, merchant: Merchant, merchant_refund_id: str) -> Request: ...
    def classify_answer(
        self, operation: Operation, http_status: int, answer: Json
    ) -> RequestOutcome | None: ...
    def read_page(self, channel: Channel, answer: Json) -> CheckoutPage: ...
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
        rate_limit: RateLimit | None = None,
    ) -> None:
        is_v2 = merchant.identity.generation == Generation.V2
        self.merchant = merchant
        self._rate_limit = rate_limit or RateLimit(merchant, clock)
        self._api: ApiVersion = v2 if is_v2 else v1
        self._client = PhonePeClient(
            merchant,
            self._api.classify_answer,
            (tokens or TokenStore(merchant)) if is_v2 else None,
            session,
            sleep,
            clock,
            self._rate_limit,
        )

    def seconds_limited(self) -> float:
        """How long PhonePe, after a 429, wants to hear nothing of this merchant; 0.0 when calls may be made."""
        return self._rate_limit.seconds_left()

    def pay(self, order: Order, deadline: Deadline, *, check_status_first: bool = False) -> CheckoutPage:
        """Opens an order for its channel: PhonePe's page, its SDK in an app (V2), a UPI app (V1).

        Raises NotSent, Rejected, OutcomeUnknown, CheckoutPageLost (the page, token or link can't be had again), and
        NotOffered. `check_status_first`: an earlier call for this order may have arrived.
        """
        refuse_unless_offered(order.channel, self.merchant.identity.generation)
        read = functools.partial(self._api.read_page, order.channel)
        context = CallContext(deadline, may_have_arrived=check_status_first)
        request = self._api.pay(self.merchant, order)
        if check_status_first:
            self._check_order_is_unknown(order, EARLIER_CALL, context)
        while True:
            try:
                page = self._client.send(request, read, context)
                return replace(page, http_attempts=tuple(context.http_attempts))
            except RequestFailed as failure:
                if failure.outcome not in AMBIGUOUS_OR_DUPLICATE:
                    raise _gateway_error(failure, context) from failure
                self._check_order_is_unknown(order, failure, context)
                if not self._client.back_off(failure, context):
                    raise _gateway_error(failure, context) from failure

    def order_status(self, merchant_order_id: str, deadline: Deadline) -> OrderStatus:
        """PhonePe's status of an order; "not found" is an answer. Raises NotSent, Rejected, OutcomeUnknown."""
        context = CallContext(deadline)
        try:
            status = self._fetch_order_status(merchant_order_id, context)
        except RequestFailed as failure:
            raise _gateway_error(failure, context) from failure
        return replace(status, http_attempts=tuple(context.http_attempts))

    def refund(self, order: RefundOrder, deadline: Deadline) -> RefundStatus:
        """Sends money back. Raises NotSent, Rejected, OutcomeUnknown: after the last, it may have moved."""
        context = CallContext(deadline)
        request = self._api.refund(self.merchant, order)
        while True:
            try:
                status = self._client.send(request, self._api.read_refund_status, context)
                return replace(status, http_attempts=tuple(context.http_attempts))
            except RequestFailed as failure:
                # PhonePe also rejects the second request under one id, so the status decides.
                is_rejected = failure.category is ErrorCategory.REJECTED
                if failure.outcome not in AMBIGUOUS_OR_DUPLICATE and not is_rejected:
                    raise _gateway_error(failure, context) from failure
                found = self._status_after(
                    failure, self._fetch_refund_status, order.merchant_refund_id, context
                )
                if found is not None and found.state is not ProviderStatus.NOT_FOUND:
                    return replace(found, http_attempts=tuple(context.http_attempts))
                if failure.outcome is not RequestOutcome.AMBIGUOUS or not self._client.back_off(
                    failure, context
                ):
                    raise _gateway_error(failure, context) from failure

    def refund_status(self, merchant_refund_id: str, deadline: Deadline) -> RefundStatus:
        """PhonePe's status of a refund; "not found" is an answer. Raises NotSent, Rejected, OutcomeUnknown."""
        context = CallContext(deadline)
        try:
            status = self._fetch_refund_status(merchant_refund_id, context)
        except RequestFailed as failure:
            raise _gateway_error(failure, context) from failure
        return replace(status, http_attempts=tuple(context.http_attempts))

    def probe(self, deadline: Deadline) -> tuple[HttpAttempt, ...]:
        """Probes every endpoint, page hosts too, without credentials. Any HTTP answer means reached."""
        context = CallContext(deadline)
        self._client.probe_endpoints(context)
        return tuple(context.http_attempts)

    def _fetch_order_status(self, merchant_order_id: str, context: CallContext) -> OrderStatus:
        def read(answer: Json) -> OrderStatus:
            status = self._api.read_order_status(answer)
            _require_same_id(merchant_order_id, status.merchant_order_id)
            return status

        return self._client.send(self._api.order_status(self.merchant, merchant_order_id), read, context)

    def _fetch_refund_status(self, merchant_refund_id: str, context: CallContext) -> RefundStatus:
        def read(answer: Json) -> RefundStatus:
            status = self._api.read_refund_status(answer)
            _require_same_id(merchant_refund_id, status.merchant_refund_id)
            return status

        return self._client.send(self._api.refund_status(self.merchant, merchant_refund_id), read, context)

    def _check_order_is_unknown(self, order: Order, failure: RequestFailed, context: CallContext) -> None:
        """Returns when PhonePe does not know the order: it may be opened again.

        Raises CheckoutPageLost when PhonePe knows it, OutcomeUnknown when PhonePe does not say.
        """
        status = self._status_after(failure, self._fetch_order_status, order.merchant_order_id, context)
        is_duplicate = failure.outcome is RequestOutcome.DUPLICATE_ID
        if is_duplicate or status is None or status.state is not ProviderStatus.NOT_FOUND:
            raise CheckoutPageLost(failure, context, status) from failure

    def _status_after(
        self,
        failure: RequestFailed,
        fetch_status: Callable[[str, CallContext], S],
        merchant_id: str,
        context: CallContext,
    ) -> S | None:
        """PhonePe's status after an ambiguous attempt. Raises OutcomeUnknown.

        None: PhonePe said that it knows the id, and gives no status for it.
        """
        is_duplicate = failure.outcome is RequestOutcome.DUPLICATE_ID
        try:
            status = fetch_status(merchant_id, context)
        except RequestFailed as no_status:
            if is_duplicate:
                return None
            raise OutcomeUnknown(no_status, context) from no_status
        if status.state is ProviderStatus.UNKNOWN and not is_duplicate:
            raise OutcomeUnknown(failure, context) from failure
        return status


def refuse_unless_offered(channel: Channel, generation: str) -> None:
    """Raises NotOffered."""
    if not channel.is_offered_by(generation):
        raise NotOffered(channel)


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


def _gateway_error(failure: RequestFailed, context: CallContext) -> GatewayError:
    """Once an attempt may have arrived, no later rejection makes the outcome known."""
    if context.may_have_arrived or failure.outcome in AMBIGUOUS_OR_DUPLICATE:
        return OutcomeUnknown(failure, context)
    if failure.outcome is RequestOutcome.REJECTED:
        return Rejected(failure, context)
    return NotSent(failure, context)


def _require_same_id(requested: str, answered: str | None) -> None:
    """An answer about another order or refund is no answer. Raises Unreadable."""
    if answered not in (None, requested):
        raise Unreadable("an answer about another id")
