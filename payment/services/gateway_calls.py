"""Every call of a service to PhonePe passes through `call_gateway`, which records it.

The permit for the call that opens an order is taken before anything is written for it (`reserve_call`): a server that
makes all its calls refuses a click before it has frozen the cart.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Condition
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from core.databases import insert_rows, write_together
from core.errors import Conflict, Crowded, Unavailable
from core.logging import events, log_about, request_id
from core.waiting import WaitSlots
from payment.gateways import (
    CheckoutPage,
    GatewayError,
    HttpAttempt,
    OrderStatus,
    PhonePeGateway,
    RefundStatus,
    current_gateway,
    gateway_for,
)
from payment.models import GatewayCall, PaymentAttempt
from payment.phonepe.credentials import NotConfigured

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer", CheckoutPage, OrderStatus, RefundStatus)

# The errors of a call without an answer. None of them says anything about the order.


class ByHand(Conflict):
    """A mistake of ours that must not reach PhonePe, which has no order of this money."""

    default_code = "paid_by_hand"
    default_detail = _("Staff took this money by hand: PhonePe knows nothing of it.")


NO_ANSWER = (GatewayError, NotConfigured, Unavailable)

LOGGED = ("operation", "endpoint", "stage", "http_status", "code", "error_category")

SECONDS_TO_WAIT_FOR_RESERVATION, SECONDS_TO_WAIT_FOR_CALL = 2.0, 5.0
# A few more callers prepare orders while all permits are taken, if somebody who waited got one so lately: else PhonePe
# would have nothing to do between two calls.
SECONDS_SINCE_RELEASE = 1.0
# Orders leave one permit to polls and refunds for so long after one of these was wanted: they do not wait, so in a rush
# they would never find one. Nobody polls: orders use all permits.
SECONDS_SINCE_POLL = 5.0


class CallPermits:
    """How many threads of this process call PhonePe at once: `count` at most, however long PhonePe takes.

    In a rush on Pay, orders leave one of them to the calls without a reservation: polls and refunds.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._changed = Condition()
        self._taken = 0  # by reservations, and by calls without one
        self._calling = 0
        self._calling_unreserved = 0
        self._waiting = 0
        self._released_to_waiting_at = float("-inf")  # time.monotonic()
        self._poll_wanted_at = float("-inf")  # the last call without a reservation, also one that was refused

    def acquire(self, *, is_reserved: bool = False) -> bool:
        """For one call. Without a reservation there is no wait."""
        may_call, seconds = self._may_call, 0.0
        if is_reserved:
            may_call, seconds = self._may_call_reserved, SECONDS_TO_WAIT_FOR_CALL
        with self._changed:
            if not is_reserved:
                self._poll_wanted_at = time.monotonic()
            if not self._wait_for(may_call, seconds):
                return False
            self._calling += 1
            self._calling_unreserved += not is_reserved
            self._taken += not is_reserved
            return True

    def release(self, *, is_reserved: bool = False) -> None:
        with self._changed:
            if self._waiting:
                self._released_to_waiting_at = time.monotonic()
            self._calling -= 1
            self._calling_unreserved -= not is_reserved
            self._taken -= not is_reserved
            self._changed.notify_all()

    def reserve(self, seconds: float) -> bool:
        """A permit for the calls until `end_reservation`, if there is one within `seconds`."""
        with self._changed:
            if not self._wait_for(self._may_reserve, seconds):
                return False
            self._taken += 1
            return True

    def end_reservation(self) -> None:
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()

    @property
    def _left_by_orders(self) -> int:
        is_polled = time.monotonic() - self._poll_wanted_at <= SECONDS_SINCE_POLL
        return 1 if self.count > 1 and is_polled else 0

    @property
    def _reserved(self) -> int:
        return self._taken - self._calling_unreserved

    def _may_reserve(self) -> bool:
        is_brisk = time.monotonic() - self._released_to_waiting_at <= SECONDS_SINCE_RELEASE
        free = self.count - max(self._calling_unreserved, self._left_by_orders)
        return self._reserved < free + (max(self.count // 2, 1) if is_brisk else 0)

    def _may_call_reserved(self) -> bool:
        calling = self._calling - self._calling_unreserved
        return self._calling < self.count and calling < self.count - self._left_by_orders

    def _may_call(self) -> bool:
        free = max(self.count - self._reserved, self._left_by_orders)
        return self._calling < self.count and self._calling_unreserved < free

    def _wait_for(self, is_possible: Callable[[], bool], seconds: float) -> bool:
        self._waiting += 1
        try:
            return self._changed.wait_for(is_possible, seconds)
        finally:
            self._waiting -= 1


# Half of the server's threads stay free for other requests.
call_permits = CallPermits(settings.PHONEPE_CALLS_AT_ONCE)
# Clicks only: no other request of the process, and no check of its health, waits behind buyers.
reservation_slots = WaitSlots(settings.PHONEPE_CALLS_AT_ONCE)
_is_reserved: ContextVar[bool] = ContextVar("is_reserved", default=False)


def seconds_limited() -> float:
    """Of the pause after PhonePe's 429: no new order can be sent until it ends. Asks the cache: in no transaction."""
    try:
        return current_gateway().seconds_limited()
    except NotConfigured:  # whoever builds the order says what is missing
        return 0.0


def refuse_while_limited(seconds: float, **extra: Any) -> None:
    """Raises Crowded while `seconds` are left: what would be written for an order now could not be sent."""
    if seconds > 0:
        crowded = Crowded(**extra)
        crowded.retry_after = math.ceil(seconds)
        raise crowded


@contextmanager
def reserve_call() -> Iterator[None]:
    """Around what is written for a new order, and its calls. Raises Crowded before the block: nothing was done then.

    Within another one it changes nothing.
    """
    if _is_reserved.get():
        yield
        return
    refuse_while_limited(seconds_limited())
    with reservation_slots.reserve() as may_wait:
        if not call_permits.reserve(SECONDS_TO_WAIT_FOR_RESERVATION if may_wait else 0.0):
            raise Crowded
    token = _is_reserved.set(True)
    try:
        yield
    finally:
        _is_reserved.reset(token)
        call_permits.end_reservation()


def call_gateway(
    attempt: PaymentAttempt,
    operation: Callable[Concatenate[PhonePeGateway, Arguments], Answer],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Answer:
    """Call PhonePe for the merchant of `attempt`, and record each HTTP attempt as a GatewayCall, whatever its result.

    `operation` is a method of PhonePeGateway. Raises GatewayError as it does, NotConfigured, and Crowded when too many
    calls are under way.
    """
    answer, calls = call_unrecorded(attempt, operation, *args, **kwargs)
    record_calls(calls)
    return answer


def call_unrecorded(
    attempt: PaymentAttempt,
    operation: Callable[Concatenate[PhonePeGateway, Arguments], Answer],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> tuple[Answer, list[GatewayCall]]:
    """As `call_gateway`; the caller writes the calls that led to an answer, together with what it says."""
    if attempt.by_hand:
        raise ByHand(payment_id=attempt.payment_id)
    log_about(attempt.payment.reference, attempt.merchant_order_id)
    gateway, is_reserved = gateway_for(attempt.identity), _is_reserved.get()
    if not call_permits.acquire(is_reserved=is_reserved):
        raise Crowded
    try:
        answer = operation(gateway, *args, **kwargs)
    except GatewayError as error:
        record_calls(_build_calls(error.http_attempts, attempt))
        raise
    finally:
        call_permits.release(is_reserved=is_reserved)
    return answer, _build_calls(answer.http_attempts, attempt)


def record_calls(calls: Sequence[GatewayCall]) -> None:
    for call in calls:
        call.pk = None  # of a transaction that was rolled back: on SQLite, another row may have this key now
    if calls:
        write_together([insert_rows(*calls)])  # without the transaction that `bulk_create` opens


def _build_calls(http_attempts: Iterable[HttpAttempt], attempt: PaymentAttempt) -> list[GatewayCall]:
    """Their rows, not written yet, and a line in the log for each."""
    calls = [
        GatewayCall(
            payment_id=attempt.payment_id,
            attempt=attempt,
            operation=entry.operation,
            endpoint=entry.endpoint,
            host=entry.host,
            port=entry.port,
            proxy=entry.proxy,
            stage=entry.stage.name,
            milliseconds=entry.milliseconds,
            http_status=entry.http_status,
            code=entry.code,
            error_category=entry.error_category,
            request_id=request_id.get(),
            started_at=entry.started_at,
        )
        for entry in http_attempts
    ]
    for call in calls:
        line = {name: getattr(call, name) for name in LOGGED}
        subject = {"payment": attempt.payment.reference, "order": attempt.merchant_order_id}
        events.info("asked", extra=subject | line | {"ms": call.milliseconds})
    return calls
