"""Another name in the code only: the column, which people may read with SQL, keeps its name."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payment", "0020_leases_of_notifications"),
    ]

    operations = [
        migrations.AlterField(
            "webhookevent",
            "claimed_verdict",
            models.CharField(db_column="claimed_verdict", max_length=16),
        ),
        migrations.RenameField("webhookevent", old_name="claimed_verdict", new_name="claimed_state"),
    ]
