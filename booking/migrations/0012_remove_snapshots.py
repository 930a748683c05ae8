from django.db import migrations


class Migration(migrations.Migration):
    """`0010_read_snapshots` has put what they hold into columns."""

    dependencies = [("booking", "0011_checkout_constraints")]

    operations = [
        migrations.RemoveField(model_name="checkout", name="snapshot"),
        migrations.RemoveField(model_name="checkout", name="address"),
    ]
