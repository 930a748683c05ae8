"""Receipts say their amounts, and every payment that brought money has one. Every row is kept, every number too."""

from zoneinfo import ZoneInfo

from django.db import migrations, models
from django.db.models import F

INDIA = ZoneInfo("Asia/Kolkata")


def date_attempts(apps, schema_editor):
    """When PhonePe was paid was not kept: when we learned of it is the nearest."""
    completed = apps.get_model("payment", "PaymentAttempt").objects.filter(state="COMPLETED", paid_at=None)
    completed.update(paid_at=F("decided_at"))


def write_receipts(apps, schema_editor):
    """In the order in which the money came, so that they are numbered in it."""
    Receipt = apps.get_model("payment", "Receipt")
    entries = apps.get_model("payment", "LedgerEntry").objects.filter(kind="RECEIPT")
    in_order = list(entries.order_by("attempt__paid_at", "pk").values_list("pk", flat=True))
    for pk in in_order:
        entry = entries.select_related("attempt", "payment__checkout", "payment__receipt").get(pk=pk)
        receipt = getattr(entry.payment, "receipt", None)
        if receipt is None:
            receipt = Receipt(payment=entry.payment, series="SIM" if entry.payment.simulated else "OKP")
        if receipt.number is None:  # one that has its number has been given out: its date stays, too
            receipt.received_at = entry.attempt.paid_at or entry.created_at
            receipt.year = financial_year(receipt.received_at)
        set_amounts(receipt, entry.amount_paise, entry.payment.checkout)
        receipt.save()
    for receipt in Receipt.objects.filter(total_paise=None).select_related("payment__checkout"):
        set_amounts(receipt, receipt.payment.amount_paise, receipt.payment.checkout)
        receipt.save()


def set_amounts(receipt, came, checkout):
    receipt.price_paise = checkout.price_paise if checkout else came
    receipt.discount_paise = checkout.discount_paise if checkout else 0
    receipt.difference_paise = came - (receipt.price_paise - receipt.discount_paise)
    receipt.total_paise = came


def financial_year(moment):
    day = moment.astimezone(INDIA)
    return day.year if day.month >= 4 else day.year - 1


class Migration(migrations.Migration):

    dependencies = [
        ('booking', '0001_initial'),
        ('payment', '0009_nightly_comparisons'),
    ]

    operations = [
        migrations.AddField(
            model_name='paymentattempt',
            name='paid_at',
            field=models.DateTimeField(blank=True, help_text="when its money came: PhonePe's time, else when we learned of it", null=True),
        ),
        migrations.AlterField(
            model_name='receipt',
            name='received_at',
            field=models.DateTimeField(help_text='when the money came, as far as PhonePe tells'),
        ),
        migrations.AddField(
            model_name='receipt',
            name='price_paise',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='receipt',
            name='discount_paise',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='receipt',
            name='difference_paise',
            field=models.BigIntegerField(default=0, help_text='what came above (below: negative) what was agreed, accepted by staff'),
        ),
        migrations.AddField(
            model_name='receipt',
            name='total_paise',
            field=models.BigIntegerField(help_text='what came', null=True),
        ),
        migrations.RunPython(date_attempts, migrations.RunPython.noop),
        migrations.RunPython(write_receipts, migrations.RunPython.noop),
    ]
