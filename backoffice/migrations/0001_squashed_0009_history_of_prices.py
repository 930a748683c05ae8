"""What 0001 to 0009 make of an empty database, in one step. Where some of them have run, the rest of them run instead.

Never changed: a later migration follows. tests/integration/test_squashed_migrations.py compares both ways.
"""

import booking.fields
import core.texts
import datetime
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import simple_history.models
from django.conf import settings
from django.db import migrations, models

from backoffice.migrations._grants import grant
from core.operations import CreateModels

# The roles of the desk, and what each may do.
LOOK = ["booking.view_booking", "booking.view_slot", "booking.view_pujaservice", "booking.view_package"]
SEE_MONEY = [
    "payment.view_payment",
    "payment.view_refund",
    "payment.view_offer",
    "payment.view_receipt",
    "payment.view_dispute",
]
MANAGE = [
    *LOOK,
    *SEE_MONEY,
    "booking.change_booking",
    "booking.add_slot",
    "booking.change_slot",
    "booking.add_pujaservice",
    "booking.change_pujaservice",
    "booking.add_package",
    "booking.change_package",
    "booking.view_promocode",
    "booking.add_promocode",
    "booking.change_promocode",
    "accounts.view_user",
    "accounts.change_user",
    "accounts.change_session",
    "payment.change_payment",
    "payment.change_refund",
    "payment.change_offer",
    "payment.view_ledgerentry",
    "payment.view_reconciliation",
    "payment.view_webhookevent",
    "payment.change_webhookevent",
    "payment.view_diagnosisrun",
    "payment.view_worklease",
    "payment.change_worklease",
    "notifications.view_notification",
    "notifications.change_notification",
    "accounts.view_apikey",
    "accounts.change_apikey",
    "payment.add_casenote",
    "payment.view_webhookendpoint",
    "payment.view_serverevent",
    "payment.view_webhookdelivery",
    "payment.change_webhookendpoint",
    "payment.change_serverevent",
    "payment.change_webhookdelivery",
    "payment.view_creditnote",
    "payment.add_paylink",
    "payment.add_manualentry",
    "payment.add_cashclosing",
    "payment.change_cashclosing",
    "payment.add_settlementfile",
    "booking.view_priest",
    "booking.change_priest",
    "booking.add_assignment",
    "booking.view_assignment",
]


