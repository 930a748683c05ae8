from django.db import migrations, models

import core.texts


class Migration(migrations.Migration):

    dependencies = [
        ('payment', '0048_fourth_attempt_by_hand'),
    ]

    operations = [
        migrations.AddField(
            model_name='donation',
            name='address',
            field=models.CharField(blank=True, db_default='', default='', help_text='with a PAN only: Form 10BD wants both', max_length=200, validators=[core.texts.plain_line]),
        ),
    ]
