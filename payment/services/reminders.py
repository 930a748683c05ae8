"""Customers are reminded of their puja some hours before it begins (REMINDER_HOURS)."""

from django.db import transaction

from booking.models import Booking
from booking.services import next_reminder
from core.clocks import database_now
from payment.services.notifications import notify_reminder


@transaction.atomic
def remind(booking_id: int) -> None:
    """Once for each moment, whoever else tries. What is cancelled, called off or has begun is not reminded of.

    Reminders that became due together, because no worker was running, are one.
    """
    booking = Booking.objects.select_for_update(no_key=True).get(pk=booking_id)
    now = database_now()
    due_at = booking.next_reminder_at
    if due_at is None or due_at > now:
        return
    Booking.objects.filter(pk=booking.pk).update(next_reminder_at=next_reminder(booking.starts_at, now))
    is_confirmed = booking.status == Booking.Status.CONFIRMED and booking.choose_until is None
    if is_confirmed and booking.starts_at > now:
        notify_reminder(booking, due_at)
