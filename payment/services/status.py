"""Polls the status of orders at PhonePe and applies what it says."""

import functools
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.clocks import database_now
from core.databases import Write
from core.errors import Conflict, Refusal
from core.logging import log_about
from core.waiting import InProgress, wait_for
from payment.gateways import OrderStatus, PhonePeGateway
from payment.models import OPEN_ATTEMPT, Payment, PaymentAttempt
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.transport import Deadline
from payment.services.at_once import Poll
from payment.services.gateway_calls import NO_ANSWER, call_unrecorded
from payment.services.outcomes import apply_status, fulfil_now, has_no_open_page, stop_waiting
from payment.services.schedule import DAY, next_poll, repeated_poll, scaled
from payment.states import AttemptState, Fulfilment, PaymentState

logger = logging.getLogger(__name__)

Refresh = Callable[[Payment, float, str], Payment]

# PhonePe throttles frequent polling: webhook, return page and frontend share one status request.
SECONDS_BETWEEN_POLLS = 2
# By payment id. PhonePe may take longer than the pause: still only one thread of this process polls a payment.
polls_in_progress = InProgress()
ENDED_UNPAID = (PaymentState.FAILED, PaymentState.CANCELLED)
# Without COMPLETED: with an amount, the attempt is COMPLETED, too; without one, money is on its way.
ENDS_AN_ORDER = (ProviderStatus.FAILED, ProviderStatus.NOT_FOUND)


def poll(attempt: PaymentAttempt, deadline: Deadline, source: str, *, giving_up: bool = False) -> Payment:
    """One status request about one attempt, to the merchant it was opened with. Raises NO_ANSWER."""
    answer, its_poll = _fetch(attempt, deadline)
    return apply_status(attempt.pk, answer, source, giving_up=giving_up, poll=its_poll)


def poll_for_event(
    attempt: PaymentAttempt, deadline: Deadline, ending: Callable[[], list[Write]] | None
) -> bool:
    """As `poll`, for a webhook. Says whether `ending`, which ends the event, was written: with its booking, at once."""
    answer, its_poll = _fetch(attempt, deadline)
    its_poll.ending = ending
    apply_status(attempt.pk, answer, "webhook", poll=its_poll)
    return its_poll.is_ended


def _fetch(attempt: PaymentAttempt, deadline: Deadline) -> tuple[OrderStatus, Poll]:
    order_id = attempt.merchant_order_id
    answer, calls = call_unrecorded(attempt, PhonePeGateway.order_status, order_id, deadline)
    return answer, Poll(attempt.payment, calls)


def poll_on_schedule(attempt: PaymentAttempt, deadline: Deadline) -> OrderStatus | None:
    """The worker's poll: PhonePe's status of the order, None when there is no answer."""
    try:
        answer, its_poll = _fetch(attempt, deadline)
    except NO_ANSWER as error:
        logger.warning("PhonePe did not answer a status request", extra={"category": error.error_category})
        return None
    apply_status(attempt.pk, answer, "worker", poll=its_poll)
    return answer


def is_untried(answer: OrderStatus) -> bool:
    """Whether PhonePe knows the order, and of no try to pay it: then no bank can be late."""
    is_known = answer.state in (ProviderStatus.PENDING, ProviderStatus.FAILED)
    return is_known and not answer.provider_transaction_id


def next_poll_at(
    attempt: PaymentAttempt, state: ProviderStatus | None, now: datetime, *, untried: bool = False
) -> datetime | None:
    """When the worker polls again after it got `state`. None only after an answer that ends the order.

    That is: the money came, or the order is closed, its tail is over, and PhonePe knows of no open order either.
    """
    if attempt.state == AttemptState.COMPLETED:
        return None
    closed = attempt.state not in OPEN_ATTEMPT and not attempt.is_payable_though_given_up(now)
    sent_at = min(attempt.sent_at or attempt.created_at, now)  # a later one was written by a wrong clock
    if state is None:
        return repeated_poll(sent_at, attempt.expires_at, now, closed=closed)
    following = next_poll(sent_at, attempt.expires_at, now, closed=closed, untried=untried)
    if following is None and state not in ENDS_AN_ORDER:
        return now + scaled(DAY)
    return following


