"""The background: what is due is found in the rows themselves, never in a second queue.

Whatever asks PhonePe is leased: claimed in a short transaction, called without one, and put back by its lease
token. A worker that dies loses its lease and nothing else. What is learned always goes to `settle`; the lease
guards only when the row is looked at again.
"""

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from booking.models import SlotHold
from notices.models import Notice
from notices.sending import pause_after, send
from payment.diagnosis.watch import look_if_due
from payment.models import IdempotencyKey, Offer, Payment, PaymentAttempt, Refund, WebhookEvent
from payment.reconciliation.runs import reconcile_if_due
from payment.services import asking
from payment.services.backlog import Leased, database_now, due
from payment.services.enclosing import enclose
from payment.services.holds import end_hold
from payment.services.idempotency import KEPT
from payment.services.offers import close_offer
from payment.services.receipts import number_waiting
from payment.services.refunds import sending
from payment.services.schedule import scaled
from payment.services.settling import fulfil
from payment.services.watching import watch
from payment.services.webhooks import handle, next_look
from payment.transport import Deadline

DEADLINE_SECONDS = 15
LEASE = timedelta(seconds=60)  # longer than any call, and never scaled: calls are not faster in tests


def run_due(kinds: Iterable[str], limit: int = 10) -> int:
    """Do at most `limit` due rows of each kind; returns how many were found. Any number of callers is safe."""
    return sum(KINDS[kind](limit) for kind in kinds)


def ask_about_attempts(limit: int) -> int:
    attempts = _lease(PaymentAttempt, limit)
    for attempt in attempts:
        heard = asking.ask_on_schedule(attempt, Deadline(DEADLINE_SECONDS))
        _put_back(attempt, asking.next_look(_as_it_stands(attempt), heard, database_now()))
    return len(attempts)


def send_refunds(limit: int) -> int:
    refunds = _lease(Refund, limit)
    for refund in refunds:
        sending.work_on(refund, Deadline(DEADLINE_SECONDS))
        _put_back(refund, sending.next_look(_as_it_stands(refund), database_now()))
    return len(refunds)


def handle_events(limit: int) -> int:
    events = _lease(WebhookEvent, limit)
    for event in events:
        answered = handle(event, DEADLINE_SECONDS)
        _put_back(event, next_look(event, database_now(), answered=answered))
    return len(events)


def send_notices(limit: int) -> int:
    notices = _lease(Notice, limit)
    for notice in notices:
        send(notice, enclose)
        pause = pause_after(notice)
        _put_back(notice, None if pause is None else database_now() + scaled(pause))
    return len(notices)


def fulfil_payments(limit: int) -> int:
    due = list(Payment.objects.filter(fulfil_at__lte=database_now()).values_list("pk", flat=True)[:limit])
    for payment_id in due:
        fulfil(payment_id)
    return len(due)


def end_holds(limit: int) -> int:
    """A hold outlives its page by a while, longer if the payment is undecided; then somebody else may book."""
    now = database_now()
    due = SlotHold.objects.filter(state=SlotHold.State.HELD, expires_at__lte=now)
    payment_ids = list(due.order_by("expires_at").values_list("checkout__payment", flat=True)[:limit])
    for payment_id in payment_ids:
        end_hold(payment_id, now)
    return len(payment_ids)


def close_offers(limit: int) -> int:
    """Nothing was chosen in time: the money goes back."""
    ended = Offer.objects.filter(state=Offer.State.OPEN, expires_at__lte=database_now())
    payment_ids = list(ended.order_by("expires_at").values_list("payment", flat=True)[:limit])
    for payment_id in payment_ids:
        close_offer(payment_id, "offer_expired")
    return len(payment_ids)


def forget_keys(limit: int) -> int:
    old = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT).values_list("pk", flat=True)
    return IdempotencyKey.objects.filter(pk__in=list(old[:limit])).delete()[0]


KINDS: dict[str, Callable[[int], int]] = {
    "attempts": ask_about_attempts,
    "refunds": send_refunds,
    "events": handle_events,
    "fulfilments": fulfil_payments,
    "holds": end_holds,
    "offers": close_offers,
    "keys": forget_keys,
    "notices": send_notices,
    "receipts": number_waiting,
    "diagnosis": look_if_due,
    "watch": watch,
    "reconcile": reconcile_if_due,
}
# Threads apart, so that a silent PhonePe stops nothing else, nor does a silent mail server, nor a look at both.
PHONEPE_KINDS, DATABASE_KINDS = (
    ("events", "attempts", "refunds"),
    ("fulfilments", "holds", "offers", "receipts", "keys"),
)
NOTICE_KINDS, DIAGNOSIS_KINDS, WATCH_KINDS = ("notices",), ("diagnosis",), ("watch",)
RECONCILE_KINDS = ("reconcile",)


def _lease(model: type[Leased], limit: int) -> list[Leased]:
    """Claim due rows for this caller. `checks` counts at the claim, so that a row that kills workers shows."""
    now, token = database_now(), uuid.uuid4()
    with transaction.atomic():
        ids = [row.pk for row in due(model, now).select_for_update(skip_locked=True)[:limit]]
        model.objects.filter(pk__in=ids).update(
            check_lease=token, next_check_at=now + LEASE, checks=F("checks") + 1
        )
    return list(model.objects.filter(pk__in=ids, check_lease=token))


def _put_back(row: Leased, next_check_at: datetime | None) -> None:
    held = type(row).objects.filter(pk=row.pk, check_lease=row.check_lease)
    held.update(check_lease=None, next_check_at=next_check_at)


def _as_it_stands(row: Leased) -> Leased:
    """Another object: the claimed one keeps our lease, whoever has taken the row over meanwhile."""
    return type(row).objects.get(pk=row.pk)
