from django.core.management import call_command
from django.db import migrations


def create_cache_table(apps, schema_editor):
    """Does nothing where the cache is Redis or memory, or where the table exists already."""
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    """The table of a cache in the database (CACHE_URL=db://…), so that `migrate` alone makes a working installation."""

    dependencies = []
    operations = [migrations.RunPython(create_cache_table, migrations.RunPython.noop)]
