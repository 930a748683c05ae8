from django.conf import settings
from django.db import migrations, models

from core.indexes import AddIndexOnline, drop_pattern_indexes


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0005_mails_per_address'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    atomic = False  # payments go on meanwhile

    operations = [
        AddIndexOnline(
            model_name='notification',
            index=models.Index(condition=models.Q(('kind', 'alert')), fields=['created_at'], name='notification_alerts'),
        ),
        drop_pattern_indexes("notifications", "notification.key"),
    ]
