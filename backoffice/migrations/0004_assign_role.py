"""Who chooses the roles of staff."""

from django.db import migrations

from backoffice.migrations._grants import grant


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0003_notes"),
        ("accounts", "0020_assign_role"),
    ]

    operations = [grant({"Owner": ["accounts.user.assign_role"]})]
