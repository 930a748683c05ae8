"""Every refund that was completed has its credit note, numbered in the order in which the money went back."""

from collections import Counter
from zoneinfo import ZoneInfo

from django.db import migrations

INDIA = ZoneInfo("Asia/Kolkata")
BATCH = 2_000


def financial_year(moment):
    day = moment.astimezone(INDIA)
    return day.year if day.month >= 4 else day.year - 1


def write_credit_notes(apps, schema_editor):
    """Without tax: what was paid before GST was set up had none on its receipt."""
    CreditNote, Counters = (apps.get_model("payment", name) for name in ("CreditNote", "ReceiptCounter"))
    entries, receipts = (apps.get_model("payment", name).objects for name in ("LedgerEntry", "Receipt"))
    refunds = apps.get_model("payment", "Refund").objects.filter(state="COMPLETED", credit_note=None)
    last = Counter()
    keys = list(refunds.order_by("decided_at", "pk").values_list("pk", flat=True))
    for start in range(0, len(keys), BATCH):
        rows = refunds.select_related("attempt").in_bulk(keys[start : start + BATCH])
        by_reference = {refund.merchant_refund_id: refund for refund in rows.values()}
        went_back = dict(
            entries.filter(kind="REFUND", reference__in=by_reference).values_list("reference", "amount_paise")
        )
        paid = set(
            entries.filter(kind="RECEIPT", attempt__in={each.attempt_id for each in rows.values()}).values_list(
                "attempt", flat=True
            )
        )
        of_payments = dict(
            receipts.filter(payment__in={each.payment_id for each in rows.values()}).values_list("payment", "pk")
        )
        notes = []
        for key in keys[start : start + BATCH]:
            refund = rows[key]
            issued_at = refund.decided_at or refund.created_at
            series = "SIC" if refund.attempt.simulated else "OKC"
            year = financial_year(issued_at)
            last[series, year] += 1
            notes.append(
                CreditNote(
                    refund=refund,
                    receipt_id=of_payments.get(refund.payment_id) if refund.attempt_id in paid else None,
                    series=series,
                    year=year,
                    number=last[series, year],
                    issued_at=issued_at,
                    total_paise=-went_back.get(refund.merchant_refund_id, -refund.amount_paise),
                )
            )
        CreditNote.objects.bulk_create(notes)
    for (series, year), number in last.items():
        Counters.objects.create(series=series, year=year, last=number)


def create_trigger(apps, schema_editor):
    """As those of 0030: a worker is told of a credit note that needs its number."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE TRIGGER notify_workers AFTER INSERT OR UPDATE OF number ON payment_creditnote"
            " FOR EACH ROW WHEN (NEW.number IS NULL) EXECUTE FUNCTION notify_workers()"
        )


def drop_trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER IF EXISTS notify_workers ON payment_creditnote")


class Migration(migrations.Migration):
    dependencies = [("payment", "0036_credit_notes")]

    operations = [
        migrations.RunPython(write_credit_notes, migrations.RunPython.noop),
        migrations.RunPython(create_trigger, drop_trigger),
    ]
