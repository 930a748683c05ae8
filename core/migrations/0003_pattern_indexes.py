from django.db import migrations

from core.indexes import drop_pattern_indexes


class Migration(migrations.Migration):
    dependencies = [("core", "0002_counters")]

    atomic = False  # requests go on meanwhile

    operations = [drop_pattern_indexes("core", "counter.key")]
