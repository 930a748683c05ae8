"""Tokens that were issued for the published keys end: a site now has keys of its own."""

from typing import Any

from django.db import migrations


def delete_tokens(apps: Any, schema_editor: Any) -> None:
    apps.get_model("simulator", "Token").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("simulator", "0004_fault_rates")]
    operations = [migrations.RunPython(delete_tokens, migrations.RunPython.noop)]
