"""Webhooks of PhonePe: authenticated, stored as they came, and then only a reason to poll the status."""

import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from core.errors import Conflict, Refusal
from payment.gateways import WebhookClaim, authenticate_webhook
from payment.models import PaymentAttempt, Refund, WebhookEvent
from payment.phonepe.enums import Generation, ProviderStatus
from payment.phonepe.transport import Deadline
from payment.phonepe.webhook_events import Family, canonical, family_of, is_about_dispute
from payment.services.disputes import record_dispute
from payment.services.gateway_calls import NO_ANSWER
from payment.services.leases import process_row
from payment.services.notifications import alert_not_understood, alert_staff
from payment.services.refunds.outcomes import schedule_next_refund
from payment.services.refunds.sending import find_unknown_refund, poll_refund
from payment.services.schedule import DAY, HOUR, MINUTE, scaled
from payment.services.status import poll
from payment.services.transitions import lock_payment
from payment.states import AttemptState, RefundState

logger = logging.getLogger(__name__)
State = WebhookEvent.State

# An event claims the key; a row in one of these states is at least as final. Other claims: any answer will do.
ENOUGH = {
    ProviderStatus.COMPLETED: (AttemptState.COMPLETED,),
    ProviderStatus.FAILED: (AttemptState.FAILED, AttemptState.EXPIRED, AttemptState.COMPLETED),
}
ENOUGH_FOR_REFUND = {
    ProviderStatus.CONFIRMED: (RefundState.CONFIRMED, RefundState.FAILED, RefundState.COMPLETED),
    ProviderStatus.COMPLETED: (RefundState.COMPLETED,),
    ProviderStatus.FAILED: (RefundState.FAILED, RefundState.COMPLETED),
}
# An event PhonePe does not confirm is asked about every 3 s, later every minute, then ever more rarely for a day.
SOON_SECONDS, SOON_CHECKS = 3, 10
LATER_SECONDS, LATEST_SECONDS = MINUTE, 6 * HOUR
POLLED_FOR_SECONDS = DAY
QUICK_POLL_SECONDS = 3


def receive_webhook(headers: Mapping[str, str], body: bytes) -> WebhookEvent:
    """Keep one authentic call. Raises NotAuthentic (401). Committed when this returns; no network here.

    A call that comes again is looked at again if nobody knew before what it is about.
    """
    claim = authenticate_webhook(headers, body)
    digest = hashlib.sha256(claim.scheme.encode() + b"\0" + body).hexdigest()
    read = _build_event(claim, digest, headers, body)
    with transaction.atomic():
        WebhookEvent.objects.bulk_create([read], ignore_conflicts=True)
        WebhookEvent.objects.filter(digest=digest).update(deliveries=F("deliveries") + 1)
        kept = WebhookEvent.objects.select_related("attempt", "refund__attempt").get(digest=digest)
        if kept.deliveries > 1:
            kept = _reopen(kept, read)
        _alert_if_nobody_can_ask(kept)
    return kept


def _reopen(kept: WebhookEvent, read: WebhookEvent) -> WebhookEvent:
    """Its merchant, its order or its words may be known by now; or it was asked about in vain, and given up."""
    is_known_now = kept.attempt is None and kept.refund is None and read.state == State.RECEIVED
    is_read_now = kept.state == State.NEEDS_REVIEW and not read.unclear
    is_given_up = kept.state == State.RECEIVED and kept.next_check_at is None
    if not (is_known_now or is_read_now or is_given_up):
        return kept
    names = (
        *("event", "merchant_order_id", "merchant_refund_id", "claimed_state", "claimed_paise"),
        *("attempt", "refund", "state", "differs", "unclear", "next_check_at"),
    )
    values = {name: getattr(read, name) for name in names}
    waiting = WebhookEvent.objects.filter(pk=kept.pk, state=kept.state)
    waiting.update(**values, checks=0, handled_at=None)
    return WebhookEvent.objects.select_related("attempt", "refund__attempt").get(pk=kept.pk)


def process_now(event: WebhookEvent) -> None:
    """The web process's own quick look, leased like a worker's: the same call five times at once is one question."""
    process_row("events", event.pk, _process_now, timedelta(seconds=2 * QUICK_POLL_SECONDS))


