"""Which rows are due, by the clock that all workers share. Rows of one moment are ordered by their creation."""

from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.expressions import Combinable

from booking.models import Booking, SlotHold
from core.clocks import database_now
from notifications.models import Notification
from payment.models import (
    ClosureItem,
    CreditNote,
    IdempotencyKey,
    Offer,
    PayingWatch,
    Payment,
    PaymentAttempt,
    Receipt,
    Refund,
    WebhookDelivery,
    WebhookEvent,
    WorkLease,
)
from payment.services.idempotency import KEPT

Scheduled = TypeVar("Scheduled", PaymentAttempt, Refund, WebhookEvent, Notification, WebhookDelivery)

Row = TypeVar("Row", bound=Model)


def due(model: type[Scheduled], now: datetime) -> "QuerySet[Scheduled]":
    return model._default_manager.filter(next_check_at__lte=now).order_by("next_check_at", "pk")


def fulfilments_due(now: datetime) -> "QuerySet[Payment]":
    return Payment.objects.filter(fulfil_at__lte=now).order_by("fulfil_at", "pk")


def holds_due(now: datetime) -> "QuerySet[SlotHold]":
    held = SlotHold.objects.filter(state=SlotHold.State.HELD, expires_at__lte=now)
    return held.order_by("expires_at", "pk")


def offers_due(now: datetime) -> "QuerySet[Offer]":
    """Without those whose refund waits for a second person, or was refused by one: staff decide about them.

    A request that was superseded is made again.
    """
    undecided = Q(requested_refund=None) | Q(requested_refund__code="superseded")
    expired = Offer.objects.filter(undecided, state=Offer.State.OPEN, expires_at__lte=now)
    return expired.order_by("expires_at", "pk")


def watches_due(now: datetime) -> "QuerySet[PayingWatch]":
    return PayingWatch.objects.filter(next_check_at__lte=now).order_by("next_check_at", "pk")


def reminders_due(now: datetime) -> "QuerySet[Booking]":
    return Booking.objects.filter(next_reminder_at__lte=now).order_by("next_reminder_at", "pk")


def receipts_due(now: datetime) -> "QuerySet[Receipt]":
    """Whatever `received_at` is: it dates the receipt, and may have been written by a clock that was ahead."""
    return Receipt.objects.filter(number=None).order_by("pk")


def credit_notes_due(now: datetime) -> "QuerySet[CreditNote]":
    return CreditNote.objects.filter(number=None).order_by("pk")


def closure_items_due(now: datetime) -> "QuerySet[ClosureItem]":
    """What staff have decided about the bookings of a time that they closed, in their order."""
    return ClosureItem.objects.filter(outcome=ClosureItem.Outcome.WAITING).order_by("pk")


def keys_due(now: datetime) -> "QuerySet[IdempotencyKey]":
    return IdempotencyKey.objects.filter(created_at__lt=now - KEPT).order_by("created_at", "pk")


def free(rows: "QuerySet[Row]", kind: str, now: datetime | Combinable) -> "QuerySet[Row]":
    """Without rows that a worker is busy with, and rows that wait because their work failed."""
    # Looked up for each row that is found, not read whole: there may be many leases of rows that fail.
    return rows.exclude(Exists(WorkLease.objects.filter(WorkLease.held(now), kind=kind, row=OuterRef("pk"))))


def oldest_overdue() -> datetime | None:
    """Since when the oldest due row has been waiting. While a worker runs, that is not long ago.

    Without notifications, which depend on the mail server, and rows that fail: staff are alerted to each of them.
    """
    now = database_now()
    waiting: list[tuple[str, QuerySet[Any], str]] = [
        ("attempts", due(PaymentAttempt, now), "next_check_at"),
        ("events", due(WebhookEvent, now), "next_check_at"),
        ("refunds", due(Refund, now), "next_check_at"),
        ("fulfilments", fulfilments_due(now), "fulfil_at"),
        ("offers", offers_due(now), "expires_at"),
        ("receipts", receipts_due(now), "received_at"),
        ("credit_notes", credit_notes_due(now), "issued_at"),
    ]
    oldest = [
        free(rows, kind, now).order_by(moment).values_list(moment, flat=True).first()
        for kind, rows, moment in waiting
    ]
    return min(filter(None, oldest), default=None)
