from django.db import migrations


def rename_kind(apps, schema_editor):
    """A message that failed keeps its backoff under the new name of its kind of work."""
    apps.get_model("payment", "WorkLease").objects.filter(kind="notices").update(kind="notifications")


class Migration(migrations.Migration):
    dependencies = [("payment", "0019_payer_reference_text")]

    operations = [migrations.RunPython(rename_kind, migrations.RunPython.noop, elidable=True)]
