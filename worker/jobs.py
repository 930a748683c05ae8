"""Background work: the rows themselves say what is due; there is no second queue.

A kind of work is a Job: which rows are due, and what is done about one of them. `payment.services.leases` claims one
row at a time and catches what goes wrong with it. What is learned from PhonePe always goes to `apply_status`; the lease
guards only who asks, and when the row is looked at again.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db.models import F

from core.clocks import database_now
from diagnostics.runner import diagnosis_due, run_diagnosis
from notifications.models import Notification
from notifications.sending import pause_after, send
from payment.models import IdempotencyKey, PaymentAttempt, Refund, WebhookEvent
from payment.phonepe.transport import Deadline
from payment.reconciliation.runs import compare_day, days_due
from payment.services import queue, status
from payment.services.holds import expire_hold
from payment.services.leases import DATABASE_TROUBLE, Job, process_next_row
from payment.services.monitoring import checks_due, run_checks
from payment.services.notification_delivery import attach
from payment.services.offers import expire_offer
from payment.services.outcomes import fulfil
from payment.services.queue import Scheduled, due
from payment.services.receipts import number_receipt
from payment.services.refunds import sending
from payment.services.schedule import scaled
from payment.services.webhooks import next_check_time, process_event

DEADLINE_SECONDS = 15
# A mail server may answer each of its commands only just in time; a receipt is drawn before.
MAIL_LEASE = timedelta(seconds=60 + 20 * settings.EMAIL_TIMEOUT)
COMPARISON_LEASE = timedelta(minutes=60)  # longer than any comparison of a day


def run_due(kinds: Iterable[str], limit: int = 10) -> int:
    """Do at most `limit` rows of each kind that are due now; returns how many were tried.

    Any number of callers is safe: each row is claimed by one of them. Raises what the database refused to answer,
    when every kind has had its turn.
    """
    tried, trouble = 0, None
    for kind in kinds:
        try:
            tried += _run_kind(kind, limit)
        except DATABASE_TROUBLE as error:
            trouble = error
    if trouble is not None:
        raise trouble
    return tried


def poll_attempt(attempt_id: int) -> None:
    attempt = _begin(PaymentAttempt, attempt_id)
    heard = status.poll_on_schedule(attempt, Deadline(DEADLINE_SECONDS))
    _reschedule(attempt, status.next_poll_at(_reload(attempt), heard, database_now()))


def send_refund(refund_id: int) -> None:
    refund = _begin(Refund, refund_id)
    sending.send_or_poll(refund, Deadline(DEADLINE_SECONDS))
    _reschedule(refund, sending.next_check_time(_reload(refund), database_now()))


def handle_event(event_id: int) -> None:
    event = _begin(WebhookEvent, event_id)
    answered = process_event(event, DEADLINE_SECONDS)
    _reschedule(event, next_check_time(event, database_now(), answered=answered))


def send_notification(notice_id: int) -> None:
    notification = _begin(Notification, notice_id)
    send(notification, attach)
    pause = pause_after(notification)
    _reschedule(notification, None if pause is None else database_now() + scaled(pause))


def fulfil_payment(payment_id: int) -> None:
    fulfil(payment_id)


def assign_receipt_number(receipt_id: int) -> None:
    number_receipt(receipt_id)


def delete_key(key_id: int) -> None:
    IdempotencyKey.objects.filter(pk=key_id).delete()


KINDS: dict[str, Job] = {
    "attempts": Job(partial(due, PaymentAttempt), poll_attempt),
    "refunds": Job(partial(due, Refund), send_refund),
    "events": Job(partial(due, WebhookEvent), handle_event),
    "fulfilments": Job(queue.fulfilments_due, fulfil_payment),
    "holds": Job(queue.holds_due, expire_hold),
    "offers": Job(queue.offers_due, expire_offer),
    "keys": Job(queue.keys_due, delete_key),
    "notifications": Job(partial(due, Notification), send_notification, MAIL_LEASE),
    "receipts": Job(queue.receipts_due, assign_receipt_number),
    "diagnosis": Job(diagnosis_due, run_diagnosis),
    "watch": Job(checks_due, run_checks),
    "reconcile": Job(days_due, compare_day, COMPARISON_LEASE),
}
# Threads apart, so that a silent PhonePe stops nothing else, nor does a silent mail server, nor a look at both.
PHONEPE_KINDS, DATABASE_KINDS = (
    ("events", "attempts", "refunds"),
    ("fulfilments", "holds", "offers", "receipts", "keys"),
)
NOTIFICATION_KINDS, DIAGNOSIS_KINDS, WATCH_KINDS = ("notifications",), ("diagnosis",), ("watch",)
RECONCILE_KINDS = ("reconcile",)


def _run_kind(kind: str, limit: int) -> int:
    tried, now = 0, database_now()
    while tried < limit and process_next_row(kind, KINDS[kind], now):
        tried += 1
    return tried


def _begin(model: type[Scheduled], row_id: int) -> Scheduled:
    """The row as it stands. `checks` counts at the beginning: a try that kills the worker is a try."""
    model._default_manager.filter(pk=row_id).update(checks=F("checks") + 1)
    return model._default_manager.get(pk=row_id)


def _reschedule(begun: Scheduled, next_check_at: datetime | None) -> None:
    """Unless somebody has rescheduled the row since we began: a click, a decision, another worker."""
    as_begun = type(begun)._default_manager.filter(pk=begun.pk, next_check_at=begun.next_check_at)
    as_begun.update(next_check_at=next_check_at)


def _reload(row: Scheduled) -> Scheduled:
    """Another object: the begun one knows when it was due."""
    return type(row)._default_manager.get(pk=row.pk)