def refresh(payment: Payment, seconds: float, source: str) -> Payment:
    """The payment after a poll of PhonePe, if it is open or was given up while it can be paid; within `seconds`.

    No answer of PhonePe is no error here: the payment comes back unchanged, and the worker goes on polling. When
    another request is polling, this one waits for its result while there is a free slot to wait, else takes what is
    known now.
    """
    deadline = Deadline(seconds)
    log_about(payment.reference)
    if payment.is_open:
        may_poll = _claim_poll(payment) or wait_for(
            functools.partial(_is_decided_or_ours, payment), deadline.remaining()
        )
        if may_poll and payment.is_open:
            payment = _poll_all(payment, deadline, source)
    elif _is_payable_though_given_up(payment) and _claim_poll(payment):
        payment = _poll_all(payment, deadline, source)
    # Also when another request has just committed the receipt and is about to fulfil it: only one of both does.
    return fulfil_now(payment) if payment.fulfilment == Fulfilment.DUE else payment


def refresh_after_return(payment: Payment, seconds: float, source: str) -> Payment:
    """As `refresh`, also for a payment that ended unpaid: a person who returns from its page may have paid late."""
    if payment.state in ENDED_UNPAID and _claim_poll(payment):
        return _poll_all(payment, Deadline(seconds), source)
    return refresh(payment, seconds, source)


def refresh_each(payments: Iterable[Payment], seconds: int, source: str, refresh_one: Refresh) -> None:
    """`refresh_one` of each, in their order, within `seconds` for all of them."""
    deadline = Deadline(seconds)
    for payment in payments:
        if deadline.expired:
            return
        refresh_one(payment, deadline.remaining(), source)


def give_up(payment: Payment, seconds: int) -> Payment:
    """The customer does not want to pay any more. Every open order is polled first: they may have paid.

    What is merely unpaid is closed. Once no page can be paid any more, the cart is free without an answer, too. Until
    then raises NO_ANSWER when PhonePe does not answer, and Conflict while a request is opening the page.
    """
    deadline = Deadline(seconds)
    no_answer: Refusal | None = None
    for attempt in payment.attempts.filter(state__in=OPEN_ATTEMPT):
        if attempt.is_being_called(database_now()):
            raise Conflict(
                _("This payment is just being opened. Please wait a moment."), code="payment_under_way"
            )
        try:
            poll(attempt, deadline, "give_up", giving_up=True)
        except NO_ANSWER as error:
            no_answer = error
    payment.refresh_from_db()
    if payment.is_open and has_no_open_page(payment):
        return stop_waiting(payment.pk, "given_up", "give_up")
    if payment.is_open and no_answer is not None:
        raise no_answer
    return payment


def stop_waiting_by_staff(payment_id: int, reason: str, by: User) -> Payment:
    """As the customer's giving up after the page's life. Raises Conflict `not_open`, `payment_under_way`."""
    if not Payment.objects.get(pk=payment_id).is_open:
        raise Conflict(_("This payment is decided: nobody waits for it."), code="not_open")
    return stop_waiting(payment_id, "stopped_by_staff", f"by user {by.pk}: {reason}")


def _is_payable_though_given_up(payment: Payment) -> bool:
    if payment.state not in ENDED_UNPAID:
        return False
    now = database_now()
    return any(each.is_payable_though_given_up(now) for each in payment.attempts.all())


def _claim_poll(payment: Payment) -> bool:
    """Claims the next poll of this payment, for `_poll_all`. False while another poll runs, or ended just now."""
    if not polls_in_progress.begin(payment.pk):
        return False
    is_ours = False
    try:
        now, pause = database_now(), timedelta(seconds=SECONDS_BETWEEN_POLLS)
        # A time further ahead than the pause was written by a wrong clock.
        polled_lately = Q(asked_at__gt=now - pause, asked_at__lte=now + pause)
        unpolled = Payment.objects.filter(Q(asked_at__isnull=True) | ~polled_lately, pk=payment.pk)
        is_ours = bool(unpolled.update(asked_at=now))
    finally:
        if not is_ours:
            polls_in_progress.end(payment.pk)
    return is_ours


def _is_decided_or_ours(payment: Payment) -> bool:
    """Decided by the request that polled, or ours to poll now."""
    payment.refresh_from_db()
    return not payment.is_open or _claim_poll(payment)


def _poll_all(payment: Payment, deadline: Deadline, source: str) -> Payment:
    try:
        attempts = payment.attempts.order_by("-number")
        for attempt in attempts.filter(state__in=OPEN_ATTEMPT) if payment.is_open else attempts:
            try:
                payment = poll(attempt, deadline, source)
            except NO_ANSWER as error:
                logger.warning(
                    "PhonePe did not answer a status request", extra={"category": error.error_category}
                )
    finally:
        polls_in_progress.end(payment.pk)
    payment.refresh_from_db()  # a webhook may have decided it meanwhile
    return payment
