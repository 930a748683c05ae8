"""What 0001 to 0006 make of an empty database, in one step. Where some of them have run, the rest of them run instead.

Never changed: a later migration follows. tests/integration/test_squashed_migrations.py compares both ways.
"""

import datetime
import django.db.models.deletion
from django.db import migrations, models

ONLY = 1


def set_up(apps, schema_editor):
    """Every call asks the clock's row first; where there is none yet, it has to ask several tables."""
    apps.get_model("simulator", "Clock").objects.get_or_create(pk=ONLY)


class Migration(migrations.Migration):
    replaces = [
        ('simulator', '0001_initial'),
        ('simulator', '0002_shops_that_choose_the_mode'),
        ('simulator', '0003_a_clock_from_the_start'),
        ('simulator', '0004_fault_rates'),
        ('simulator', '0005_tokens_of_former_keys'),
        ('simulator', '0006_orders_of_apps'),
    ]

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name='Clock',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('offset', models.DurationField(default=datetime.timedelta(0))),
                ('stopped_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name_plural': 'clock',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='simulator_one_clock')],
            },
        ),
        migrations.CreateModel(
            name='Fault',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('control', 'Control'), ('amount', 'Amount')], default='control', max_length=7)),
                ('operation', models.CharField(max_length=20)),
                ('kind', models.CharField(max_length=20)),
                ('about', models.CharField(blank=True, help_text="The merchant's id of an order or refund; empty: any", max_length=63)),
                ('calls_before', models.PositiveIntegerField(default=0)),
                ('times_left', models.PositiveIntegerField(default=1)),
                ('argument', models.CharField(blank=True, max_length=100)),
                ('carried_out', models.BooleanField(help_text='The call has its effect although the caller cannot see it')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('source', 'amount')), fields=('operation', 'about'), name='simulator_amount_speaks_once')],
            },
        ),
        migrations.CreateModel(
            name='Merchant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('generation', models.CharField(choices=[('v1', 'V1'), ('v2', 'V2')], max_length=2)),
                ('merchant_id', models.CharField(max_length=38)),
                ('name', models.CharField(max_length=80)),
                ('salt_key', models.CharField(blank=True, max_length=80)),
                ('salt_index', models.PositiveSmallIntegerField(default=1)),
                ('client_id', models.CharField(blank=True, max_length=80, null=True, unique=True)),
                ('client_secret', models.CharField(blank=True, max_length=80)),
                ('client_version', models.PositiveSmallIntegerField(default=1)),
                ('webhook_url', models.CharField(blank=True, help_text="Empty: this site's own webhook address", max_length=500)),
                ('webhook_scheme', models.CharField(choices=[('sha', 'Sha'), ('hmac', 'Hmac')], default='sha', max_length=4)),
                ('webhook_username', models.CharField(blank=True, max_length=20)),
                ('webhook_password', models.CharField(blank=True, max_length=20)),
                ('webhook_secret', models.CharField(blank=True, max_length=80)),
                ('webhook_key_id', models.CharField(blank=True, max_length=40)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('generation', 'merchant_id'), name='simulator_one_merchant')],
            },
        ),
        migrations.CreateModel(
            name='Order',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('merchant_order_id', models.CharField(max_length=63)),
                ('provider_id', models.CharField(blank=True, max_length=40)),
                ('page_token', models.CharField(max_length=43, unique=True)),
                ('amount_paise', models.PositiveBigIntegerField()),
                ('state', models.CharField(choices=[('PENDING', 'Pending'), ('CONFIRMED', 'Confirmed'), ('COMPLETED', 'Completed'), ('FAILED', 'Failed')], default='PENDING', max_length=9)),
                ('error_code', models.CharField(blank=True, max_length=60)),
                ('detailed_error_code', models.CharField(blank=True, max_length=60)),
                ('redirect_url', models.CharField(max_length=2000)),
                ('redirect_mode', models.CharField(choices=[('REDIRECT', 'Redirect'), ('POST', 'Post')], default='REDIRECT', max_length=8)),
                ('callback_url', models.CharField(blank=True, max_length=2000)),
                ('message', models.CharField(blank=True, max_length=255)),
                ('meta_info', models.JSONField(blank=True, null=True)),
                ('retry_disabled', models.BooleanField(default=False)),
                ('offered', models.JSONField(default=list, help_text='Means of payment on the page; empty: all of them')),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('bank_answers_at', models.DateTimeField(help_text='When the money comes that is on its way', null=True)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='orders', to='simulator.merchant')),
                ('flow', models.CharField(choices=[('PG_CHECKOUT', 'Page'), ('PG', 'Custom')], default='PG_CHECKOUT', max_length=11)),
                ('mode', models.CharField(blank=True, help_text='How it is paid, when the shop has decided that', max_length=20)),
                ('vpa', models.CharField(blank=True, help_text='Of that mode, masked', max_length=80)),
                ('for_app', models.BooleanField(default=False, help_text="PhonePe's mobile SDK opens it with its token")),
                ('prefilled_phone', models.CharField(blank=True, help_text='Shown on the page, to log in', max_length=13)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'PENDING')), fields=['expires_at'], name='simulator_open_order'), models.Index(condition=models.Q(('bank_answers_at__isnull', False)), fields=['bank_answers_at'], name='simulator_bank_answers')],
                'constraints': [models.UniqueConstraint(fields=('merchant', 'merchant_order_id'), name='simulator_one_order'), models.CheckConstraint(condition=models.Q(('amount_paise__gte', 100)), name='simulator_order_of_a_rupee')],
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider_id', models.CharField(max_length=40, unique=True)),
                ('amount_paise', models.PositiveBigIntegerField()),
                ('state', models.CharField(choices=[('PENDING', 'Pending'), ('CONFIRMED', 'Confirmed'), ('COMPLETED', 'Completed'), ('FAILED', 'Failed')], max_length=9)),
                ('mode', models.CharField(default='UPI_QR', max_length=20)),
                ('instrument', models.CharField(default='ACCOUNT', max_length=20)),
                ('vpa', models.CharField(default='90****01@ybl', help_text='Masked', max_length=80)),
                ('error_code', models.CharField(blank=True, max_length=60)),
                ('detailed_error_code', models.CharField(blank=True, max_length=60)),
                ('utr', models.CharField(blank=True, max_length=22)),
                ('upi_transaction_id', models.CharField(blank=True, max_length=40)),
                ('created_at', models.DateTimeField()),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='simulator.order')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'COMPLETED')), fields=('order',), name='simulator_paid_once')],
            },
        ),
        migrations.CreateModel(
            name='Refund',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('merchant_refund_id', models.CharField(max_length=63)),
                ('provider_id', models.CharField(max_length=40, unique=True)),
                ('amount_paise', models.PositiveBigIntegerField()),
                ('state', models.CharField(choices=[('PENDING', 'Pending'), ('CONFIRMED', 'Confirmed'), ('COMPLETED', 'Completed'), ('FAILED', 'Failed')], default='PENDING', max_length=9)),
                ('error_code', models.CharField(blank=True, max_length=60)),
                ('detailed_error_code', models.CharField(blank=True, max_length=60)),
                ('callback_url', models.CharField(blank=True, max_length=2000)),
                ('created_at', models.DateTimeField()),
                ('settles_at', models.DateTimeField()),
                ('settles_as', models.CharField(choices=[('PENDING', 'Pending'), ('CONFIRMED', 'Confirmed'), ('COMPLETED', 'Completed'), ('FAILED', 'Failed')], default='COMPLETED', max_length=9)),
                ('by_dashboard', models.BooleanField(default=False, help_text='Not asked for through the API')),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='refunds', to='simulator.merchant')),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='refunds', to='simulator.order')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('merchant', 'merchant_refund_id'), name='simulator_one_refund'), models.CheckConstraint(condition=models.Q(('amount_paise__gte', 100)), name='simulator_refund_of_a_rupee')],
            },
        ),
        migrations.CreateModel(
            name='Token',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('value', models.CharField(max_length=80, unique=True)),
                ('issued_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tokens', to='simulator.merchant')),
            ],
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event', models.CharField(max_length=60)),
                ('about', models.CharField(help_text="The merchant's id of the order or refund", max_length=63)),
                ('url', models.CharField(max_length=2000)),
                ('body', models.TextField()),
                ('created_at', models.DateTimeField()),
                ('due_at', models.DateTimeField(help_text='Empty: nothing more will be sent', null=True)),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('delivered_at', models.DateTimeField(null=True)),
                ('last_status', models.PositiveSmallIntegerField(null=True)),
                ('last_error', models.CharField(blank=True, max_length=200)),
                ('held', models.BooleanField(default=False, help_text='Until a later one of the same merchant has gone')),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='simulator.merchant')),
                ('scheme', models.CharField(blank=True, choices=[('sha', 'Sha'), ('hmac', 'Hmac')], help_text="Empty: the merchant's own", max_length=4)),
            ],
            options={
                'verbose_name_plural': 'deliveries',
                'indexes': [models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='simulator_due')],
                'constraints': [models.CheckConstraint(condition=models.Q(('delivered_at', None), ('due_at', None), _connector='OR'), name='simulator_delivered_is_done')],
            },
        ),
        migrations.CreateModel(
            name='FaultRate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('operation', models.CharField(max_length=20, unique=True)),
                ('seed', models.BigIntegerField()),
                ('percent', models.PositiveSmallIntegerField()),
                ('calls', models.PositiveBigIntegerField(default=0)),
            ],
            options={
                'verbose_name_plural': 'fault rates',
            },
        ),
        migrations.RunPython(set_up, migrations.RunPython.noop),
    ]
