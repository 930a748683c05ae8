"""Disputes that were told before become sums of updates, and what was dropped as handled is put before staff.

Every row is kept. No entry is added to the ledger here: where the books and a dispute differ, `ledger_check` says so,
and the next news, or staff, bring them together.
"""

import json
import re
from datetime import datetime, timedelta, timezone

from django.db import migrations
from django.db.models import Sum

DISPUTE = "payment.dispute."
WORDS = ("CREATED", "UNDER_REVIEW", "ACTION_REQUIRED", "WON", "LOST")
NO_MONEY = ("settlement.", "order.split.settlement.", "downtime.")
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,63}")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
YEAR_2100_MS = 4_102_444_800_000
DROPPED = "it was passed over before such events were shown to staff"


def forwards(apps, schema_editor):
    Dispute, Event = apps.get_model("payment", "Dispute"), apps.get_model("payment", "WebhookEvent")
    Update = apps.get_model("payment", "DisputeUpdate")
    Dispute.objects.filter(amount_paise=0).update(amount_paise=None)
    disputes = {dispute.dispute_id: dispute for dispute in Dispute.objects.all()}
    for dispute in disputes.values():
        _take_last_news(Update, dispute)
    told = Event.objects.filter(event__startswith=DISPUTE, state="HANDLED", attempt__isnull=False)
    for event in told.order_by("pk").iterator():
        _take_event(Update, Event, disputes, event)
    Entry = apps.get_model("payment", "LedgerEntry")
    for dispute in disputes.values():
        _take_entries(Update, Entry, dispute)
    for prefix in NO_MONEY:
        Event.objects.filter(event__startswith=prefix, state="UNMATCHED").update(state="NOTED")


def _take_last_news(Update, dispute):
    Update.objects.create(
        dispute=dispute,
        event_id=dispute.event_id,
        status=dispute.status,
        amount_paise=dispute.amount_paise,
        told_at=dispute.told_at,
        due_at=dispute.due_at,
        is_proven=dispute.is_proven,
        said_by_id=dispute.confirmed_by_id,
    )


def _take_event(Update, Event, disputes, event):
    if Update.objects.filter(event_id=event.pk).exists():
        return
    told, word = _payload(event), event.event[len(DISPUTE) :].upper()
    dispute_id = told.get("disputeId")
    is_read = isinstance(dispute_id, str) and IDENTIFIER.fullmatch(dispute_id) and word in WORDS
    dispute = disputes.get(dispute_id) if is_read else None
    if dispute is None or dispute.attempt_id != event.attempt_id:
        Event.objects.filter(pk=event.pk).update(state="NEEDS_REVIEW", unclear=DROPPED)
        return
    amount, moment = told.get("disputeAmount"), told.get("updatedAt")
    Update.objects.create(
        dispute=dispute,
        event_id=event.pk,
        status=word,
        amount_paise=amount if type(amount) is int and 0 < amount <= 10**15 else None,
        told_at=_moment(moment) or event.received_at,
        is_proven=event.scheme == "hmac",
    )


def _take_entries(Update, Entry, dispute):
    """What stands in the ledger was proven when it was entered, by a signature or by staff."""
    references = (dispute.dispute_id, f"{dispute.dispute_id}:returned"[:64])
    entries = Entry.objects.filter(kind="CHARGEBACK", reference__in=references, attempt_id=dispute.attempt_id)
    if not entries.update(dispute=dispute):
        return
    word = "LOST" if entries.aggregate(sum=Sum("amount_paise"))["sum"] < 0 else "WON"
    newest = Update.objects.filter(dispute=dispute, status=word).order_by("-told_at", "-pk").first()
    if newest is not None:
        Update.objects.filter(pk=newest.pk).update(is_proven=True)


def _payload(event):
    try:
        body = json.loads(bytes(event.body))
    except (ValueError, RecursionError):
        return {}
    payload = body.get("payload") if isinstance(body, dict) else None
    return payload if isinstance(payload, dict) else {}


def _moment(told):
    if type(told) is not int or not 0 < told < YEAR_2100_MS:
        return None
    return EPOCH + timedelta(milliseconds=told)


class Migration(migrations.Migration):
    dependencies = [("payment", "0014_two_sums_and_disputes")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
