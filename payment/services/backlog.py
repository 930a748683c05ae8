"""What is due, by the clock that all workers share."""

from datetime import datetime
from typing import Any, TypeVar

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from notices.models import Notice
from payment.models import Offer, Payment, PaymentAttempt, Receipt, Refund, WebhookEvent

Leased = TypeVar("Leased", PaymentAttempt, Refund, WebhookEvent, Notice)


def due(model: type[Leased], now: datetime) -> "QuerySet[Leased]":
    return model.objects.filter(next_check_at__lte=now).order_by("next_check_at")


def oldest_overdue() -> datetime | None:
    """Since when the most neglected row has been waiting. A worker that is alive keeps this young.

    Not messages: mail is a hop of its own.
    """
    now = database_now()
    asked = [_oldest(due(model, now), "next_check_at") for model in (PaymentAttempt, WebhookEvent, Refund)]
    done = [
        _oldest(Payment.objects.filter(fulfil_at__lte=now), "fulfil_at"),
        _oldest(Offer.objects.filter(state=Offer.State.OPEN, expires_at__lte=now), "expires_at"),
        _oldest(Receipt.objects.filter(number=None, received_at__lte=now), "received_at"),
    ]
    return min(filter(None, asked + done), default=None)


def _oldest(rows: "QuerySet[Any]", moment: str) -> datetime | None:
    return rows.order_by(moment).values_list(moment, flat=True).first()


def database_now() -> datetime:
    """SQLite has no clock of its own: it lives on this machine."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now
