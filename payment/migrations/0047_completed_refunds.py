from django.db import migrations, models

from core.indexes import AddIndexOnline


class Migration(migrations.Migration):

    dependencies = [
        ('payment', '0046_export_pan'),
    ]

    atomic = False  # refunds go on meanwhile

    operations = [
        AddIndexOnline(
            model_name='refund',
            index=models.Index(condition=models.Q(('state', 'COMPLETED')), fields=['decided_at'], name='refund_completed'),
        ),
    ]
