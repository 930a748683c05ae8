from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payment', '0047_completed_refunds'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='paymentattempt',
            name='attempt_at_most_three',
        ),
        migrations.AddConstraint(
            model_name='paymentattempt',
            constraint=models.CheckConstraint(condition=models.Q(('number__range', (1, 3)), models.Q(('by_hand', True), ('number', 4)), _connector='OR'), name='attempt_at_most_three'),
        ),
    ]
