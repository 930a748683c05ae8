"""PhonePe's calls to us: authenticated, kept as they came, and then only a reason to ask."""

import hashlib
import logging
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from payment.gateways import WebhookClaim, authenticate_webhook
from payment.models import PaymentAttempt, Refund, WebhookEvent
from payment.services.asking import ask
from payment.services.calls import NO_ANSWER
from payment.services.schedule import scaled
from payment.states import AttemptState, Generation, Verdict
from payment.transport import Deadline

logger = logging.getLogger(__name__)

ENOUGH = {
    Verdict.COMPLETED: (AttemptState.COMPLETED,),
    Verdict.FAILED: (AttemptState.FAILED, AttemptState.EXPIRED, AttemptState.COMPLETED),
}
# An event PhonePe does not confirm is asked about every 3 s, later every minute; then it is left to staff.
SOON_SECONDS, SOON_CHECKS = 3, 10
LATER_SECONDS, MOST_CHECKS = 60, 40
QUICK_ASK_SECONDS = 3


def receive_webhook(headers: Mapping[str, str], body: bytes) -> WebhookEvent:
    """Keep one authentic call. Raises NotAuthentic (401). Committed when this returns; no network here."""
    claim = authenticate_webhook(headers, body)
    digest = hashlib.sha256(claim.scheme.encode() + b"\0" + body).hexdigest()
    with transaction.atomic():
        WebhookEvent.objects.bulk_create([_event(claim, digest, headers, body)], ignore_conflicts=True)
        WebhookEvent.objects.filter(digest=digest).update(deliveries=F("deliveries") + 1)
        return WebhookEvent.objects.select_related("attempt").get(digest=digest)


def handle_at_once(event: WebhookEvent) -> None:
    """The web process's own quick look, leased like a worker's: the same call five times at once is one question."""
    lease, until = uuid.uuid4(), timezone.now() + 2 * timedelta(seconds=QUICK_ASK_SECONDS)
    unclaimed = WebhookEvent.objects.filter(pk=event.pk, state=WebhookEvent.State.RECEIVED, check_lease=None)
    if not unclaimed.update(check_lease=lease, next_check_at=until):
        return
    handle(event)
    unsettled = WebhookEvent.objects.filter(pk=event.pk, check_lease=lease)
    unsettled.update(check_lease=None, next_check_at=timezone.now())


def handle(event: WebhookEvent, seconds: int = QUICK_ASK_SECONDS) -> None:
    """Ask about the order the event is about; done when the answer is at least as final as the event."""
    if event.state != WebhookEvent.State.RECEIVED or event.attempt is None:
        return
    try:
        ask(event.attempt, Deadline(seconds), "webhook")
    except NO_ANSWER as error:
        logger.warning("no answer", extra={"event": event.pk, "category": error.error_category})
    event.attempt.refresh_from_db()
    if _is_answered(event, event.attempt):
        _done(event)


def next_look(event: WebhookEvent, now: datetime) -> datetime | None:
    """When the worker looks again after a look that settled nothing; None: left to staff."""
    if event.checks >= MOST_CHECKS:
        return None
    return now + scaled(SOON_SECONDS if event.checks < SOON_CHECKS else LATER_SECONDS)


def _event(claim: WebhookClaim, digest: str, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
    refund = Refund.objects.filter(merchant_refund_id=claim.merchant_refund_id).first()
    attempt = None if refund else _attempt_for(claim)
    return WebhookEvent(
        digest=digest,
        scheme=claim.scheme,
        header_names=",".join(sorted(name.lower() for name in headers)),
        body=body,
        event=claim.event[:64],
        merchant_order_id=claim.merchant_order_id[:64],
        merchant_refund_id=claim.merchant_refund_id[:64],
        claimed_verdict=claim.verdict.value,
        claimed_paise=claim.amount_paise,
        attempt=attempt,
        refund=refund,
        state=WebhookEvent.State.RECEIVED if attempt else WebhookEvent.State.UNMATCHED,
        differs=_difference(claim, attempt) if attempt else "",
        next_check_at=timezone.now() if attempt else None,
    )


def _attempt_for(claim: WebhookClaim) -> PaymentAttempt | None:
    """An order of another merchant of ours with the same id is another order."""
    attempt = PaymentAttempt.objects.filter(merchant_order_id=claim.merchant_order_id).first()
    return attempt if attempt and attempt.identity in claim.identities else None


def _difference(claim: WebhookClaim, attempt: PaymentAttempt) -> str:
    if claim.amount_paise is not None and claim.amount_paise != attempt.amount_paise:
        return f"it says {claim.amount_paise} paise, the order is about {attempt.amount_paise}"
    # V2 names a merchant id, and an order knows its client id only.
    if attempt.generation == Generation.V1 and claim.merchant_id not in (None, attempt.merchant):
        return f"it names the merchant {claim.merchant_id}, the order is one of {attempt.merchant}"
    return ""


def _is_answered(event: WebhookEvent, attempt: PaymentAttempt) -> bool:
    """An event that is not final for the order itself is answered by any answer at all."""
    claimed = Verdict(event.claimed_verdict)
    of_one_try = "attempt" in event.event.lower()  # the customer may try again on the page
    return of_one_try or claimed not in ENOUGH or attempt.state in ENOUGH[claimed]


def _done(event: WebhookEvent) -> None:
    event.state = WebhookEvent.State.HANDLED
    WebhookEvent.objects.filter(pk=event.pk).update(
        state=event.state, handled_at=timezone.now(), next_check_at=None, check_lease=None
    )
