from django.db import migrations
from django.db.models import F, Value
from django.db.models.functions import Concat, Substr

import accounts.phones

TEN_DIGITS = r"^[6-9][0-9]{9}$"
INDIAN = r"^\+91[6-9][0-9]{9}$"


def write_as_e164(apps, schema_editor):
    """Ten digits are Indian. Other spellings are read one by one; what can't be read stays as it was written."""
    User = apps.get_model("accounts", "User")
    known = User.objects.exclude(phone=None)
    known.filter(phone__regex=TEN_DIGITS).update(phone=Concat(Value("+91"), F("phone")))
    for pk, phone in known.exclude(phone__regex=INDIAN).values_list("pk", "phone").iterator():
        if not any(map(str.isalpha, phone)):  # words beside a number would be lost
            User.objects.filter(pk=pk).update(phone=phone)  # the field itself writes E.164


def write_as_ten_digits(apps, schema_editor):
    indian = apps.get_model("accounts", "User").objects.filter(phone__regex=INDIAN)
    indian.update(phone=Substr("phone", 4))


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_language_of_mails'),
    ]

    operations = [
        migrations.AlterField(
            model_name='user',
            name='phone',
            field=accounts.phones.PhoneField(blank=True, db_index=True, max_length=32, null=True, validators=[accounts.phones.readable_phone]),
        ),
        migrations.RunPython(write_as_e164, write_as_ten_digits),
    ]
