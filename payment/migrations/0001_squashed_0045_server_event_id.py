"""What 0001 to 0045 make of an empty database, in one step. Where some of them have run, the rest of them run instead.

Never changed: a later migration follows. tests/integration/test_squashed_migrations.py compares both ways.
"""

import accounts.phones
import core.expressions
import core.texts
import datetime
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.text
import django.utils.timezone
import payment.models.server_events
import uuid
from django.conf import settings
from django.db import migrations, models

from core.indexes import create_on_postgresql, drop_pattern_indexes
from core.operations import CreateModels

# As they were when the two indexes that name them were made.
KNOWN_CODES = [
    '', '400', '401', '404', '500', 'AUTHORIZATION_ERROR', 'AUTHORIZATION_FAILED', 'B3', 'BAD_REQUEST',
    'BANK_TECHNICAL_ISSUE', 'DUPLICATE_TXN_REQUEST', 'EXCESS_REFUND_AMOUNT', 'FORBIDDEN',
    'INSUFFICIENT_BALANCE', 'INTERNAL_SECURITY_BLOCK', 'INTERNAL_SECURITY_BLOCK_1', 'INTERNAL_SECURITY_BLOCK_2',
    'INTERNAL_SECURITY_BLOCK_3', 'INTERNAL_SECURITY_BLOCK_4', 'INTERNAL_SECURITY_BLOCK_5',
    'INTERNAL_SECURITY_BLOCK_6', 'INTERNAL_SERVER_ERROR', 'INVALID_CLIENT', 'INVALID_EXPIRY',
    'INVALID_MERCHANT_ORDER_ID', 'INVALID_MERCHANT_REFUND_ID', 'INVALID_MPIN', 'INVALID_OTP_TOKEN',
    'INVALID_SPLIT_DETAILS', 'INVALID_TRANSACTION_ID', 'INVALID_VPA', 'K1', 'KEY_NOT_CONFIGURED',
    'MERCHANT_ORDER_MAPPING_NOT_FOUND', 'NO', 'NOTIFICATION_ATTEMPTS_BREACHED', 'OIM000', 'OIM004',
    'ORDER_ALREADY_EXISTS', 'ORDER_CANCELLED_BY_USER', 'ORDER_EXPIRED', 'ORDER_NOT_FOUND', 'OTHERS',
    'PAYMENT_CANCELLED', 'PAYMENT_DECLINED', 'PAYMENT_ERROR', 'PAYMENT_FAILED', 'PAYMENT_INITIATED',
    'PAYMENT_PENDING', 'PAYMENT_SUCCESS', 'PG_BACKBONE_ERROR', 'PR004', 'R999',
    'REFUND_AMOUNT_EXCEEDS_ORIGINAL', 'REFUND_NOT_FOUND', 'REQUEST_DECLINE_BY_REQUESTEE',
    'SPLIT_SETTLEMENT_NOT_ENABLED', 'SUCCESS', 'TIMED_OUT', 'TOO_MANY_REQUESTS', 'TRANSACTION_LIMIT_EXCEEDED',
    'TRANSACTION_NOT_FOUND', 'TXN_AUTO_FAILED', 'TXN_NOT_COMPLETED', 'TXN_STATUS_AWAITED', 'U28', 'U69', 'U90',
    'UPI_BACKBONE_ERROR', 'USER_BLOCKED', 'UT', 'XH', 'YE', 'Z6', 'Z7', 'Z8', 'Z9', 'ZA', 'ZH', 'ZM',
]


# Workers are told of a row that is due within the seconds that they sleep at most; later moments they see themselves.
# In the database, so that no place that writes such a row can forget it, and in the transaction of the row.
FUNCTION = """
CREATE OR REPLACE FUNCTION notify_workers() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('okpuja_work', ''); RETURN NULL; END $$
"""
SOON = "NEW.{0} <= clock_timestamp() + interval '10 seconds'"
TRIGGERS = {
    "payment_paymentattempt": ("next_check_at", SOON),
    "payment_refund": ("next_check_at", SOON),
    "payment_webhookevent": ("next_check_at", SOON),
    "notifications_notification": ("next_check_at", SOON),
    "payment_payment": ("fulfil_at", SOON),
    "payment_receipt": ("number", "NEW.number IS NULL"),
    "accounts_onetimecode": ("is_sent", "NOT NEW.is_sent"),
    "accounts_registration": ("is_answered", "NOT NEW.is_answered"),
    "accounts_coderequest": ("email", "true"),
    "payment_creditnote": ("number", "NEW.number IS NULL"),
    "payment_closureitem": ("outcome", "NEW.outcome = ''"),
    "payment_serverevent": ("is_distributed", "NOT NEW.is_distributed"),
    "payment_webhookdelivery": ("next_check_at", SOON),
}


