"""What is due, by the clock that all workers share."""

from datetime import datetime
from typing import TypeVar

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from notices.models import Notice
from payment.models import PaymentAttempt, Refund, WebhookEvent

Leased = TypeVar("Leased", PaymentAttempt, Refund, WebhookEvent, Notice)


def due(model: type[Leased], now: datetime) -> "QuerySet[Leased]":
    return model.objects.filter(next_check_at__lte=now).order_by("next_check_at")


def oldest_overdue() -> datetime | None:
    """Since when the most neglected row has been waiting. A worker that is alive keeps this young."""
    now = database_now()
    found = (due(PaymentAttempt, now), due(WebhookEvent, now), due(Refund, now))
    most_neglected = [rows.first() for rows in found]
    return min((row.next_check_at for row in most_neglected if row and row.next_check_at), default=None)


def database_now() -> datetime:
    """SQLite has no clock of its own: it lives on this machine."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now
