"""Background work: columns of the rows say what is due; there is no second queue.

A Job is one kind of work: which rows are due, and what is done about one of them. `payment.services.leases` claims one
row at a time and catches its errors. PhonePe's answers always go to `apply_status`; the lease only guards which worker
polls, and when the row is checked again.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache, partial

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.timezone import localdate

from accounts import codes, session_ends, uploads
from accounts.models import CodeRequest, OneTimeCode, Registration, Session, Upload, User
from booking.services.waiting_list import NOTICE, offers_to_end, to_offer, too_late
from core.clocks import database_now
from core.compiled import CompiledRead, CompiledWrite
from core.databases import Query, Write, read_together, update_row, update_rows, write_together
from diagnostics.runner import diagnosis_due, run_diagnosis
from notifications.models import Notification
from notifications.sending import pause_after, send
from notifications.services import notify
from payment.models import IdempotencyKey, PaymentAttempt, Refund, WebhookDelivery, WebhookEvent
from payment.phonepe.transport import Deadline
from payment.reconciliation.runs import compare_day, days_due
from payment.services import idempotency, queue, status, webhook_sending
from payment.services.closures import carry_out
from payment.services.holds import expire_hold
from payment.services.leases import DATABASE_TROUBLE, Job, process_next_row
from payment.services.monitoring import checks_due, run_checks
from payment.services.notification_delivery import attach
from payment.services.offers import expire_offer
from payment.services.outcomes import fulfil
from payment.services.pay_links import end_link, links_due
from payment.services.paying import tell_if_paying_works
from payment.services.queue import Scheduled, due
from payment.services.receipts import number_credit_note, number_receipt
from payment.services.refunds import sending
from payment.services.reminders import remind
from payment.services.schedule import scaled
from payment.services.waiting_list import end_unsold, offer_to_next, pass_on
from payment.services.webhooks import next_check_time, process_event

DEADLINE_SECONDS = 15
# A mail server may answer each command just before the timeout; a receipt is made before that.
MAIL_LEASE = timedelta(seconds=60 + 20 * settings.EMAIL_TIMEOUT)
COMPARISON_LEASE = timedelta(minutes=60)  # longer than any comparison of a day


def run_due(kinds: Iterable[str], limit: int = 10, claimed: Callable[[], object] = lambda: None) -> int:
    """Works on at most `limit` due rows of each kind; returns how many were tried.

    Safe for any number of callers: each row is claimed by one of them; `claimed` is called before the work on it.
    Raises an error of the database after every kind was tried.
    """
    tried, trouble = 0, None
    for kind in kinds:
        try:
            now = database_now()
            for _ in range(limit):
                if not process_next_row(kind, KINDS[kind], now, claimed):
                    break
                tried += 1
        except DATABASE_TROUBLE as error:
            trouble = error
    if trouble is not None:
        raise trouble
    return tried


def poll_attempt(attempt_id: int) -> None:
    attempt = _begin(PaymentAttempt, attempt_id, "payment")
    answer = status.poll_on_schedule(attempt, Deadline(DEADLINE_SECONDS))
    state, untried = (answer.state, status.is_untried(answer)) if answer else (None, False)
    if current := _reload(attempt):
        _reschedule(attempt, status.next_poll_at(current, state, database_now(), untried=untried))


def send_refund(refund_id: int) -> None:
    refund = _begin(Refund, refund_id)
    sending.send_or_poll(refund, Deadline(DEADLINE_SECONDS))
    if current := _reload(refund):
        _reschedule(refund, sending.next_check_time(current, database_now()))


def handle_event(event_id: int) -> None:
    event = _begin(WebhookEvent, event_id)
    answered = process_event(event, DEADLINE_SECONDS)
    _reschedule(event, next_check_time(event, database_now(), answered=answered))


def send_notification(notification_id: int) -> None:
    notification = _begin(Notification, notification_id, "user")
    send(notification, attach)
    pause = pause_after(notification)
    _reschedule(notification, None if pause is None else database_now() + scaled(pause))


def send_webhook(delivery_id: int) -> None:
    webhook_sending.send(_begin(WebhookDelivery, delivery_id))


def fulfil_payment(payment_id: int) -> None:
    fulfil(payment_id)


def assign_receipt_number(receipt_id: int) -> None:
    number_receipt(receipt_id, at_once=50)


def assign_credit_note_number(note_id: int) -> None:
    number_credit_note(note_id, at_once=50)


def carry_out_closure(item_id: int) -> None:
    carry_out(item_id)


def delete_key(key_id: int) -> None:
    IdempotencyKey.objects.filter(pk=key_id).delete()


def answer_code_request(request_id: int) -> None:
    codes.answer(CodeRequest.objects.get(pk=request_id))


def send_code(code_id: int) -> None:
    code = OneTimeCode.objects.select_related("user").get(pk=code_id)
    with transaction.atomic():
        notify(code.purpose.lower(), f"code:{code.pk}", {"code_id": code.pk}, user=code.user)
        OneTimeCode.objects.filter(pk=code.pk).update(is_sent=True)


def answer_registration(registration_id: int) -> None:
    """A code for a new address. The owner of an account is told that somebody used its address, once a day at most."""
    registration = Registration.objects.get(pk=registration_id)
    with transaction.atomic():
        owner = User.objects.filter(email=registration.email).first()
        if owner is not None and owner.is_active:
            notify("registered", f"registered:{owner.pk}:{localdate()}", {}, user=owner)
        elif owner is None and codes.mail_is_due(registration):
            key = f"registration:{registration.pk}:{registration.mails}"
            facts = {"registration_id": registration.pk}
            email, language = registration.email, registration.language
            notify("confirm", key, facts, user=None, email=email, language=language)
        Registration.objects.filter(pk=registration.pk).update(is_answered=True)


def delete_registration(registration_id: int) -> None:
    Registration.objects.filter(pk=registration_id).delete()


def delete_upload(upload_id: int) -> None:
    uploads.delete(Upload.objects.filter(pk=upload_id))


def delete_session(session_id: int) -> None:
    Session.objects.filter(pk=session_id).delete()


CHECKED, ENDING = ("next_check_at",), ("expires_at",)
KINDS: dict[str, Job] = {
    "attempts": Job(partial(due, PaymentAttempt), poll_attempt, columns=CHECKED, constant=True),
    "refunds": Job(partial(due, Refund), send_refund, columns=CHECKED, constant=True),
    "events": Job(partial(due, WebhookEvent), handle_event, columns=CHECKED, constant=True),
    "fulfilments": Job(queue.fulfilments_due, fulfil_payment, columns=("fulfil_at",), constant=True),
    "holds": Job(queue.holds_due, expire_hold, columns=ENDING),
    "pay_links": Job(links_due, end_link, columns=ENDING),
    "offers": Job(queue.offers_due, expire_offer, columns=ENDING),
    "closures": Job(queue.closure_items_due, carry_out_closure),
    "reminders": Job(queue.reminders_due, remind, columns=("next_reminder_at",)),
    "paying_watches": Job(queue.watches_due, tell_if_paying_works, columns=CHECKED),
    "waiting": Job(to_offer, offer_to_next),
    "waiting_offers": Job(offers_to_end, pass_on, columns=("offered_until",)),
    "late_waiting": Job(too_late, end_unsold, columns=("slot__starts_at",), kept=-NOTICE),
    "keys": Job(queue.keys_due, delete_key, columns=("created_at",), kept=idempotency.KEPT),
    "code_requests": Job(codes.requested, answer_code_request),
    "registrations": Job(codes.to_answer, answer_registration),
    "left_registrations": Job(
        codes.left_over, delete_registration, columns=("created_at",), kept=codes.REGISTRATION_KEPT
    ),
    "codes": Job(codes.to_send, send_code),
    "uploads": Job(uploads.left_over, delete_upload, columns=("created_at",)),
    "sessions": Job(
        session_ends.over, delete_session, columns=("ended_at", "expires_at"), kept=session_ends.KEPT
    ),
    "notifications": Job(
        partial(due, Notification), send_notification, MAIL_LEASE, columns=CHECKED, constant=True
    ),
    "server_events": Job(webhook_sending.events_to_distribute, webhook_sending.distribute),
    "webhooks": Job(partial(due, WebhookDelivery), send_webhook, columns=CHECKED, constant=True),
    "receipts": Job(queue.receipts_due, assign_receipt_number, constant=True),
    "credit_notes": Job(queue.credit_notes_due, assign_credit_note_number, constant=True),
    "diagnosis": Job(diagnosis_due, run_diagnosis),
    "watch": Job(checks_due, run_checks),
    "reconcile": Job(days_due, compare_day, COMPARISON_LEASE),
}
# Separate threads, so that neither a silent PhonePe nor a silent mail or other server nor a diagnosis stops other work.
PHONEPE_KINDS, DATABASE_KINDS = (
    ("events", "attempts", "refunds"),
    (
        *(
            "fulfilments",
            "holds",
            "pay_links",
            "offers",
            "closures",
            "receipts",
            "credit_notes",
            "reminders",
            "paying_watches",
            "keys",
        ),
        "server_events",
        *("waiting", "waiting_offers", "late_waiting"),
        *("registrations", "code_requests", "codes", "left_registrations", "sessions", "uploads"),
    ),
)
NOTIFICATION_KINDS, DIAGNOSIS_KINDS, WATCH_KINDS = ("notifications",), ("diagnosis",), ("watch",)
WEBHOOK_KINDS = ("webhooks",)
RECONCILE_KINDS = ("reconcile",)


def _begin(model: type[Scheduled], row_id: int, *related: str) -> Scheduled:
    """The row as it is. `checks` counts at the beginning, so that a try that kills the worker counts."""
    counted: Write = _counting(model)(row_id)
    row: Scheduled
    _, row = read_together(
        Query(f"{counted.sql} RETURNING id", counted.parameters, list), _rows(model, *related).one(row_id)
    )
    return row


@cache
def _counting(model: type[Scheduled]) -> CompiledWrite[[int]]:
    def write(row_id: int) -> Write:
        return update_rows(model._default_manager.filter(pk=row_id), checks=F("checks") + 1)

    return CompiledWrite(write)


@cache
def _rows(model: type[Scheduled], *related: str) -> CompiledRead[[int], Scheduled]:
    def build(row_id: int) -> QuerySet[Scheduled]:
        rows = model._default_manager.filter(pk=row_id)
        return rows.select_related(*related) if related else rows

    return CompiledRead(build)


def _reschedule(begun: Scheduled, next_check_at: datetime | None) -> None:
    """Unless the row was rescheduled since the beginning: by a click, a decision, another worker."""
    unchanged = {"id": begun.pk, "next_check_at": begun.next_check_at}
    write_together([update_row(type(begun), unchanged, {"next_check_at": next_check_at})])


def _reload(begun: Scheduled) -> Scheduled | None:
    """What has become of the row. None when it was rescheduled: what is paid, for one, is polled no more."""
    row: Scheduled = _rows(type(begun)).get(begun.pk)
    return row if row.next_check_at == begun.next_check_at else None