def process_event(event: WebhookEvent, seconds: int = QUICK_POLL_SECONDS) -> bool:
    """Ask about what the event is about; it ends when the answer is at least as final as the event.

    False when PhonePe gave no answer.
    """
    if event.state != State.RECEIVED:
        return True
    _record_dispute(event)
    answered = True
    try:
        _poll(event, Deadline(seconds))
    except NO_ANSWER as error:
        logger.warning("no answer", extra={"event": event.pk, "category": error.error_category})
        answered = False
    if _is_answered(event):
        _finish(event)
    return answered


def _record_dispute(event: WebhookEvent) -> None:
    if is_about_dispute(event.event) and event.attempt is not None:
        event.unclear = record_dispute(event, event.attempt)
        WebhookEvent.objects.filter(pk=event.pk, state=State.RECEIVED).update(unclear=event.unclear)


def close_event(event_id: int, reason: str, by: User) -> None:
    """Staff have looked at what nobody else could deal with. Raises Refusal without a reason, Conflict otherwise."""
    if not reason.strip():
        raise Refusal("Say why it can be closed.", code="reason_missing")
    asked_in_vain = Q(state=State.RECEIVED) & (Q(checks__gte=SOON_CHECKS) | Q(next_check_at=None))
    waits = Q(state__in=(State.NEEDS_REVIEW, State.UNMATCHED)) | asked_in_vain
    ended = {"state": State.CLOSED, "handled_at": timezone.now(), "next_check_at": None}
    with transaction.atomic():
        found = WebhookEvent.objects.filter(waits, pk=event_id)
        if not found.update(closed_because=reason.strip()[:200], closed_by=by, **ended):
            raise Conflict("This event is not waiting for staff.", code="not_waiting")
        event = WebhookEvent.objects.select_related("attempt").get(pk=event_id)
        if event.attempt is not None:
            lock_payment(pk=event.attempt.payment_id)
            schedule_next_refund(event.attempt)  # refunds that a dispute held back


def next_check_time(event: WebhookEvent, now: datetime, *, answered: bool = True) -> datetime | None:
    """When the worker looks again after a look that settled nothing.

    None when PhonePe has answered and for a day has not confirmed the event. No answer is never the last one.
    """
    age = now - event.received_at
    if answered and age >= scaled(POLLED_FOR_SECONDS):
        return None
    if event.checks < SOON_CHECKS:
        return now + scaled(SOON_SECONDS)
    return now + min(max(age / 4, scaled(LATER_SECONDS)), scaled(LATEST_SECONDS))


def _process_now(event_id: int) -> None:
    """As it stands under the lease: another delivery of the same call may have been faster."""
    process_event(WebhookEvent.objects.select_related("attempt", "refund__attempt").get(pk=event_id))


def _build_event(claim: WebhookClaim, digest: str, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
    refund, attempt = _refund_for(claim), _attempt_for(claim)
    known = refund is not None or attempt is not None
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
        state=_first_state(claim, known),
        differs=_difference(claim, refund, attempt),
        unclear=claim.unclear[:200],
        next_check_at=timezone.now() if known else None,
    )


def _first_state(claim: WebhookClaim, known: bool) -> WebhookEvent.State:
    """What nobody understands is never passed over, whoever it is about. A dispute that names an order of
    somebody else is shown to staff in any case."""
    if known:
        return State.RECEIVED
    if is_about_dispute(claim.event) and claim.merchant_order_id:
        return State.UNMATCHED
    if claim.unclear:
        return State.NEEDS_REVIEW
    return State.NOTED if family_of(claim.event) is Family.NO_MONEY else State.UNMATCHED


def _alert_if_nobody_can_ask(event: WebhookEvent) -> None:
    """Other shops and systems may share the merchant: their orders are no news, their disputes may be ours."""
    if event.state == State.NEEDS_REVIEW:
        alert_not_understood(event)
    elif event.state == State.UNMATCHED and is_about_dispute(event.event):
        case, order = f"event:{event.pk}", event.merchant_order_id
        alert_staff("dispute_unmatched", case=case, event=event.event, order=order)


