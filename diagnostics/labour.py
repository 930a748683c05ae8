"""Whether somebody works in the background, and whether PhonePe's calls reach us: what the rows say about it."""

from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from core.clocks import database_now
from diagnostics.dependencies import DATABASE_ERRORS, Hop
from payment.models import DiagnosisRun, PaymentAttempt, WebhookEvent
from payment.services.queue import oldest_overdue
from payment.states import AttemptState

LONGEST_WAIT = 60  # seconds a due row waits while a worker lives
MISSED_RUNS = 3  # so many of the worker's own diagnoses may fail to appear before it counts as gone
PAID_LATELY, WINDOW, ENOUGH = 20, timedelta(days=7), 5
SETTLED = timedelta(minutes=5)  # PhonePe's call may come a little after the answer to our question


def worker() -> Hop:
    """Rows that stay due for long are the sign that there is none; where nothing is due, its own diagnoses are."""
    hop = Hop("worker", "manage.py work")
    try:
        since, seen = oldest_overdue(), _last_seen()
        now = database_now()
    except DATABASE_ERRORS:
        return replace(hop, ok=None, detail="not known while the database cannot be asked")
    if since is not None:
        return _at_work(hop, round((now - since).total_seconds()))
    return _idle(hop, seen, now)


def webhook_silence() -> Hop:
    """Payments that were confirmed by clients only: PhonePe's calls do not come."""
    hop = Hop("webhook_silence", "the last paid orders")
    try:
        told = _announced()
    except DATABASE_ERRORS:
        return replace(hop, ok=None, detail="not known while the database cannot be asked")
    count = f"{len(told)} paid orders in {WINDOW.days} days, {sum(told)} of them announced by PhonePe"
    if len(told) < ENOUGH:
        return replace(hop, ok=True if any(told) else None, detail=f"{count}: too few to say")
    if not any(told):
        return replace(hop, ok=False, fault="silent", detail=f"{count}: all were found by clients only")
    return replace(hop, detail=count)


def _at_work(hop: Hop, waiting: int) -> Hop:
    if waiting > LONGEST_WAIT:
        return replace(hop, ok=False, fault="down", detail=f"work has been due for {waiting} s")
    return replace(hop, detail=f"working: the oldest due row waits for {max(waiting, 0)} s")


def _idle(hop: Hop, seen: datetime | None, now: datetime) -> Hop:
    every = timedelta(minutes=settings.DIAGNOSIS_EVERY_MINUTES)
    if seen is None or not every:
        return replace(hop, detail="nothing is due: idle, or not needed yet")
    ago = round((now - seen).total_seconds())
    if now - seen > MISSED_RUNS * every + timedelta(minutes=1):
        return replace(
            hop, ok=False, fault="down", detail=f"nothing is due, but it was last seen {ago} s ago"
        )
    return replace(hop, detail=f"nothing is due: idle, seen {max(ago, 0)} s ago")


def _last_seen() -> datetime | None:
    runs = DiagnosisRun.objects.filter(asked_by=DiagnosisRun.AskedBy.WORKER).order_by("-pk")
    return runs.values_list("started_at", flat=True).first()


def _announced() -> list[bool]:
    """Of the last paid orders, the newest first: whether PhonePe has called us about it."""
    now = timezone.now()
    paid = PaymentAttempt.objects.filter(
        state=AttemptState.COMPLETED, simulated=False, decided_at__range=(now - WINDOW, now - SETTLED)
    )
    announced = Exists(WebhookEvent.objects.filter(attempt=OuterRef("pk")))
    told = (
        paid.annotate(has_event=announced).order_by("-decided_at", "-pk").values_list("has_event", flat=True)
    )
    return list(told[:PAID_LATELY])
