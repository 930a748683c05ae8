"""Webhooks of PhonePe: authenticated, stored as they came, and then only a reason to poll the status."""

import hashlib
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import User
from core import waiting
from core.clocks import is_running
from core.compiled import CompiledRead, CompiledWrite
from core.databases import Write, update_rows, write_together
from core.errors import Conflict, Refusal
from core.logging import events, log_about
from payment.gateways import WebhookClaim, authenticate_webhook
from payment.models import PaymentAttempt, Refund, WebhookEvent
from payment.phonepe.enums import Generation, ProviderStatus
from payment.phonepe.transport import Deadline
from payment.phonepe.webhook_events import Family, canonical, family_of, is_about_dispute
from payment.services.disputes import record_dispute
from payment.services.gateway_calls import NO_ANSWER
from payment.services.leases import DATABASE_TROUBLE, lease_row, push_back_on_error
from payment.services.notifications import alert_not_understood, alert_staff
from payment.services.refunds.outcomes import schedule_next_refund
from payment.services.refunds.sending import find_unknown_refund, poll_refund
from payment.services.schedule import DAY, HOUR, MINUTE, scaled
from payment.services.status import poll, poll_for_event
from payment.services.transitions import lock_payment
from payment.states import AttemptState, RefundState

logger = logging.getLogger(__name__)
State = WebhookEvent.State
WITH_PAYMENT = ("attempt__payment", "refund__attempt__payment")

# An event claims the key; a row in one of these states is at least as final. Other claims: any answer is enough.
FINAL_STATES = {
    ProviderStatus.COMPLETED: (AttemptState.COMPLETED,),
    ProviderStatus.FAILED: (AttemptState.FAILED, AttemptState.EXPIRED, AttemptState.COMPLETED),
}
FINAL_REFUND_STATES = {
    ProviderStatus.CONFIRMED: (RefundState.CONFIRMED, RefundState.FAILED, RefundState.COMPLETED),
    ProviderStatus.COMPLETED: (RefundState.COMPLETED,),
    ProviderStatus.FAILED: (RefundState.FAILED, RefundState.COMPLETED),
}
# An event that PhonePe does not confirm is polled every 3 s, later every minute, then ever more rarely for a day.
SOON_SECONDS, SOON_CHECKS = 3, 10
LATER_SECONDS, LATEST_SECONDS = MINUTE, 6 * HOUR
POLLED_FOR_SECONDS = DAY
QUICK_POLL_SECONDS = 3
FIRST_POLL = timedelta(seconds=2 * QUICK_POLL_SECONDS)  # then the process has died, and the worker polls
ALERTING = (State.NEEDS_REVIEW, State.UNMATCHED)


def receive_webhook(
    headers: Mapping[str, str], body: bytes, claimed_for: timedelta = timedelta()
) -> WebhookEvent:
    """Store one authentic call. Raises NotAuthentic (401). Committed when this returns; no network here.

    `claimed_for`: so long the worker leaves a new event to the caller, who goes on with `process_now`. A call that
    comes again is processed again if it could not be assigned or understood before.
    """
    claim = authenticate_webhook(headers, body)
    digest = hashlib.sha256(claim.scheme.encode() + b"\0" + body).hexdigest()
    new = _build_event(claim, digest, headers, body)
    if new.next_check_at is not None:
        new.next_check_at += claimed_for
    with transaction.atomic() if new.state in ALERTING else nullcontext():
        event = new if new.insert_or_count() else _reopen(digest, new)
        _alert_staff(event)
    attempt = event.refund.attempt if event.refund else event.attempt
    if attempt is not None:
        log_about(attempt.payment.reference, attempt.merchant_order_id)
    events.info("webhook", extra={"event": event.event, "state": event.state, "deliveries": event.deliveries})
    return event


