from django.db import migrations, models


class Migration(migrations.Migration):
    """Its index is `event_order`. In a transaction, because SQLite copies the table for it."""

    dependencies = [
        ('payment', '0033_payments_of_our_pages'),
    ]

    operations = [
        migrations.AlterField(
            model_name='webhookevent',
            name='merchant_order_id',
            field=models.CharField(blank=True, max_length=64),
        ),
    ]
