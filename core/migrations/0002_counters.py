from django.db import migrations, models


class Migration(migrations.Migration):
    """Counters of requests and guesses leave the cache, which culls keys when there are many."""

    dependencies = [
        ('core', '0001_cache_table'),
    ]

    operations = [
        migrations.CreateModel(
            name='Counter',
            fields=[
                ('key', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('scope', models.CharField(max_length=30)),
                ('count', models.PositiveIntegerField()),
                ('started', models.FloatField()),
                ('ends', models.FloatField(db_index=True)),
                ('refused', models.PositiveIntegerField(default=0)),
                ('free_at', models.FloatField(default=0)),
                ('admitted', models.BigIntegerField(default=0)),
                ('is_alarming', models.BooleanField(default=False)),
                ('address', models.CharField(blank=True, max_length=45)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('is_alarming', True)), fields=['scope'], name='alarming_counters')],
            },
        ),
    ]
