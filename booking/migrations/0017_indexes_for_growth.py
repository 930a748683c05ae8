from django.conf import settings
from django.db import migrations, models

from core.indexes import AddIndexOnline, drop_pattern_indexes


class Migration(migrations.Migration):

    dependencies = [
        ('booking', '0016_longer_addresses'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    atomic = False  # payments go on meanwhile

    operations = [
        AddIndexOnline(
            model_name='cart',
            index=models.Index(condition=models.Q(('status', 'ACTIVE')), fields=['id'], name='cart_active'),
        ),
        AddIndexOnline(
            model_name='booking',
            index=models.Index(fields=['starts_at'], name='booking_starts'),
        ),
        drop_pattern_indexes("booking", "holdnetwork.digest"),
    ]
