"""Who makes API keys, and who may end them."""

from django.db import migrations

from backoffice.migrations._grants import grant

SEE_AND_REVOKE = ["accounts.view_apikey", "accounts.change_apikey"]


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0001_roles"),
        ("accounts", "0017_api_keys"),
    ]

    operations = [
        grant({"Owner": [*SEE_AND_REVOKE, "accounts.add_apikey"], "Manager": SEE_AND_REVOKE}),
    ]
