"""Times of disputes that lay in the future when they arrived outranked all later news: they become believable.

An event cannot tell of anything later than its own arrival, nor staff of anything later than their click. No entry is
added to the ledger here: one event of each dispute is handled again by the worker, which brings row and books to date.
"""

from datetime import datetime, timedelta, timezone

from django.db import migrations
from django.db.models import F, Q
from django.utils.timezone import now

SKEW = timedelta(seconds=60)
UNTIMED = datetime(1970, 1, 1, tzinfo=timezone.utc)


def forwards(apps, schema_editor):
    Update = apps.get_model("payment", "DisputeUpdate")
    of_events = Q(event__isnull=False, told_at__gt=F("event__received_at") + SKEW)
    of_staff = Q(event__isnull=True, told_at__gt=F("created_at") + SKEW)
    disputes = set()
    for update in Update.objects.filter(of_events | of_staff).select_related("event").order_by("pk"):
        told_at = update.event.received_at if update.event else update.created_at
        Update.objects.filter(pk=update.pk).update(told_at=told_at)
        disputes.add(update.dispute_id)
    for dispute_id in sorted(disputes):
        _have_handled_again(apps, dispute_id)


def _have_handled_again(apps, dispute_id):
    """By an event that staff have not closed. Its row says until then what time it can be believed."""
    Update, Event = apps.get_model("payment", "DisputeUpdate"), apps.get_model("payment", "WebhookEvent")
    updates = Update.objects.filter(dispute_id=dispute_id)
    timed = updates.filter(told_at__isnull=False).exclude(status="UNKNOWN").order_by("told_at").last()
    told_at = timed.told_at if timed else UNTIMED
    apps.get_model("payment", "Dispute").objects.filter(pk=dispute_id).update(told_at=told_at)
    events = Event.objects.filter(dispute_update__dispute_id=dispute_id).exclude(state="CLOSED")
    newest = events.order_by("pk").last()
    if newest is not None:
        due = {"state": "RECEIVED", "next_check_at": now(), "checks": 0, "handled_at": None}
        Event.objects.filter(pk=newest.pk).update(**due)


class Migration(migrations.Migration):
    dependencies = [("payment", "0017_earlier_starts")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
