from django.db import migrations

from backoffice.migrations._grants import grant

ROLES = ("Owner", "Manager", "Support", "Accountant", "Coordinator")


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0002_api_keys"), ("payment", "0042_cases_and_closures")]

    operations = [grant({role: ["payment.add_casenote"] for role in ROLES})]