def _build_event(claim: WebhookClaim, digest: str, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
    """The row of a call. Its order or refund is ours only at the merchant that the call proves."""
    order_id, refund_id = claim.merchant_order_id, claim.merchant_refund_id
    attempt = _attempts_of_order.first(order_id) if order_id else None
    refund = None
    # No order and refund have one id: what V1 names in both places is the one or the other.
    if refund_id and (attempt is None or refund_id != order_id):
        refund = (
            Refund.objects.select_related("attempt__payment").filter(merchant_refund_id=refund_id).first()
        )
    if refund is not None and refund.attempt.identity not in claim.identities:
        refund = None
    if attempt is not None and attempt.identity not in claim.identities:
        attempt = None
    is_known = refund is not None or attempt is not None
    if is_known:
        state = State.RECEIVED
    elif is_about_dispute(claim.event) and claim.merchant_order_id:
        state = State.UNMATCHED  # shown to staff, also when the order is one of somebody else
    elif claim.unclear:
        state = State.NEEDS_REVIEW
    else:
        state = State.NOTED if family_of(claim.event) is Family.NO_MONEY else State.UNMATCHED
    return WebhookEvent(
        digest=digest,
        scheme=claim.scheme,
        header_names=",".join(sorted(name.lower() for name in headers)),
        body=body,
        event=canonical(claim.event)[:64],
        merchant_order_id=claim.merchant_order_id[:64],
        merchant_refund_id=claim.merchant_refund_id[:64],
        claimed_state=claim.state.value,
        claimed_paise=claim.amount_paise,
        attempt=attempt,
        refund=refund,
        state=state,
        differs=_difference(claim, refund, attempt),
        unclear=claim.unclear[:200],
        next_check_at=timezone.now() if is_known else None,
    )


@CompiledRead
def _attempts_of_order(order_id: str) -> QuerySet[PaymentAttempt]:
    return PaymentAttempt.objects.select_related("payment").filter(merchant_order_id=order_id)


def _difference(claim: WebhookClaim, refund: Refund | None, attempt: PaymentAttempt | None) -> str:
    """How the call differs from our order or refund; "" when it agrees, or there is nothing to compare with."""
    order = refund.attempt if refund else attempt
    if order is None or (refund is None and _is_about_refund(claim)):
        return ""
    ours = refund or order
    if claim.amount_paise is not None and claim.amount_paise != ours.amount_paise:
        return f"it says {claim.amount_paise} paise, the {'refund' if refund else 'order'} is about {ours.amount_paise}"
    # V2 names a merchant id, and an order knows its client id only.
    if order.generation == Generation.V1 and claim.merchant_id not in (None, order.merchant):
        return f"it names the merchant {claim.merchant_id}, the order is one of {order.merchant}"
    return ""


def _is_about_refund(call: WebhookClaim | WebhookEvent) -> bool:
    """A V1 callback has one id, of a payment or a refund, and has it in both places."""
    return call.merchant_refund_id not in ("", call.merchant_order_id)


def _alert_staff(event: WebhookEvent) -> None:
    if event.state == State.NEEDS_REVIEW:
        alert_not_understood(event)
    elif event.state == State.UNMATCHED and is_about_dispute(event.event):
        # Other shops may share the merchant: their orders are no news, but this dispute may be ours.
        case, order = f"event:{event.pk}", event.merchant_order_id
        alert_staff("dispute_unmatched", case=case, event=event.event, order=order)


@transaction.atomic
def _reopen(digest: str, new: WebhookEvent) -> WebhookEvent:
    """`new` is the same call, read again. Its order or its words may be known by now; or polling had ended."""
    stored = WebhookEvent.objects.select_related(*WITH_PAYMENT)
    event = stored.get(digest=digest)
    is_known_now = event.attempt is None and event.refund is None and new.state == State.RECEIVED
    is_read_now = event.state == State.NEEDS_REVIEW and not new.unclear
    has_ended = event.state == State.RECEIVED and event.next_check_at is None
    if is_known_now or is_read_now or has_ended:
        names = (
            *("event", "merchant_order_id", "merchant_refund_id", "claimed_state", "claimed_paise"),
            *("attempt", "refund", "state", "differs", "unclear"),
        )
        values = {name: getattr(new, name) for name in names}
        values["next_check_at"] = timezone.now() if new.state == State.RECEIVED else None
        unchanged = WebhookEvent.objects.filter(pk=event.pk, state=event.state)
        unchanged.update(**values, checks=0, handled_at=None)
        event = stored.get(pk=event.pk)
    return event


def process_now(event: WebhookEvent) -> None:
    """The first poll, by the web process: quick, and of one copy of a call only.

    What it leaves undecided, the worker polls at once; so it does with all of it while other webhooks are polling here,
    because the thread is needed for the next answer to PhonePe.
    """
    if event.state != State.RECEIVED:
        return
    is_new, now = event.deliveries == 1, timezone.now()
    if not is_new and event.checks == 0 and is_running(event.next_check_at, now, FIRST_POLL):
        return  # the process that got the first copy is polling
    try:
        with waiting.webhook_polls.reserve() as may_poll:
            if may_poll and not is_new:
                with lease_row("events", event.pk, FIRST_POLL) as is_ours:
                    if is_ours:  # read again: another copy of the same call may have been faster
                        process_event(WebhookEvent.objects.select_related(*WITH_PAYMENT).get(pk=event.pk))
                return
            if may_poll:
                with push_back_on_error("events", event.pk):
                    process_event(event)
        if event.state == State.RECEIVED:
            undecided = WebhookEvent.objects.filter(pk=event.pk, state=State.RECEIVED)
            undecided.filter(next_check_at=event.next_check_at).update(next_check_at=timezone.now())
    except DATABASE_TROUBLE:
        logger.warning("the database is busy; left to the worker", extra={"event": event.pk})


def process_event(event: WebhookEvent, seconds: int = QUICK_POLL_SECONDS) -> bool:
    """Poll what the event is about; the event ends when PhonePe's answer is at least as final as the event.

    False when PhonePe gave no answer.
    """
    if event.state != State.RECEIVED:
        return True
    deadline, has_answered, attempt = Deadline(seconds), True, event.attempt
    _record_dispute(event)
    try:
        if is_about_dispute(event.event) and attempt is not None:
            was_received = attempt.state == AttemptState.COMPLETED
            if _ensure_received(attempt, deadline) and not was_received:
                _record_dispute(event)  # again: only now is known how much of the money a dispute can take
        elif event.refund is not None:
            poll_refund(event.refund, deadline, "webhook")
        elif attempt is not None and not _is_about_refund(event):
            may_end = not event.unclear and _answered_when(event) is not None
            if poll_for_event(attempt, deadline, partial(_ending, event) if may_end else None):
                event.state = State.HANDLED
                return True
        elif attempt is not None and _ensure_received(attempt, deadline):
            refund_id, paise = event.merchant_refund_id, event.claimed_paise
            event.refund = find_unknown_refund(attempt, refund_id, paise, deadline)
            event.save(update_fields=["refund"])
    except NO_ANSWER as error:
        logger.warning(
            "PhonePe did not answer about a webhook",
            extra={"event": event.pk, "category": error.error_category},
        )
        has_answered = False
    if (answered := _answered_when(event)) is not None:
        _finish(event, answered)
    return has_answered


def _ending(event: WebhookEvent) -> list[Write]:
    """For the statement that books: a completed order answers each event about it."""
    return [_finishing(())(event.pk, State.HANDLED, "", timezone.now())]


def _record_dispute(event: WebhookEvent) -> None:
    if is_about_dispute(event.event) and event.attempt is not None:
        event.unclear = record_dispute(event, event.attempt)
        WebhookEvent.objects.filter(pk=event.pk, state=State.RECEIVED).update(unclear=event.unclear)


def _ensure_received(attempt: PaymentAttempt, deadline: Deadline) -> bool:
    """The payment first: else money that was refunded already would be booked when its payment is heard of."""
    if attempt.state != AttemptState.COMPLETED:
        poll(attempt, deadline, "webhook")
        attempt.refresh_from_db()
    return attempt.state == AttemptState.COMPLETED


def _answered_when(event: WebhookEvent) -> dict[str, Any] | None:
    """What must be true of its row by now; nothing for an event that any answer answers. None: it is not answered."""
    claimed = ProviderStatus(event.claimed_state)
    if event.refund is not None:
        final = FINAL_REFUND_STATES.get(claimed)
        return {"refund__state__in": final} if final else {}
    if event.attempt is None or _is_about_refund(event):
        return None
    if is_about_dispute(event.event):
        return {"attempt__state": AttemptState.COMPLETED}  # what is disputed is in our ledger, too
    is_about_one_try = "attempt" in event.event.lower()  # the customer may try again on the page
    if is_about_one_try or claimed not in FINAL_STATES:
        return {}
    return {"attempt__state__in": FINAL_STATES[claimed]}


def _finish(event: WebhookEvent, answered: dict[str, Any]) -> None:
    """An event that is not understood waits for staff. What staff have closed meanwhile stays closed."""
    state = State.NEEDS_REVIEW if event.unclear else State.HANDLED
    write = _finishing(tuple(answered.items()))(event.pk, state, event.unclear, timezone.now())
    with transaction.atomic() if event.unclear else nullcontext():
        if any(write_together([write])):
            event.state = state
            if event.unclear:
                alert_not_understood(event)


@cache
def _finishing(answered: tuple[tuple[str, Any], ...]) -> CompiledWrite[[int, str, str, datetime]]:
    def write(event_id: int, state: str, unclear: str, now: datetime) -> Write:
        unfinished = WebhookEvent.objects.filter(pk=event_id, state=State.RECEIVED, **dict(answered))
        return update_rows(unfinished, state=state, unclear=unclear, handled_at=now, next_check_at=None)

    return CompiledWrite(write)


def close_event(event_id: int, reason: str, by: User) -> None:
    """Staff end an event that could not be processed. Raises Refusal without a reason, Conflict if it does not wait."""
    if not reason.strip():
        raise Refusal("Say why it can be closed.", code="reason_missing")
    is_unconfirmed = Q(state=State.RECEIVED) & (Q(checks__gte=SOON_CHECKS) | Q(next_check_at=None))
    waits_for_staff = Q(state__in=(State.NEEDS_REVIEW, State.UNMATCHED)) | is_unconfirmed
    values = {"state": State.CLOSED, "handled_at": timezone.now(), "next_check_at": None}
    with transaction.atomic():
        event = WebhookEvent.objects.select_related("attempt").filter(pk=event_id).first()
        if event is not None and event.attempt is not None:  # the payment's lock first, as elsewhere
            lock_payment(pk=event.attempt.payment_id)
        events = WebhookEvent.objects.filter(waits_for_staff, pk=event_id)
        if not events.update(closed_because=reason.strip()[:200], closed_by=by, **values):
            raise Conflict("This event is not waiting for staff.", code="not_waiting")
        if event is not None and event.attempt is not None:
            schedule_next_refund(event.attempt)  # refunds that a dispute held back


def next_check_time(event: WebhookEvent, now: datetime, *, answered: bool = True) -> datetime | None:
    """When the worker polls again for an event that is not answered.

    None when PhonePe has answered and has not confirmed the event for a day. Without an answer polling goes on.
    """
    age = now - event.received_at
    if answered and age >= scaled(POLLED_FOR_SECONDS):
        return None
    if event.checks < SOON_CHECKS:
        return now + scaled(SOON_SECONDS)
    return now + min(max(age / 4, scaled(LATER_SECONDS)), scaled(LATEST_SECONDS))
