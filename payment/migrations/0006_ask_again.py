"""Rows that a question without an answer has left behind are due at once. Every row is kept."""

from django.db import migrations
from django.db.models import OuterRef, Subquery
from django.utils import timezone

OPEN = ("CREATED", "UNKNOWN", "PENDING")
ENDED_REFUND = ("COMPLETED", "FAILED")


def ask_again(apps, schema_editor):
    now = timezone.now()
    attempts = apps.get_model("payment", "PaymentAttempt").objects.filter(next_check_at=None)
    attempts.filter(state__in=OPEN).update(next_check_at=now)
    calls = apps.get_model("payment", "GatewayCall").objects.filter(attempt=OuterRef("pk"), operation="status")
    last = Subquery(calls.order_by("-pk").values("error_category")[:1])
    unanswered = attempts.filter(state__in=("FAILED", "EXPIRED")).annotate(last=last).exclude(last="")
    attempts.model.objects.filter(pk__in=list(unanswered.filter(last__isnull=False).values_list("pk", flat=True))).update(
        next_check_at=now
    )
    refunds = apps.get_model("payment", "Refund").objects.filter(next_check_at=None, held_because="")
    refunds.exclude(state__in=ENDED_REFUND).update(next_check_at=now)


class Migration(migrations.Migration):

    dependencies = [
        ('payment', '0005_reconciliations'),
    ]

    operations = [migrations.RunPython(ask_again, migrations.RunPython.noop)]