def _refund_for(claim: WebhookClaim) -> Refund | None:
    refunds = Refund.objects.select_related("attempt")
    refund = refunds.filter(merchant_refund_id=claim.merchant_refund_id).first()
    return refund if refund and refund.attempt.identity in claim.identities else None


def _attempt_for(claim: WebhookClaim) -> PaymentAttempt | None:
    """An order of another merchant of ours with the same id is another order."""
    attempt = PaymentAttempt.objects.filter(merchant_order_id=claim.merchant_order_id).first()
    return attempt if attempt and attempt.identity in claim.identities else None


def _difference(claim: WebhookClaim, refund: Refund | None, attempt: PaymentAttempt | None) -> str:
    order = refund.attempt if refund else attempt
    if order is None or (refund is None and _is_about_refund(claim)):
        return ""  # there is nothing of ours to compare it with
    ours = refund or order
    if claim.amount_paise is not None and claim.amount_paise != ours.amount_paise:
        return f"it says {claim.amount_paise} paise, the {'refund' if refund else 'order'} is about {ours.amount_paise}"
    # V2 names a merchant id, and an order knows its client id only.
    if order.generation == Generation.V1 and claim.merchant_id not in (None, order.merchant):
        return f"it names the merchant {claim.merchant_id}, the order is one of {order.merchant}"
    return ""


def _is_about_refund(told: WebhookClaim | WebhookEvent) -> bool:
    """A V1 callback names one id, of a payment or a refund, and carries it in both places."""
    return told.merchant_refund_id not in ("", told.merchant_order_id)


def _poll(event: WebhookEvent, deadline: Deadline) -> None:
    if is_about_dispute(event.event) and event.attempt is not None:
        had_come = event.attempt.state == AttemptState.COMPLETED
        if _ensure_received(event.attempt, deadline) and not had_come:
            _record_dispute(
                event
            )  # once more: only now is known how much came, and what disputes can take of it
    elif event.refund is not None:
        poll_refund(event.refund, deadline, "webhook")
    elif event.attempt is not None and not _is_about_refund(event):
        poll(event.attempt, deadline, "webhook")
    elif event.attempt is not None and _ensure_received(event.attempt, deadline):
        event.refund = find_unknown_refund(
            event.attempt, event.merchant_refund_id, event.claimed_paise, deadline
        )
        event.save(update_fields=["refund"])


def _ensure_received(attempt: PaymentAttempt, deadline: Deadline) -> bool:
    """Receipt first: money whose way back is told before its way here would else be booked when it is gone."""
    if attempt.state != AttemptState.COMPLETED:
        poll(attempt, deadline, "webhook")
        attempt.refresh_from_db()
    return attempt.state == AttemptState.COMPLETED


def _is_answered(event: WebhookEvent) -> bool:
    """An event that is not final for the order itself is answered by any answer at all."""
    claimed = ProviderStatus(event.claimed_state)
    if event.refund is not None:
        event.refund.refresh_from_db()
        return claimed not in ENOUGH_FOR_REFUND or event.refund.state in ENOUGH_FOR_REFUND[claimed]
    if event.attempt is None or _is_about_refund(event):
        return False
    event.attempt.refresh_from_db()
    if is_about_dispute(event.event):
        return event.attempt.state == AttemptState.COMPLETED  # what is disputed has come by our books, too
    of_one_try = "attempt" in event.event.lower()  # the customer may try again on the page
    return of_one_try or claimed not in ENOUGH or event.attempt.state in ENOUGH[claimed]


def _finish(event: WebhookEvent) -> None:
    """Whatever we do not understand of it ends before staff, not as handled. What staff have closed stays closed."""
    state = State.NEEDS_REVIEW if event.unclear else State.HANDLED
    with transaction.atomic():
        ended = {
            "state": state,
            "unclear": event.unclear,
            "handled_at": timezone.now(),
            "next_check_at": None,
        }
        if WebhookEvent.objects.filter(pk=event.pk, state=State.RECEIVED).update(**ended):
            event.state = state
            if event.unclear:
                alert_not_understood(event)
