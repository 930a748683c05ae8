"""Polls the status of orders at PhonePe and applies what it says."""

import functools
import logging
from datetime import datetime, timedelta

from django.db.models import Q

from accounts.models import User
from core.clocks import database_now
from core.errors import Conflict, Refusal
from core.waiting import InProgress, wait_for
from payment.gateways import PhonePeGateway
from payment.models import OPEN_ATTEMPT, Payment, PaymentAttempt
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.transport import Deadline
from payment.services.gateway_calls import NO_ANSWER, call_gateway
from payment.services.outcomes import apply_status, fulfil_now, has_no_open_page, stop_waiting
from payment.services.schedule import DAY, next_poll, repeated_poll, scaled
from payment.states import AttemptState, Fulfilment, PaymentState

logger = logging.getLogger(__name__)

# PhonePe throttles frequent polling: webhook, return page and frontend share one status request.
SECONDS_BETWEEN_POLLS = 2
# By payment id. PhonePe may take longer than the pause: still only one thread of this process polls a payment.
polls_in_progress = InProgress()
ENDED_UNPAID = (PaymentState.FAILED, PaymentState.CANCELLED)
# COMPLETED is missing on purpose: with an amount the attempt is COMPLETED, too, and without one money is on its way.
ENDS_AN_ORDER = (ProviderStatus.FAILED, ProviderStatus.NOT_FOUND)


def poll(attempt: PaymentAttempt, deadline: Deadline, source: str, *, giving_up: bool = False) -> Payment:
    """One status request about one attempt, to the merchant it was opened with. Raises NO_ANSWER."""
    order_id = attempt.merchant_order_id
    answer = call_gateway(attempt, PhonePeGateway.order_status, order_id, deadline)
    return apply_status(attempt.pk, answer, source, giving_up=giving_up)


def poll_on_schedule(attempt: PaymentAttempt, deadline: Deadline) -> ProviderStatus | None:
    """The worker's poll: what PhonePe says about the order, None when there is no answer."""
    try:
        order_id = attempt.merchant_order_id
        answer = call_gateway(attempt, PhonePeGateway.order_status, order_id, deadline)
    except NO_ANSWER as error:
        logger.warning("no answer", extra={"order": str(attempt), "category": error.error_category})
        return None
    apply_status(attempt.pk, answer, "worker")
    return answer.state


def next_poll_at(attempt: PaymentAttempt, heard: ProviderStatus | None, now: datetime) -> datetime | None:
    """When the worker asks again after `heard`. None only after an answer that ends the order.

    That is: the money came, or the order is closed, its tail is over, and PhonePe knows of no open order either.
    """
    if attempt.state == AttemptState.COMPLETED:
        return None
    closed = attempt.state not in OPEN_ATTEMPT
    sent_at = min(attempt.sent_at or attempt.created_at, now)  # else written by a clock that was wrong
    if heard is None:
        return repeated_poll(sent_at, attempt.expires_at, now, closed=closed)
    following = next_poll(sent_at, attempt.expires_at, now, closed=closed)
    if following is None and heard not in ENDS_AN_ORDER:
        return now + scaled(DAY)
    return following


def refresh(payment: Payment, seconds: int, source: str) -> Payment:
    """The payment as it stands after asking PhonePe, if it is open; never later than `seconds`.

    A silent PhonePe is no error here: the payment comes back as it was, and the worker goes on asking. Who finds a
    question under way waits for what it learns while there is a place to wait, else takes what is known now.
    """
    deadline = Deadline(seconds)
    if payment.is_open:
        may_ask = _claim_poll(payment) or wait_for(
            functools.partial(_is_decided_or_ours, payment), deadline.remaining()
        )
        if may_ask and payment.is_open:
            payment = _poll_all(payment, deadline, source)
    # Also when another request has just committed the receipt and is about to fulfil it: one of both does.
    return fulfil_now(payment) if payment.fulfilment == Fulfilment.DUE else payment


def refresh_after_return(payment: Payment, seconds: int, source: str) -> Payment:
    """As `refresh`, also when the payment has ended unpaid: who comes back from its page may have paid late."""
    if payment.state in ENDED_UNPAID and _claim_poll(payment):
        return _poll_all(payment, Deadline(seconds), source)
    return refresh(payment, seconds, source)


def give_up(payment: Payment, seconds: int) -> Payment:
    """The customer does not want to pay any more. PhonePe is asked first: they may have paid.

    Once no page can be paid any more, the cart is free whatever PhonePe says or does not say. Until then raises
    NO_ANSWER when PhonePe cannot be asked; Conflict while a request is opening the page.
    """
    silence = _poll_before_giving_up(payment, Deadline(seconds))
    payment.refresh_from_db()
    if payment.is_open and has_no_open_page(payment):
        return stop_waiting(payment.pk, "given_up", "give_up")
    if payment.is_open and silence:
        raise silence
    return payment


def stop_waiting_by_staff(payment_id: int, reason: str, by: User) -> Payment:
    """As the customer's giving up after the page's life. Raises Conflict `not_open`, `payment_under_way`."""
    if not Payment.objects.get(pk=payment_id).is_open:
        raise Conflict("This payment is decided: nobody waits for it.", code="not_open")
    return stop_waiting(payment_id, "stopped_by_staff", f"by user {by.pk}: {reason}")


def _poll_before_giving_up(payment: Payment, deadline: Deadline) -> Refusal | None:
    """Every open order; what is merely unpaid is closed. The error of an order that PhonePe does not answer about."""
    silence: Refusal | None = None
    for attempt in payment.attempts.filter(state__in=OPEN_ATTEMPT):
        if attempt.is_being_called(database_now()):
            raise Conflict(
                "This payment is just being opened. Please wait a moment.", code="payment_under_way"
            )
        try:
            poll(attempt, deadline, "give_up", giving_up=True)
        except NO_ANSWER as error:
            silence = error
    return silence


def _claim_poll(payment: Payment) -> bool:
    """Claims the next poll of this payment, for `_poll_all`."""
    if not polls_in_progress.begin(payment.pk):
        return False
    is_ours = False
    try:
        is_ours = _reserve_poll(payment)
    finally:
        if not is_ours:
            polls_in_progress.end(payment.pk)
    return is_ours


def _reserve_poll(payment: Payment) -> bool:
    """Whether no process has polled lately; if so, the poll is recorded as ours."""
    now, pause = database_now(), timedelta(seconds=SECONDS_BETWEEN_POLLS)
    lately = Q(
        asked_at__gt=now - pause, asked_at__lte=now + pause
    )  # further ahead: of a clock that was wrong
    free = Q(asked_at__isnull=True) | ~lately
    return bool(Payment.objects.filter(free, pk=payment.pk).update(asked_at=now))


def _is_decided_or_ours(payment: Payment) -> bool:
    """Decided by whoever is polling, or ours to poll now."""
    payment.refresh_from_db()
    return not payment.is_open or _claim_poll(payment)


def _poll_all(payment: Payment, deadline: Deadline, source: str) -> Payment:
    try:
        attempts = payment.attempts.order_by("-number")
        for attempt in attempts.filter(state__in=OPEN_ATTEMPT) if payment.is_open else attempts:
            try:
                payment = poll(attempt, deadline, source)
            except NO_ANSWER as error:
                logger.warning("no answer", extra={"payment": payment.pk, "category": error.error_category})
    finally:
        polls_in_progress.end(payment.pk)
    payment.refresh_from_db()  # a webhook may have settled it while we were looking
    return payment
