"""Receipts of some days, for exports and the GST summary (as `ledger_days`, an index of blocks); open disputes."""

from django.db import migrations, models
from django.db.models import Q

from core.indexes import AddIndexOnline, create_on_postgresql


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("payment", "0049_donor_address")]

    operations = [
        AddIndexOnline(
            "dispute",
            models.Index(
                fields=["id"],
                name="dispute_undecided",
                condition=~Q(is_proven=True, status__in=("WON", "LOST")),
            ),
        ),
        create_on_postgresql(
            ("receipt_days", "payment_receipt USING brin (received_at) WITH (autosummarize = on)"),
        )
    ]