def create_triggers(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(FUNCTION)
    for table, (column, condition) in TRIGGERS.items():
        schema_editor.execute(
            f"CREATE TRIGGER notify_workers AFTER INSERT OR UPDATE OF {column} ON {table}"
            f" FOR EACH ROW WHEN ({condition.format(column)}) EXECUTE FUNCTION notify_workers()"
        )


def drop_triggers(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for table in TRIGGERS:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS notify_workers ON {table}")
    schema_editor.execute("DROP FUNCTION IF EXISTS notify_workers()")


class Migration(migrations.Migration):
    replaces = [
        ('payment', '0001_initial'),
        ('payment', '0002_refund_sending'),
        ('payment', '0003_diagnosis_runs'),
        ('payment', '0004_receipts'),
        ('payment', '0005_reconciliations'),
        ('payment', '0006_ask_again'),
        ('payment', '0007_open_rows_are_asked_about'),
        ('payment', '0008_phones_as_e164'),
        ('payment', '0009_nightly_comparisons'),
        ('payment', '0010_receipts_of_all_money'),
        ('payment', '0011_receipts_add_up'),
        ('payment', '0012_work_leases'),
        ('payment', '0013_offers_of_a_called_off_time'),
        ('payment', '0014_two_sums_and_disputes'),
        ('payment', '0015_disputes_as_updates'),
        ('payment', '0016_late_money'),
        ('payment', '0017_earlier_starts'),
        ('payment', '0018_dispute_times_in_the_future'),
        ('payment', '0019_payer_reference_text'),
        ('payment', '0020_leases_of_notifications'),
        ('payment', '0021_claimed_state'),
        ('payment', '0022_plain_help_texts'),
        ('payment', '0023_drawn_receipts'),
        ('payment', '0024_plain_text'),
        ('payment', '0025_donation_label'),
        ('payment', '0026_who_called_off'),
        ('payment', '0027_cut_in_a_request'),
        ('payment', '0028_frontends'),
        ('payment', '0029_channels_of_orders'),
        ('payment', '0030_notify_workers'),
        ('payment', '0031_indexes_for_growth'),
        ('payment', '0032_paying_watches'),
        ('payment', '0033_payments_of_our_pages'),
        ('payment', '0034_webhook_order_index'),
        ('payment', '0035_payments_by_servers'),
        ('payment', '0036_credit_notes'),
        ('payment', '0037_credit_notes_of_old_refunds'),
        ('payment', '0038_donations'),
        ('payment', '0039_search_indexes'),
        ('payment', '0040_values_for_the_last_release'),
        ('payment', '0041_money_by_hand'),
        ('payment', '0042_cases_and_closures'),
        ('payment', '0043_server_events'),
        ('payment', '0044_settlement_files'),
        ('payment', '0045_server_event_id'),
    ]

    initial = True

    dependencies = [
        ('accounts', '0020_assign_role'),
        ('booking', '0001_squashed_0032_orderings'),
        ('notifications', '0008_short_messages'),
    ]

    operations = [
        CreateModels(
            [
                migrations.CreateModel(
                    name='IdempotencyKey',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('caller', models.CharField(max_length=64)),
                        ('route', models.CharField(max_length=64)),
                        ('key_digest', models.CharField(max_length=64)),
                        ('body_digest', models.CharField(max_length=64)),
                        ('lease', models.UUIDField()),
                        ('lease_until', models.DateTimeField()),
                        ('status_code', models.PositiveSmallIntegerField(blank=True, null=True)),
                        ('answer', models.JSONField(blank=True, null=True)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        'constraints': [models.UniqueConstraint(fields=('caller', 'route', 'key_digest'), name='idempotency_key_once')],
                        'indexes': [models.Index(fields=['created_at'], name='idempotency_key_age')],
                    },
                ),
                migrations.CreateModel(
                    name='Payment',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('reference', models.CharField(help_text='transaction_id on the wire', max_length=32, unique=True)),
                        ('amount_paise', models.PositiveBigIntegerField()),
                        ('method', models.CharField(default='PHONEPE', help_text='PHONEPE, or CASH or TRANSFER to our staff', max_length=16)),
                        ('state', models.CharField(choices=[('PENDING', 'Pending'), ('SUCCESS', 'Success'), ('FAILED', 'Failed'), ('CANCELLED', 'Cancelled')], default='PENDING', max_length=16)),
                        ('fulfilment', models.CharField(blank=True, choices=[('', 'nothing received yet'), ('DUE', 'Due'), ('BOOKED', 'Booked'), ('GIFT', 'Donation'), ('OFFERED', 'Offered'), ('REFUND_DUE', 'Refund Due'), ('REFUNDED', 'Refunded'), ('HELD_FOR_STAFF', 'Held For Staff')], default='', max_length=16)),
                        ('held_because', models.CharField(blank=True, help_text='why staff must look at it', max_length=64)),
                        ('fulfil_at', models.DateTimeField(blank=True, help_text='when the worker tries to fulfil it again', null=True)),
                        ('payer_reference', models.CharField(blank=True, help_text='name or mail address of a guest', max_length=64, validators=[core.texts.name_or_email])),
                        ('payer_mobile', accounts.phones.PhoneField(blank=True, max_length=32)),
                        ('simulated', models.BooleanField(default=False)),
                        ('asked_at', models.DateTimeField(blank=True, help_text='the last status request to PhonePe', null=True)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('decided_at', models.DateTimeField(blank=True, null=True)),
                        ('checkout', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payment', to='booking.checkout')),
                        ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payments', to=settings.AUTH_USER_MODEL)),
                        ('came_late', models.BooleanField(default=False, help_text='its cart was free again, or staff accepted it later: compare with other bookings')),
                        ('frontend', models.CharField(blank=True, choices=[('2025', 'July 2025'), ('2026', 'Year 2026'), ('SHOP', 'our own pages')], help_text='whose routes opened it', max_length=8)),
                        ('frontend_url', models.CharField(blank=True, help_text='the address of the shop that opened it, if the settings name it', max_length=200)),
                        ('api_key', models.ForeignKey(blank=True, db_index=False, help_text='of the server that opened it', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.apikey')),
                        ('server_reference', models.CharField(blank=True, db_default='', default='', help_text='what that server calls it', max_length=64, validators=[core.texts.plain_line])),
                        ('buyer_gstin', models.CharField(blank=True, db_default='', default='', help_text='for the receipt, if they gave one', max_length=15, verbose_name='GSTIN of the buyer')),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('fulfil_at__isnull', False)), fields=['fulfil_at'], name='payment_fulfil_due'), models.Index(condition=models.Q(('state', 'PENDING')), fields=['created_at'], name='payment_open'), models.Index(condition=models.Q(('fulfilment__in', ('DUE', 'OFFERED', 'REFUND_DUE', 'HELD_FOR_STAFF'))), fields=['created_at'], name='payment_unfinished'), models.Index(condition=models.Q(('simulated', True)), fields=['id'], name='payment_simulated'), models.Index(condition=models.Q(('payer_mobile', ''), _negated=True), fields=['payer_mobile'], name='payment_payer_mobile'), models.Index(condition=models.Q(('server_reference', ''), _negated=True), fields=['server_reference'], name='payment_server_reference'), models.Index(core.expressions.LastFour('payer_mobile'), condition=models.Q(('payer_mobile', ''), _negated=True), name='payment_last_digits'), models.Index(django.db.models.functions.text.Lower('payer_reference'), condition=models.Q(('payer_reference', ''), _negated=True), name='payment_payer')],
                        'constraints': [models.CheckConstraint(condition=models.Q(('amount_paise__gte', 100)), name='payment_is_at_least_one_rupee'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'SUCCESS'), _negated=True), models.Q(('fulfilment', ''), _negated=True), _connector='OR'), name='payment_received_money_is_accounted_for'), models.CheckConstraint(condition=models.Q(('state', 'SUCCESS'), ('fulfilment__in', ('', 'HELD_FOR_STAFF')), _connector='OR'), name='payment_nothing_is_fulfilled_unpaid')],
                    },
                ),
                migrations.CreateModel(
                    name='PaymentAttempt',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('number', models.PositiveSmallIntegerField()),
                        ('merchant_order_id', models.CharField(max_length=34, unique=True)),
                        ('state', models.CharField(choices=[('CREATED', 'Created'), ('UNKNOWN', 'Unknown'), ('PENDING', 'Pending'), ('COMPLETED', 'Completed'), ('FAILED', 'Failed'), ('EXPIRED', 'Expired')], default='CREATED', max_length=16)),
                        ('amount_paise', models.PositiveBigIntegerField()),
                        ('received_paise', models.PositiveBigIntegerField(blank=True, null=True)),
                        ('generation', models.CharField(blank=True, choices=[('v1', 'V1 (salt key)'), ('v2', 'V2 (OAuth)')], max_length=2)),
                        ('environment', models.CharField(max_length=10)),
                        ('merchant', models.CharField(max_length=64)),
                        ('simulated', models.BooleanField(default=False)),
                        ('page_url', models.TextField(blank=True)),
                        ('provider_order_id', models.CharField(blank=True, max_length=64)),
                        ('provider_transaction_id', models.CharField(blank=True, max_length=64)),
                        ('utr', models.CharField(blank=True, help_text="the bank's reference", max_length=64)),
                        ('code', models.CharField(blank=True, help_text="PhonePe's last code about it", max_length=64)),
                        ('sent_at', models.DateTimeField(blank=True, help_text='when the last request to open it may have reached PhonePe; empty: never sent', null=True)),
                        ('expires_at', models.DateTimeField()),
                        ('call_lease_until', models.DateTimeField(blank=True, help_text='a request is calling PhonePe', null=True)),
                        ('not_found_answers', models.PositiveSmallIntegerField(default=0)),
                        ('next_check_at', models.DateTimeField(blank=True, null=True)),
                        ('checks', models.PositiveIntegerField(default=0)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('decided_at', models.DateTimeField(blank=True, null=True)),
                        ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='attempts', to='payment.payment')),
                        ('paid_at', models.DateTimeField(blank=True, help_text="when its money came: PhonePe's time, else the time of the poll", null=True)),
                        ('channel', models.CharField(choices=[('page', "PhonePe's page in a browser"), ('sdk', "PhonePe's SDK in an app"), ('upi_intent', 'a UPI app on the phone')], default='page', max_length=12)),
                        ('device_os', models.CharField(blank=True, help_text='ANDROID or IOS, of an intent', max_length=8)),
                        ('intent_url', models.TextField(blank=True, help_text='opens a UPI app')),
                        ('order_token', models.TextField(blank=True, help_text="for PhonePe's SDK in an app")),
                        ('target_app', models.CharField(blank=True, help_text='the UPI app of an intent', max_length=100)),
                        ('by_hand', models.BooleanField(db_default=False, default=False, help_text='staff took the money: PhonePe has no such order, and is never asked about it')),
                    ],
                    options={
                        'ordering': ['payment_id', 'number'],
                        'indexes': [models.Index(condition=models.Q(('next_check_at__isnull', False)), fields=['next_check_at'], name='attempt_due'), models.Index(condition=models.Q(('state__in', ('CREATED', 'UNKNOWN', 'PENDING'))), fields=['expires_at'], name='attempt_open'), models.Index(condition=models.Q(('state', 'COMPLETED')), fields=['decided_at'], name='attempt_paid'), models.Index(condition=models.Q(models.Q(('code__in', KNOWN_CODES), _negated=True), models.Q(('code', django.db.models.functions.text.Lower('code')), models.Q(('code', django.db.models.functions.text.Upper('code')), _negated=True), _negated=True)), fields=['created_at'], name='attempt_unknown_code'), models.Index(condition=models.Q(('simulated', True)), fields=['id'], name='attempt_simulated'), models.Index(condition=models.Q(('provider_order_id', ''), _negated=True), fields=['provider_order_id'], name='attempt_provider_order', opclasses=['varchar_pattern_ops']), models.Index(condition=models.Q(('provider_transaction_id', ''), _negated=True), fields=['provider_transaction_id'], name='attempt_transaction', opclasses=['varchar_pattern_ops']), models.Index(condition=models.Q(('utr', ''), _negated=True), fields=['utr'], name='attempt_utr', opclasses=['varchar_pattern_ops'])],
                        'constraints': [models.UniqueConstraint(fields=('payment', 'number'), name='attempt_number_once_per_payment'), models.CheckConstraint(condition=models.Q(('number__range', (1, 3))), name='attempt_at_most_three'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'COMPLETED'), _negated=True), ('received_paise__isnull', False), _connector='OR'), name='attempt_completed_says_how_much'), models.CheckConstraint(condition=models.Q(models.Q(('state__in', ('CREATED', 'UNKNOWN', 'PENDING')), _negated=True), ('next_check_at__isnull', False), _connector='OR'), name='attempt_open_is_asked_about'), models.CheckConstraint(condition=models.Q(models.Q(('channel', 'page'), ('intent_url', ''), ('order_token', '')), models.Q(('channel', 'sdk'), ('intent_url', ''), ('page_url', '')), models.Q(('channel', 'upi_intent'), ('order_token', ''), ('page_url', '')), _connector='OR'), name='attempt_is_paid_in_its_channel'), models.CheckConstraint(condition=models.Q(models.Q(('by_hand', False), models.Q(('generation', ''), _negated=True)), models.Q(('by_hand', True), ('environment', ''), ('generation', ''), ('merchant', ''), ('sent_at', None), ('state__in', ('CREATED', 'COMPLETED')), ('call_lease_until', None), ('intent_url', ''), ('order_token', ''), ('page_url', '')), _connector='OR'), name='attempt_by_hand_is_of_no_merchant')],
                    },
                ),
                migrations.CreateModel(
                    name='GatewayCall',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('operation', models.CharField(max_length=16)),
                        ('endpoint', models.CharField(max_length=200)),
                        ('host', models.CharField(max_length=200)),
                        ('port', models.PositiveIntegerField()),
                        ('proxy', models.CharField(blank=True, max_length=200)),
                        ('stage', models.CharField(help_text='how far the attempt came', max_length=16)),
                        ('milliseconds', models.PositiveIntegerField()),
                        ('http_status', models.PositiveSmallIntegerField(blank=True, null=True)),
                        ('code', models.CharField(blank=True, max_length=64)),
                        ('error_category', models.CharField(blank=True, choices=[('DNS_ERROR', 'Dns Error'), ('CONNECTION_REFUSED', 'Connection Refused'), ('CONNECTION_TIMEOUT', 'Connection Timeout'), ('CONNECTION_RESET', 'Connection Reset'), ('NETWORK_UNREACHABLE', 'Network Unreachable'), ('TLS_ERROR', 'Tls Error'), ('PROXY_ERROR', 'Proxy Error'), ('READ_TIMEOUT', 'Read Timeout'), ('BLOCKED_RESPONSE', 'Blocked Response'), ('RATE_LIMITED', 'Rate Limited'), ('GATEWAY_5XX', 'Gateway 5Xx'), ('AUTHENTICATION', 'Authentication'), ('WRONG_ENDPOINT', 'Wrong Endpoint'), ('REJECTED', 'Rejected'), ('BAD_RESPONSE', 'Bad Response')], max_length=24)),
                        ('request_id', models.CharField(blank=True, max_length=64)),
                        ('started_at', models.DateTimeField()),
                        ('payment', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='calls', to='payment.payment')),
                        ('attempt', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='calls', to='payment.paymentattempt')),
                    ],
                    options={
                        'ordering': ['id'],
                        'indexes': [models.Index(condition=models.Q(('error_category', ''), _negated=True), fields=['started_at'], name='call_failed'), models.Index(condition=models.Q(models.Q(('code__in', KNOWN_CODES), _negated=True), models.Q(('code', django.db.models.functions.text.Lower('code')), models.Q(('code', django.db.models.functions.text.Upper('code')), _negated=True), _negated=True)), fields=['started_at'], name='call_unknown_code')],
                    },
                ),
                migrations.CreateModel(
                    name='Refund',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('merchant_refund_id', models.CharField(max_length=63, unique=True)),
                        ('amount_paise', models.PositiveBigIntegerField()),
                        ('state', models.CharField(choices=[('WAITING', 'Waiting'), ('CREATED', 'Created'), ('UNKNOWN', 'Unknown'), ('PENDING', 'Pending'), ('CONFIRMED', 'Confirmed'), ('COMPLETED', 'Completed'), ('FAILED', 'Failed')], default='WAITING', max_length=16)),
                        ('reason', models.CharField(max_length=200, validators=[core.texts.plain_line])),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('asked_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='refunds_asked_for', to=settings.AUTH_USER_MODEL)),
                        ('attempt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='payment.paymentattempt')),
                        ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='payment.payment')),
                        ('approved_at', models.DateTimeField(blank=True, null=True)),
                        ('approved_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='refunds_approved', to=settings.AUTH_USER_MODEL)),
                        ('checks', models.PositiveIntegerField(default=0)),
                        ('code', models.CharField(blank=True, help_text='the last code about it', max_length=64)),
                        ('decided_at', models.DateTimeField(blank=True, null=True)),
                        ('expected_by', models.DateTimeField(blank=True, help_text='the date that the buyer was given', null=True)),
                        ('held_because', models.CharField(blank=True, choices=[('', 'is sent without approval'), ('SECOND_PERSON', 'above the limit: another person must approve it'), ('FAILED_OFTEN', 'failed under several ids: staff must find out why'), ('BY_HAND', 'taken by hand: staff give it back, and enter that')], default='', max_length=16)),
                        ('next_check_at', models.DateTimeField(blank=True, null=True)),
                        ('origin', models.CharField(choices=[('SHOP', 'sent by us'), ('DASHBOARD', "made by hand in PhonePe's dashboard"), ('BY_HAND', 'given back by staff')], default='SHOP', max_length=16)),
                        ('provider_refund_id', models.CharField(blank=True, max_length=64)),
                        ('replaces', models.OneToOneField(blank=True, help_text='that one failed', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaced_by', to='payment.refund')),
                        ('sent_at', models.DateTimeField(blank=True, help_text='when it may have reached PhonePe; empty: it has not, as far as we know', null=True)),
                        ('utr', models.CharField(blank=True, help_text="the bank's reference: UTR, for cards the ARN", max_length=64)),
                        ('cut_paise', models.PositiveBigIntegerField(default=0, help_text='the part that is still owed and is in no other row: its money had gone another way')),
                        ('asked_by_key', models.ForeignKey(blank=True, help_text='of the server that asked for it', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.apikey')),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('next_check_at__isnull', False)), fields=['next_check_at'], name='refund_due'), models.Index(condition=models.Q(('state__in', ('WAITING', 'CREATED', 'UNKNOWN', 'PENDING', 'CONFIRMED'))), fields=['expected_by'], name='refund_open'), models.Index(condition=models.Q(('provider_refund_id', ''), _negated=True), fields=['provider_refund_id'], name='refund_provider'), models.Index(condition=models.Q(('utr', ''), _negated=True), fields=['utr'], name='refund_utr')],
                        'constraints': [models.CheckConstraint(condition=models.Q(('amount_paise__gte', 100)), name='refund_is_at_least_one_rupee'), models.UniqueConstraint(condition=models.Q(('origin', 'SHOP'), ('state__in', ('CREATED', 'UNKNOWN', 'PENDING', 'CONFIRMED'))), fields=('attempt',), name='refund_one_open_per_attempt'), models.CheckConstraint(condition=models.Q(('held_because', ''), ('state__in', ('WAITING', 'FAILED')), _connector='OR'), name='refund_on_hold_is_not_sent'), models.CheckConstraint(condition=models.Q(('approved_by', None), ('asked_by', None), models.Q(('approved_by', models.F('asked_by')), _negated=True), _connector='OR'), name='refund_needs_two_people'), models.CheckConstraint(condition=models.Q(('state__in', ('COMPLETED', 'FAILED')), models.Q(('held_because', ''), _negated=True), ('next_check_at__isnull', False), _connector='OR'), name='refund_open_is_looked_at'), models.CheckConstraint(condition=models.Q(('cut_paise', 0), models.Q(('cut_paise__lte', models.F('amount_paise')), ('state', 'FAILED')), models.Q(('cut_paise__lte', models.F('amount_paise')), ('held_because', 'SECOND_PERSON'), ('state', 'WAITING')), _connector='OR'), name='refund_that_is_cut_is_not_owed')],
                    },
                ),
                migrations.CreateModel(
                    name='StateChange',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('subject', models.CharField(help_text='payment, fulfilment, attempt or refund', max_length=16)),
                        ('before', models.CharField(blank=True, max_length=16)),
                        ('after', models.CharField(max_length=16)),
                        ('rule', models.CharField(max_length=64)),
                        ('detail', models.CharField(blank=True, max_length=200)),
                        ('request_id', models.CharField(blank=True, max_length=64)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('attempt', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='payment.paymentattempt')),
                        ('payment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='payment.payment')),
                    ],
                    options={
                        'ordering': ['id'],
                    },
                ),
                migrations.CreateModel(
                    name='WebhookEvent',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('digest', models.CharField(max_length=64, unique=True)),
                        ('scheme', models.CharField(max_length=16)),
                        ('header_names', models.TextField(blank=True)),
                        ('body', models.BinaryField()),
                        ('event', models.CharField(blank=True, max_length=64)),
                        ('merchant_order_id', models.CharField(blank=True, max_length=64)),
                        ('merchant_refund_id', models.CharField(blank=True, max_length=64)),
                        ('claimed_paise', models.BigIntegerField(blank=True, null=True)),
                        ('state', models.CharField(choices=[('RECEIVED', 'to be polled'), ('HANDLED', "PhonePe's status was at least as final"), ('UNMATCHED', 'about no order or refund of ours'), ('NOTED', "understood; it moves no order's money"), ('NEEDS_REVIEW', 'authentic and not understood: staff must review it'), ('CLOSED', 'closed by staff')], default='RECEIVED', max_length=16)),
                        ('differs', models.CharField(blank=True, help_text="where the body contradicts PhonePe's status", max_length=200)),
                        ('deliveries', models.PositiveIntegerField(default=0)),
                        ('next_check_at', models.DateTimeField(blank=True, null=True)),
                        ('checks', models.PositiveIntegerField(default=0)),
                        ('received_at', models.DateTimeField(auto_now_add=True)),
                        ('handled_at', models.DateTimeField(blank=True, null=True)),
                        ('attempt', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='payment.paymentattempt')),
                        ('refund', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='payment.refund')),
                        ('closed_because', models.CharField(blank=True, help_text='the reason that staff gave', max_length=200, validators=[core.texts.plain_line])),
                        ('closed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('unclear', models.CharField(blank=True, help_text='what of it is not understood', max_length=200)),
                        ('claimed_state', models.CharField(db_column='claimed_verdict', max_length=16)),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('next_check_at__isnull', False)), fields=['next_check_at'], name='event_due'), models.Index(condition=models.Q(('state__in', ('RECEIVED', 'UNMATCHED', 'NEEDS_REVIEW'))), fields=['received_at'], name='event_unfinished'), models.Index(fields=['merchant_order_id'], name='event_order', opclasses=['varchar_pattern_ops']), models.Index(condition=models.Q(('merchant_refund_id', ''), _negated=True), fields=['merchant_refund_id'], name='event_refund', opclasses=['varchar_pattern_ops'])],
                        'constraints': [models.CheckConstraint(condition=models.Q(('unclear', ''), models.Q(('state__in', ('HANDLED', 'NOTED')), _negated=True), _connector='OR'), name='event_not_understood_is_not_handled'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'NEEDS_REVIEW'), _negated=True), models.Q(('unclear', ''), _negated=True), _connector='OR'), name='event_under_review_says_why'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'CLOSED'), _negated=True), models.Q(models.Q(('closed_because', ''), _negated=True), ('closed_by__isnull', False)), _connector='OR'), name='event_is_closed_with_a_reason')],
                    },
                ),
                migrations.CreateModel(
                    name='Dispute',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('dispute_id', models.CharField(max_length=63, unique=True)),
                        ('status', models.CharField(choices=[('UNKNOWN', 'PhonePe used a word that we do not know'), ('CREATED', 'the buyer has complained'), ('UNDER_REVIEW', 'with the bank'), ('ACTION_REQUIRED', 'PhonePe wants evidence from us'), ('WON', 'the money stays'), ('LOST', 'the money is taken')], max_length=16)),
                        ('amount_paise', models.PositiveBigIntegerField(blank=True, help_text='empty: not known; then all that was paid is disputed', null=True)),
                        ('is_proven', models.BooleanField(default=False, help_text='the last update was signed, or confirmed by staff')),
                        ('told_at', models.DateTimeField(help_text="PhonePe's own time of the last update: older updates change nothing")),
                        ('due_at', models.DateTimeField(blank=True, help_text='until when PhonePe wants our evidence', null=True)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('updated_at', models.DateTimeField(auto_now=True)),
                        ('attempt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='disputes', to='payment.paymentattempt')),
                        ('confirmed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('event', models.ForeignKey(help_text='the last event', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payment.webhookevent')),
                    ],
                    options={
                        'ordering': ['-id'],
                    },
                ),
                migrations.CreateModel(
                    name='LedgerEntry',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('kind', models.CharField(choices=[('RECEIPT', 'pays the payment'), ('SURPLUS', 'came although the payment was paid'), ('SUSPENSE', 'came, but not as agreed'), ('REFUND', 'went back'), ('CHARGEBACK', "was taken by the buyer's bank, or returned by it"), ('CASH', 'pays the payment, in cash'), ('TRANSFER', 'pays the payment, by bank transfer to us'), ('FEE', 'was kept by PhonePe: its fee, or the tax on that')], max_length=16)),
                        ('amount_paise', models.BigIntegerField()),
                        ('reference', models.CharField(help_text='the order, refund or dispute that moved it', max_length=100, unique=True)),
                        ('simulated', models.BooleanField(default=False)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='ledger', to='payment.payment')),
                        ('attempt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='ledger', to='payment.paymentattempt')),
                        ('dispute', models.ForeignKey(blank=True, help_text='its entries add up to what the bank holds', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='ledger', to='payment.dispute')),
                    ],
                    options={
                        'verbose_name_plural': 'ledger entries',
                        'ordering': ['id'],
                        'indexes': [models.Index(condition=models.Q(('simulated', True)), fields=['id'], name='ledger_simulated')],
                        'constraints': [models.CheckConstraint(condition=models.Q(('dispute', None), ('kind', 'CHARGEBACK'), _connector='OR'), name='ledger_only_a_chargeback_has_a_dispute'), models.UniqueConstraint(condition=models.Q(('kind__in', ('RECEIPT', 'CASH', 'TRANSFER'))), fields=('payment',), name='ledger_one_receipt_per_payment')],
                    },
                ),
                migrations.CreateModel(
                    name='Offer',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('state', models.CharField(choices=[('OPEN', 'Open'), ('TAKEN', 'Taken'), ('CLOSED', 'Closed')], default='OPEN', max_length=8)),
                        ('expires_at', models.DateTimeField()),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('decided_at', models.DateTimeField(blank=True, null=True)),
                        ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='offers', to='payment.payment')),
                        ('slot', models.ForeignKey(blank=True, help_text='the chosen slot', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='booking.slot')),
                        ('because', models.CharField(choices=[('LATE', 'the money came too late'), ('CALLED_OFF', 'the temple has called the time off')], default='LATE', max_length=12)),
                        ('called_off_by', models.ForeignKey(blank=True, help_text='who closed the time, and so causes the refund if nothing is chosen', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('requested_refund', models.ForeignKey(blank=True, help_text='nothing was chosen in time, and a second person must approve the refund', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payment.refund')),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('state', 'OPEN')), fields=['expires_at'], name='offer_to_close')],
                        'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('state', 'TAKEN'), _negated=True), ('slot__isnull', False), _connector='OR'), name='offer_taken_names_a_place'), models.UniqueConstraint(condition=models.Q(('state', 'OPEN')), fields=('payment',), name='offer_one_open_per_payment')],
                    },
                ),
                migrations.CreateModel(
                    name='DiagnosisRun',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('asked_by', models.CharField(choices=[('web', 'Web'), ('worker', 'Worker'), ('command', 'Command')], max_length=8)),
                        ('occasion', models.CharField(blank=True, max_length=32, null=True, unique=True)),
                        ('lease', models.UUIDField(blank=True, null=True)),
                        ('started_at', models.DateTimeField(db_index=True)),
                        ('finished_at', models.DateTimeField(blank=True, null=True)),
                        ('success', models.BooleanField(default=False)),
                        ('verdict', models.CharField(blank=True, max_length=24)),
                        ('culprit', models.CharField(blank=True, max_length=16)),
                        ('summary', models.CharField(blank=True, max_length=300)),
                        ('took_ms', models.PositiveIntegerField(default=0)),
                        ('circumstances', models.JSONField(default=dict, help_text='what may have changed when the next run fails')),
                        ('answer', models.JSONField(default=dict)),
                    ],
                    options={
                        'ordering': ['-id'],
                    },
                ),
                migrations.CreateModel(
                    name='ReceiptCounter',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('series', models.CharField(choices=[('OKP', 'money'), ('DON', 'donations of the donation page'), ('SIM', 'simulation: no money moved'), ('OKC', 'money'), ('SIC', 'simulation: no money moved')], max_length=3)),
                        ('year', models.PositiveSmallIntegerField()),
                        ('last', models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        'constraints': [models.UniqueConstraint(fields=('series', 'year'), name='one_counter_per_series_and_year'), models.CheckConstraint(condition=models.Q(('last__lte', 99999999)), name='receipt_counter_fits_sixteen_characters')],
                    },
                ),
                migrations.CreateModel(
                    name='Receipt',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('series', models.CharField(choices=[('OKP', 'money'), ('DON', 'donations of the donation page'), ('SIM', 'simulation: no money moved')], max_length=3)),
                        ('year', models.PositiveSmallIntegerField(help_text='the financial year that begins in it')),
                        ('number', models.PositiveIntegerField(blank=True, null=True)),
                        ('received_at', models.DateTimeField(help_text="when the money came, by PhonePe's time where it gives one")),
                        ('payment', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='receipt', to='payment.payment')),
                        ('price_paise', models.BigIntegerField()),
                        ('discount_paise', models.BigIntegerField(default=0)),
                        ('difference_paise', models.BigIntegerField(default=0, help_text='what came above (below: negative) what was agreed, accepted by staff')),
                        ('total_paise', models.BigIntegerField(help_text='what came')),
                        ('buyer_gstin', models.CharField(blank=True, db_default='', default='', max_length=15, verbose_name='GSTIN of the buyer')),
                        ('cgst_paise', models.BigIntegerField(db_default=0, default=0)),
                        ('gst_basis_points', models.PositiveSmallIntegerField(db_default=0, default=0, help_text='1800 is 18 %')),
                        ('gstin', models.CharField(blank=True, db_default='', default='', max_length=15, verbose_name='our GSTIN')),
                        ('igst_paise', models.BigIntegerField(db_default=0, default=0)),
                        ('place_of_supply', models.CharField(blank=True, db_default='', default='', help_text='code of the state', max_length=2)),
                        ('sac', models.CharField(blank=True, db_default='', default='', help_text='the code of the service', max_length=8, verbose_name='SAC')),
                        ('sgst_paise', models.BigIntegerField(db_default=0, default=0, help_text='or UTGST')),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('number', None)), fields=['id'], name='receipt_unnumbered')],
                        'constraints': [models.UniqueConstraint(fields=('series', 'year', 'number'), name='receipt_number_once'), models.CheckConstraint(condition=models.Q(('number', None), ('number__range', (1, 99999999)), _connector='OR'), name='receipt_number_fits_sixteen_characters'), models.CheckConstraint(condition=models.Q(('year__range', (2000, 2099))), name='receipt_year_has_two_digits'), models.CheckConstraint(condition=models.Q(('total_paise', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('price_paise'), '-', models.F('discount_paise')), '+', models.F('difference_paise')))), name='receipt_adds_up'), models.CheckConstraint(condition=models.Q(('discount_paise__gte', 0), ('price_paise__gte', 0), ('total_paise__gte', 1)), name='receipt_is_for_money'), models.CheckConstraint(condition=models.Q(models.Q(models.Q(('cgst_paise', models.F('sgst_paise')), ('igst_paise', 0)), models.Q(('cgst_paise', 0), ('sgst_paise', 0)), _connector='OR'), ('cgst_paise__gte', 0), ('igst_paise__gte', 0), ('sgst_paise__gte', 0), ('total_paise__gte', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('cgst_paise'), '+', models.F('sgst_paise')), '+', models.F('igst_paise')))), name='receipt_tax_is_of_one_kind'), models.CheckConstraint(condition=models.Q(models.Q(models.Q(('gstin', ''), _negated=True), models.Q(('sac', ''), _negated=True), models.Q(('place_of_supply', ''), _negated=True)), models.Q(('buyer_gstin', ''), ('gst_basis_points', 0), ('gstin', ''), ('place_of_supply', ''), ('sac', ''), ('cgst_paise', 0), ('igst_paise', 0), ('sgst_paise', 0)), _connector='OR'), name='receipt_tax_needs_a_gstin')],
                    },
                ),
                migrations.CreateModel(
                    name='Reconciliation',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('day', models.DateField(help_text='of our time zone')),
                        ('asked_by', models.CharField(choices=[('worker', 'Worker'), ('command', 'Command')], max_length=8)),
                        ('occasion', models.CharField(blank=True, max_length=32, null=True, unique=True)),
                        ('started_at', models.DateTimeField()),
                        ('finished_at', models.DateTimeField(blank=True, null=True)),
                        ('is_clean', models.BooleanField(default=False)),
                        ('differences', models.PositiveIntegerField(default=0)),
                        ('report', models.JSONField(default=dict, help_text='the first of the differences, amounts in paise')),
                        ('compare_again_at', models.DateTimeField(blank=True, help_text='a nightly one, when PhonePe did not answer all status requests', null=True)),
                    ],
                    options={
                        'ordering': ['-id'],
                        'constraints': [models.UniqueConstraint(condition=models.Q(('asked_by', 'worker')), fields=('day',), name='one_nightly_comparison_of_a_day')],
                    },
                ),
                migrations.CreateModel(
                    name='WorkLease',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('kind', models.CharField(max_length=32)),
                        ('row', models.BigIntegerField(help_text='primary key of the row; 0: the kind of work as a whole')),
                        ('token', models.UUIDField(help_text='who holds it')),
                        ('taken_at', models.DateTimeField()),
                        ('held_until', models.DateTimeField(help_text='no other worker takes the row before')),
                        ('tries', models.PositiveIntegerField(default=0, help_text='since the last success')),
                        ('error', models.CharField(blank=True, help_text='the last one, without personal data', max_length=300)),
                    ],
                    options={
                        'ordering': ['-tries', '-id'],
                        'constraints': [models.UniqueConstraint(fields=('kind', 'row'), name='work_lease_once_per_row')],
                        'indexes': [models.Index(fields=['held_until'], name='work_lease_ends')],
                    },
                ),
                migrations.CreateModel(
                    name='DisputeUpdate',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('status', models.CharField(choices=[('UNKNOWN', 'PhonePe used a word that we do not know'), ('CREATED', 'the buyer has complained'), ('UNDER_REVIEW', 'with the bank'), ('ACTION_REQUIRED', 'PhonePe wants evidence from us'), ('WON', 'the money stays'), ('LOST', 'the money is taken')], max_length=16)),
                        ('amount_paise', models.PositiveBigIntegerField(blank=True, null=True)),
                        ('told_at', models.DateTimeField(blank=True, help_text="PhonePe's own time; empty: not readable", null=True)),
                        ('due_at', models.DateTimeField(blank=True, null=True)),
                        ('is_proven', models.BooleanField(default=False)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('dispute', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='updates', to='payment.dispute')),
                        ('event', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='dispute_update', to='payment.webhookevent')),
                        ('said_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['id'],
                        'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('event', None), _negated=True), models.Q(('said_by', None), _negated=True), _connector='OR'), name='dispute_update_has_a_source')],
                    },
                ),
                migrations.CreateModel(
                    name='DrawnReceipt',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('language', models.CharField(max_length=2)),
                        ('digest', models.CharField(blank=True, help_text='of what it was drawn from', max_length=64)),
                        ('content', models.BinaryField(null=True)),
                        ('drawn_at', models.DateTimeField(null=True)),
                        ('receipt', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='drawn', to='payment.receipt')),
                    ],
                    options={
                        'constraints': [models.UniqueConstraint(fields=('receipt', 'language'), name='receipt_drawn_once_per_language'), models.CheckConstraint(condition=models.Q(models.Q(('content', None), ('digest', ''), ('drawn_at', None)), models.Q(models.Q(('digest', ''), _negated=True), ('content__isnull', False), ('drawn_at__isnull', False)), _connector='OR'), name='receipt_drawn_whole_or_not')],
                    },
                ),
                migrations.CreateModel(
                    name='PayingWatch',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('next_check_at', models.DateTimeField(db_index=True)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'verbose_name_plural': 'paying watches',
                    },
                ),
                migrations.CreateModel(
                    name='CreditNote',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('gstin', models.CharField(blank=True, db_default='', default='', max_length=15, verbose_name='our GSTIN')),
                        ('buyer_gstin', models.CharField(blank=True, db_default='', default='', max_length=15, verbose_name='GSTIN of the buyer')),
                        ('sac', models.CharField(blank=True, db_default='', default='', help_text='the code of the service', max_length=8, verbose_name='SAC')),
                        ('place_of_supply', models.CharField(blank=True, db_default='', default='', help_text='code of the state', max_length=2)),
                        ('gst_basis_points', models.PositiveSmallIntegerField(db_default=0, default=0, help_text='1800 is 18 %')),
                        ('cgst_paise', models.BigIntegerField(db_default=0, default=0)),
                        ('sgst_paise', models.BigIntegerField(db_default=0, default=0, help_text='or UTGST')),
                        ('igst_paise', models.BigIntegerField(db_default=0, default=0)),
                        ('series', models.CharField(choices=[('OKC', 'money'), ('SIC', 'simulation: no money moved')], max_length=3)),
                        ('year', models.PositiveSmallIntegerField(help_text='the financial year that begins in it')),
                        ('number', models.PositiveIntegerField(blank=True, null=True)),
                        ('issued_at', models.DateTimeField(help_text='when the refund was completed')),
                        ('total_paise', models.BigIntegerField(help_text='what went back')),
                        ('receipt', models.ForeignKey(blank=True, help_text='the receipt that it corrects; empty: money that had no receipt, as what was paid twice', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credit_notes', to='payment.receipt')),
                        ('refund', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='credit_note', to='payment.refund')),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('number', None)), fields=['id'], name='credit_note_unnumbered'), models.Index(fields=['issued_at'], name='credit_note_issued')],
                        'constraints': [models.UniqueConstraint(fields=('series', 'year', 'number'), name='credit_note_number_once'), models.CheckConstraint(condition=models.Q(('number', None), ('number__range', (1, 99999999)), _connector='OR'), name='credit_note_number_fits_sixteen_characters'), models.CheckConstraint(condition=models.Q(('year__range', (2000, 2099))), name='credit_note_year_has_two_digits'), models.CheckConstraint(condition=models.Q(('total_paise__gte', 1)), name='credit_note_is_for_money'), models.CheckConstraint(condition=models.Q(models.Q(models.Q(('cgst_paise', models.F('sgst_paise')), ('igst_paise', 0)), models.Q(('cgst_paise', 0), ('sgst_paise', 0)), _connector='OR'), ('cgst_paise__gte', 0), ('igst_paise__gte', 0), ('sgst_paise__gte', 0), ('total_paise__gte', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('cgst_paise'), '+', models.F('sgst_paise')), '+', models.F('igst_paise')))), name='credit_note_tax_is_of_one_kind'), models.CheckConstraint(condition=models.Q(models.Q(models.Q(('gstin', ''), _negated=True), models.Q(('sac', ''), _negated=True), models.Q(('place_of_supply', ''), _negated=True)), models.Q(('buyer_gstin', ''), ('gst_basis_points', 0), ('gstin', ''), ('place_of_supply', ''), ('sac', ''), ('cgst_paise', 0), ('igst_paise', 0), ('sgst_paise', 0)), _connector='OR'), name='credit_note_tax_needs_a_gstin')],
                    },
                ),
                migrations.CreateModel(
                    name='Donation',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('email', models.EmailField(blank=True, max_length=254, validators=[core.texts.visible_line])),
                        ('language', models.CharField(default='en', max_length=2)),
                        ('purpose', models.CharField(blank=True, max_length=100, validators=[core.texts.plain_line])),
                        ('purpose_hi', models.CharField(blank=True, max_length=100, validators=[core.texts.plain_line])),
                        ('pan', models.TextField(blank=True, editable=False, help_text='encrypted, with the payment that it is of')),
                        ('payment', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='donation', to='payment.payment')),
                    ],
                    options={
                        'indexes': [models.Index(fields=['email'], name='donation_email')],
                    },
                ),
                migrations.CreateModel(
                    name='CashClosing',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('day', models.DateField()),
                        ('expected_paise', models.BigIntegerField(help_text='the sum of their entries in the ledger')),
                        ('counted_paise', models.BigIntegerField()),
                        ('reason', models.CharField(blank=True, max_length=200, validators=[core.texts.plain_line])),
                        ('needs_second_person', models.BooleanField(default=False)),
                        ('closed_at', models.DateTimeField(auto_now_add=True)),
                        ('confirmed_at', models.DateTimeField(blank=True, null=True)),
                        ('closed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('confirmed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('person', models.ForeignKey(help_text='whose cash it is', on_delete=django.db.models.deletion.PROTECT, related_name='cash_closings', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('confirmed_by', None), ('needs_second_person', True)), fields=['id'], name='cash_closing_unconfirmed')],
                        'constraints': [models.CheckConstraint(condition=models.Q(('counted_paise', models.F('expected_paise')), models.Q(('reason', ''), _negated=True), _connector='OR'), name='cash_closing_difference_has_a_reason'), models.CheckConstraint(condition=models.Q(('counted_paise__gte', 0), ('expected_paise__lt', 0), _connector='OR'), name='cash_closing_is_counted'), models.CheckConstraint(condition=models.Q(models.Q(('confirmed_at', None), ('confirmed_by', None)), models.Q(('confirmed_at__isnull', False), ('confirmed_by__isnull', False), ('needs_second_person', True), models.Q(('confirmed_by', models.F('closed_by')), _negated=True), models.Q(('confirmed_by', models.F('person')), _negated=True)), _connector='OR'), name='cash_closing_needs_two_people')],
                    },
                ),
                migrations.CreateModel(
                    name='ManualEntry',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('means', models.CharField(choices=[('CASH', 'cash'), ('TRANSFER', 'bank transfer')], max_length=8)),
                        ('reference', models.CharField(blank=True, help_text='UTR of a transfer, number of a slip', max_length=64, validators=[core.texts.plain_line])),
                        ('key', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('closing', models.ForeignKey(blank=True, help_text='of cash', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='payment.cashclosing')),
                        ('entry', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='by_hand', to='payment.ledgerentry')),
                        ('person', models.ForeignKey(help_text='who had the money', on_delete=django.db.models.deletion.PROTECT, related_name='manual_entries', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'verbose_name_plural': 'manual entries',
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('closing', None), ('means', 'CASH')), fields=['person'], name='manual_cash_open')],
                        'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('means', 'TRANSFER'), _negated=True), models.Q(('reference', ''), _negated=True), _connector='OR'), name='manual_transfer_has_a_reference'), models.UniqueConstraint(condition=models.Q(('means', 'TRANSFER')), fields=('reference',), name='manual_transfer_is_entered_once', violation_error_message='This transfer has been entered already.'), models.CheckConstraint(condition=models.Q(('means', 'CASH'), ('closing', None), _connector='OR'), name='manual_only_cash_is_closed')],
                    },
                ),
                migrations.CreateModel(
                    name='PayLink',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('key', models.UUIDField(editable=False, help_text='of the form: the same form twice is one link', unique=True)),
                        ('buyer_gstin', models.CharField(blank=True, default='', max_length=15, verbose_name='GSTIN of the buyer')),
                        ('expires_at', models.DateTimeField()),
                        ('ended_at', models.DateTimeField(blank=True, help_text='it opens nothing any more', null=True)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('checkout', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='pay_link', to='booking.checkout')),
                        ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('ended_at', None)), fields=['expires_at'], name='pay_link_open')],
                        'constraints': [models.CheckConstraint(condition=models.Q(('expires_at__lte', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('created_at'), '+', models.Value(datetime.timedelta(days=7))), '+', models.Value(datetime.timedelta(seconds=300))))), name='pay_link_ends_within_a_week')],
                    },
                ),
                migrations.CreateModel(
                    name='CaseNote',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('text', models.CharField(max_length=1000, validators=[core.texts.plain_text])),
                        ('form', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('payment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='payment.payment')),
                    ],
                    options={
                        'ordering': ['id'],
                    },
                ),
                migrations.CreateModel(
                    name='Closure',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('starts_from', models.DateTimeField(help_text='the first start that is closed')),
                        ('starts_before', models.DateTimeField(help_text='the first start that is not closed any more')),
                        ('reason', models.CharField(help_text='as the customers read it', max_length=150, validators=[core.texts.plain_line])),
                        ('form', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                        ('created_at', models.DateTimeField(auto_now_add=True)),
                        ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['-id'],
                    },
                ),
                migrations.CreateModel(
                    name='ClosureItem',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('starts_at', models.DateTimeField(help_text='its time when the closure was decided')),
                        ('then', models.CharField(choices=[('MOVE', 'move it'), ('OFFER', 'let its customer choose'), ('REFUND', 'cancel it and send all of the money back')], max_length=8)),
                        ('outcome', models.CharField(blank=True, choices=[('', 'not carried out yet'), ('moved', 'Moved'), ('offered', 'Offered'), ('refunded', 'Refunded'), ('awaiting_approval', 'as it was: a second person must approve its refund'), ('no_room', 'as it was: no free time'), ('ended', 'as it was: moved, cancelled or completed meanwhile'), ('refused', 'as it was: see why')], default='', max_length=20)),
                        ('detail', models.CharField(blank=True, max_length=200)),
                        ('done_at', models.DateTimeField(blank=True, null=True)),
                        ('booking', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='booking.booking')),
                        ('closure', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='payment.closure')),
                        ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payment.payment')),
                        ('slot', models.ForeignKey(blank=True, help_text='moved to', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='booking.slot')),
                    ],
                    options={
                        'ordering': ['id'],
                        'indexes': [models.Index(condition=models.Q(('outcome', '')), fields=['id'], name='closure_item_waits')],
                        'constraints': [models.UniqueConstraint(fields=('closure', 'booking'), name='closure_names_a_booking_once'), models.CheckConstraint(condition=models.Q(models.Q(('then', 'MOVE'), _negated=True), ('slot__isnull', False), _connector='OR'), name='closure_moves_to_a_slot'), models.CheckConstraint(condition=models.Q(models.Q(('done_at', None), ('outcome', '')), models.Q(models.Q(('outcome', ''), _negated=True), ('done_at__isnull', False)), _connector='OR'), name='closure_item_done_says_when')],
                    },
                ),
                migrations.CreateModel(
                    name='ServerEvent',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('event_id', models.CharField(default=payment.models.server_events.make_event_id, editable=False, max_length=28)),
                        ('type', models.CharField(choices=[('payment.paid', 'the agreed amount came'), ('payment.failed', 'it ended unpaid; money may still come late'), ('booking.confirmed', 'a payment became a booking'), ('booking.moved', 'a booking has another start'), ('booking.called_off', 'the temple called its time off: its customer chooses'), ('booking.cancelled', 'a booking is cancelled'), ('booking.completed', 'the puja has taken place'), ('refund.created', 'money is going back'), ('refund.completed', 'PhonePe has credited a refund'), ('endpoint.test', 'sent by staff, to try an endpoint')], max_length=24)),
                        ('data', models.JSONField(default=dict)),
                        ('is_distributed', models.BooleanField(default=False, help_text='each endpoint that wants it has a delivery')),
                        ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                        ('payment', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='server_events', to='payment.payment')),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('is_distributed', False)), fields=['id'], name='server_event_to_do')],
                        'constraints': [models.UniqueConstraint(fields=('event_id',), name='server_event_id')],
                    },
                ),
                migrations.CreateModel(
                    name='WebhookEndpoint',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('url', models.URLField(max_length=500)),
                        ('description', models.CharField(blank=True, max_length=80, validators=[core.texts.plain_line])),
                        ('types', models.JSONField(blank=True, default=list, help_text='of the events that it gets; empty: all')),
                        ('secret', models.TextField(editable=False, help_text='encrypted')),
                        ('former_secret', models.TextField(blank=True, editable=False, help_text='encrypted: signs beside the new one')),
                        ('former_until', models.DateTimeField(blank=True, editable=False, null=True)),
                        ('is_enabled', models.BooleanField(default=True)),
                        ('disabled_because', models.CharField(blank=True, editable=False, max_length=200)),
                        ('failing_since', models.DateTimeField(blank=True, editable=False, null=True)),
                        ('first_event', models.BigIntegerField(default=0, editable=False, help_text='primary key: it gets no event that is older')),
                        ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ('made_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('is_enabled', True)), fields=['first_event'], name='webhook_endpoint_on')],
                    },
                ),
                migrations.CreateModel(
                    name='WebhookDelivery',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('state', models.CharField(choices=[('WAITING', 'Waiting'), ('DELIVERED', 'Delivered'), ('GIVEN_UP', 'Given Up')], default='WAITING', max_length=9)),
                        ('next_check_at', models.DateTimeField(blank=True, default=django.utils.timezone.now, null=True)),
                        ('checks', models.PositiveIntegerField(default=0, help_text='tries, counted when they begin')),
                        ('tries', models.JSONField(default=list, help_text='the last ones: when, what was answered, how long it took')),
                        ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                        ('delivered_at', models.DateTimeField(blank=True, null=True)),
                        ('event', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='payment.serverevent')),
                        ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='payment.webhookendpoint')),
                    ],
                    options={
                        'verbose_name_plural': 'webhook deliveries',
                        'ordering': ['-id'],
                        'indexes': [models.Index(condition=models.Q(('next_check_at__isnull', False)), fields=['next_check_at'], name='webhook_delivery_due'), models.Index(condition=models.Q(('state', 'WAITING')), fields=['endpoint', 'state'], name='webhook_delivery_waiting')],
                        'constraints': [models.UniqueConstraint(fields=('event', 'endpoint'), name='webhook_delivery_once_per_endpoint'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'WAITING'), _negated=True), ('next_check_at__isnull', False), _connector='OR'), name='webhook_delivery_waits_for_a_moment')],
                    },
                ),
                migrations.CreateModel(
                    name='SettlementFile',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('digest', models.CharField(help_text='SHA-256 of its bytes', max_length=64, unique=True)),
                        ('name', models.CharField(max_length=200)),
                        ('day', models.DateField(help_text='the day whose orders it settles')),
                        ('content', models.BinaryField(help_text='compressed')),
                        ('rows', models.PositiveIntegerField()),
                        ('uploaded_at', models.DateTimeField(auto_now_add=True)),
                        ('uploaded_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'ordering': ['-id'],
                    },
                ),
            ]
        ),
        create_on_postgresql(
            # Small, and cheap to keep: new rows are behind the old ones. For the comparison of each night.
            ("attempt_days", "payment_paymentattempt USING brin (created_at, decided_at) WITH (autosummarize = on)"),
            ("ledger_days", "payment_ledgerentry USING brin (created_at) WITH (autosummarize = on)"),
            ("event_days", "payment_webhookevent USING brin (received_at) WITH (autosummarize = on)"),
            (
                "payment_payer_mobile_text",
                "payment_payment (id) WHERE NOT (payer_mobile = '')"
                " AND (NOT (payer_mobile::text LIKE '+%') OR length(payer_mobile) > 13)",
            ),
        ),
        create_on_postgresql(
            (
                "payment_payer_mobile_part",
                "payment_payment USING gin (upper(payer_mobile) gin_trgm_ops) WHERE NOT (payer_mobile = '')",
            ),
            extension="pg_trgm",
        ),
        drop_pattern_indexes(
            "payment",
            *("webhookevent.digest", "ledgerentry.reference", "dispute.dispute_id"),
            *("reconciliation.occasion", "diagnosisrun.occasion"),
        ),
        migrations.RunPython(create_triggers, drop_triggers),
    ]
