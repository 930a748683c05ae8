from django.db import migrations
from django.db.models import F, Value
from django.db.models.functions import Concat, Substr

import accounts.phones

TEN_DIGITS = r"^[6-9][0-9]{9}$"
INDIAN = r"^\+91[6-9][0-9]{9}$"


def write_as_e164(apps, schema_editor):
    """So far the column took nothing but Indian mobile numbers in ten digits."""
    payments = apps.get_model("payment", "Payment").objects.filter(payer_mobile__regex=TEN_DIGITS)
    payments.update(payer_mobile=Concat(Value("+91"), F("payer_mobile")))


def write_as_ten_digits(apps, schema_editor):
    """Ten digits are all that the former column holds: other numbers are left out."""
    payments = apps.get_model("payment", "Payment").objects.exclude(payer_mobile="")
    payments.exclude(payer_mobile__regex=INDIAN).update(payer_mobile="")
    payments.update(payer_mobile=Substr("payer_mobile", 4))


class Migration(migrations.Migration):

    dependencies = [
        ('payment', '0007_open_rows_are_asked_about'),
    ]

    operations = [
        migrations.AlterField(
            model_name='payment',
            name='payer_mobile',
            field=accounts.phones.PhoneField(blank=True, max_length=32),
        ),
        migrations.RunPython(write_as_e164, write_as_ten_digits),
    ]
