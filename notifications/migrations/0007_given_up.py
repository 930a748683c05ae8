from django.conf import settings
from django.db import migrations, models

from core.indexes import AddIndexOnline


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0006_indexes_for_growth'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    atomic = False  # payments go on meanwhile

    operations = [
        AddIndexOnline(
            model_name='notification',
            index=models.Index(condition=models.Q(('state', 'GIVEN_UP')), fields=['created_at'], name='notification_given_up'),
        ),
    ]