class Migration(migrations.Migration):
    replaces = [
        ('backoffice', '0001_roles'),
        ('backoffice', '0002_api_keys'),
        ('backoffice', '0003_notes'),
        ('backoffice', '0004_assign_role'),
        ('backoffice', '0005_webhooks'),
        ('backoffice', '0006_history'),
        ('backoffice', '0007_money_of_the_desk'),
        ('backoffice', '0008_priests'),
        ('backoffice', '0009_history_of_prices'),
    ]

    initial = True

    dependencies = [
        ('accounts', '0020_assign_role'),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('booking', '0001_squashed_0032_orderings'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('notifications', '0008_short_messages'),
        ('payment', '0001_squashed_0045_server_event_id'),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name='HistoricalPackage',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('location', booking.fields.LineField(max_length=100)),
                        ('location_hi', booking.fields.LineField(blank=True, db_default='', default='', help_text='in Hindi; empty: as in English', max_length=100)),
                        ('language', models.CharField(choices=[('HINDI', 'Hindi'), ('ENGLISH', 'English'), ('SANSKRIT', 'Sanskrit'), ('REGIONAL', 'Regional')], max_length=10)),
                        ('package_type', models.CharField(choices=[('BASIC', 'Basic'), ('STANDARD', 'Standard'), ('PREMIUM', 'Premium'), ('CUSTOM', 'Custom')], max_length=10)),
                        ('price_paise', models.PositiveIntegerField(help_text='until the first PackagePrice of a later moment')),
                        ('description', booking.fields.HtmlField()),
                        ('description_hi', booking.fields.HtmlField(blank=True, db_default='', default='', help_text='in Hindi; empty: as in English')),
                        ('includes_materials', models.BooleanField(default=False)),
                        ('priest_count', models.PositiveSmallIntegerField(default=1, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(32767)])),
                        ('is_active', models.BooleanField(default=True)),
                        ('history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history_date', models.DateTimeField(db_index=True)),
                        ('history_change_reason', models.CharField(max_length=100, null=True)),
                        ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                        ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('puja_service', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='booking.pujaservice')),
                        ('position', booking.fields.PositionField(db_default=0, default=0, help_text='the smaller, the further in front; equal ones by name')),
                    ],
                    options={
                        'verbose_name': 'historical package',
                        'verbose_name_plural': 'historical packages',
                        'ordering': ('-history_date', '-history_id'),
                        'get_latest_by': ('history_date', 'history_id'),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name='HistoricalPromoCode',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('code', models.CharField(db_index=True, max_length=30, validators=[django.core.validators.RegexValidator('^[A-Z0-9_-]+$', 'Capital letters, digits, - and _ only.')])),
                        ('description', models.CharField(blank=True, max_length=200, validators=[core.texts.plain_line])),
                        ('code_type', models.CharField(choices=[('PUBLIC', 'Public'), ('PRIVATE', 'Private: for whoever knows it'), ('FIRST_ORDER', 'For the first order'), ('USER_SPECIFIC', 'For the assigned people')], default='PUBLIC', max_length=15)),
                        ('discount_type', models.CharField(choices=[('PERCENT', 'Percent'), ('FIXED', 'Fixed')], max_length=10)),
                        ('percent', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100)])),
                        ('amount_paise', models.PositiveIntegerField(blank=True, null=True)),
                        ('min_order_paise', models.PositiveIntegerField(default=0)),
                        ('max_discount_paise', models.PositiveIntegerField(blank=True, null=True)),
                        ('starts_at', models.DateTimeField(default=django.utils.timezone.now, validators=[django.core.validators.MinValueValidator(datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), 'Give a date after the year 2000.'), django.core.validators.MaxValueValidator(datetime.datetime(9999, 12, 30, 0, 0, tzinfo=datetime.timezone.utc), 'Give a date before the year 9999, or none.')])),
                        ('expires_at', models.DateTimeField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), 'Give a date after the year 2000.'), django.core.validators.MaxValueValidator(datetime.datetime(9999, 12, 30, 0, 0, tzinfo=datetime.timezone.utc), 'Give a date before the year 9999, or none.')])),
                        ('usage_limit', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(2147483647)])),
                        ('is_active', models.BooleanField(default=True)),
                        ('history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history_date', models.DateTimeField(db_index=True)),
                        ('history_change_reason', models.CharField(max_length=100, null=True)),
                        ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                        ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'verbose_name': 'historical promo code',
                        'verbose_name_plural': 'historical promo codes',
                        'ordering': ('-history_date', '-history_id'),
                        'get_latest_by': ('history_date', 'history_id'),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name='HistoricalPujaCategory',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('name', booking.fields.LineField(db_index=True, max_length=100)),
                        ('name_hi', booking.fields.LineField(blank=True, db_default='', default='', help_text='in Hindi; empty: as in English', max_length=100)),
                        ('history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history_date', models.DateTimeField(db_index=True)),
                        ('history_change_reason', models.CharField(max_length=100, null=True)),
                        ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                        ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('position', booking.fields.PositionField(db_default=0, default=0, help_text='the smaller, the further in front; equal ones by name')),
                    ],
                    options={
                        'verbose_name': 'historical puja category',
                        'verbose_name_plural': 'historical puja categories',
                        'ordering': ('-history_date', '-history_id'),
                        'get_latest_by': ('history_date', 'history_id'),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name='HistoricalPujaService',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('title', booking.fields.LineField(db_index=True, max_length=150)),
                        ('title_hi', booking.fields.LineField(blank=True, db_default='', default='', help_text='in Hindi; empty: as in English', max_length=150)),
                        ('image_url', booking.fields.ImageAddressField(max_length=500)),
                        ('description', booking.fields.HtmlField()),
                        ('description_hi', booking.fields.HtmlField(blank=True, db_default='', default='', help_text='in Hindi; empty: as in English')),
                        ('preparation', booking.fields.HtmlField(blank=True, db_default='', default='', help_text='what to have ready; after the payment')),
                        ('preparation_hi', booking.fields.HtmlField(blank=True, db_default='', default='', help_text='in Hindi; empty: as in English')),
                        ('type', models.CharField(choices=[('HOME', 'Home'), ('TEMPLE', 'Temple'), ('ONLINE', 'Online')], max_length=10)),
                        ('duration_minutes', models.PositiveSmallIntegerField(validators=[django.core.validators.MinValueValidator(5), django.core.validators.MaxValueValidator(32767)])),
                        ('is_active', models.BooleanField(default=True)),
                        ('sac', models.CharField(blank=True, db_default='', default='', help_text='its service code for GST; empty: GST_SAC of the settings', max_length=8, validators=[django.core.validators.RegexValidator('^[0-9]{4,8}\\Z', 'Four to eight digits.')], verbose_name='SAC')),
                        ('history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history_date', models.DateTimeField(db_index=True)),
                        ('history_change_reason', models.CharField(max_length=100, null=True)),
                        ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                        ('category', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='booking.pujacategory')),
                        ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('picture', models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='booking.cataloguepicture')),
                        ('picture_height', models.PositiveSmallIntegerField(blank=True, editable=False, null=True)),
                        ('picture_width', models.PositiveSmallIntegerField(blank=True, editable=False, null=True)),
                        ('position', booking.fields.PositionField(db_default=0, default=0, help_text='the smaller, the further in front; equal ones by name')),
                    ],
                    options={
                        'verbose_name': 'historical puja service',
                        'verbose_name_plural': 'historical puja services',
                        'ordering': ('-history_date', '-history_id'),
                        'get_latest_by': ('history_date', 'history_id'),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name='HistoricalUser',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                        ('role', models.CharField(choices=[('USER', 'User'), ('ADMIN', 'Admin'), ('EMPLOYEE', 'Employee')], default='USER', max_length=10)),
                        ('account_status', models.CharField(choices=[('PENDING', 'Pending'), ('ACTIVE', 'Active'), ('SUSPENDED', 'Suspended'), ('DEACTIVATED', 'Deactivated')], default='ACTIVE', max_length=12)),
                        ('is_staff', models.BooleanField(default=False, verbose_name='may open the admin')),
                        ('history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history_date', models.DateTimeField(db_index=True)),
                        ('history_change_reason', models.CharField(max_length=100, null=True)),
                        ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                        ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'verbose_name': 'historical user',
                        'verbose_name_plural': 'historical users',
                        'ordering': ('-history_date', '-history_id'),
                        'get_latest_by': ('history_date', 'history_id'),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
                migrations.CreateModel(
                    name='HistoricalPackagePrice',
                    fields=[
                        ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                        ('price_paise', models.PositiveIntegerField()),
                        ('valid_from', booking.fields.MinuteField(validators=[django.core.validators.MinValueValidator(datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), 'Give a date after the year 2000.'), django.core.validators.MaxValueValidator(datetime.datetime(9999, 12, 30, 0, 0, tzinfo=datetime.timezone.utc), 'Give a date before the year 9999, or none.')])),
                        ('history_id', models.AutoField(primary_key=True, serialize=False)),
                        ('history_date', models.DateTimeField(db_index=True)),
                        ('history_change_reason', models.CharField(max_length=100, null=True)),
                        ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                        ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('package', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='booking.package')),
                    ],
                    options={
                        'verbose_name': 'historical package price',
                        'verbose_name_plural': 'historical package prices',
                        'ordering': ('-history_date', '-history_id'),
                        'get_latest_by': ('history_date', 'history_id'),
                    },
                    bases=(simple_history.models.HistoricalChanges, models.Model),
                ),
            ]
        ),
        grant(
            {
                "Owner": [
                    *MANAGE,
                    "payment.change_dispute",
                    "payment.add_diagnosisrun",
                    "accounts.add_apikey",
                    "accounts.user.assign_role",
                    "payment.add_webhookendpoint",
                ],
                "Manager": MANAGE,
                "Support": [
                    *LOOK,
                    *SEE_MONEY,
                    "booking.change_booking",
                    "booking.view_promocode",
                    "accounts.view_user",
                    "accounts.change_user",
                    "accounts.change_session",
                    "notifications.view_notification",
                    "notifications.change_notification",
                    "payment.view_webhookevent",
                    "payment.view_diagnosisrun",
                    "payment.add_casenote",
                    "payment.view_creditnote",
                    "payment.add_paylink",
                    "payment.add_manualentry",
                    "payment.add_cashclosing",
                    "booking.view_priest",
                ],
                "Accountant": [
                    *LOOK,
                    *SEE_MONEY,
                    "booking.view_promocode",
                    "payment.view_ledgerentry",
                    "payment.view_reconciliation",
                    "payment.change_dispute",
                    "payment.view_webhookevent",
                    "payment.add_casenote",
                    "payment.view_creditnote",
                    "payment.add_cashclosing",
                    "payment.change_cashclosing",
                    "payment.add_settlementfile",
                ],
                "Coordinator": [
                    *LOOK,
                    "booking.change_booking",
                    "booking.add_slot",
                    "booking.change_slot",
                    "payment.add_casenote",
                    "payment.add_paylink",
                    "booking.view_priest",
                    "booking.change_priest",
                    "booking.add_assignment",
                    "booking.view_assignment",
                ],
                "Priest": ["booking.view_assignment"],
            }
        ),
    ]
