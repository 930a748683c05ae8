"""Who sees donations, and who takes the PANs of donors along."""

from django.db import migrations

from backoffice.migrations._grants import grant

SEE, PANS = "payment.view_donation", "payment.donation.export_pan"


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0009_history_of_prices"),
        ("payment", "0046_export_pan"),
    ]

    operations = [grant({"Owner": [SEE, PANS], "Manager": [SEE], "Accountant": [SEE, PANS]})]
