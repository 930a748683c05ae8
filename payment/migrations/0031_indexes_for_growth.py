import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

from core.indexes import AddIndexOnline, create_on_postgresql, drop_pattern_indexes

SUMMARIZED = "WITH (autosummarize = on)"


class Migration(migrations.Migration):

    dependencies = [
        ('booking', '0016_longer_addresses'),
        ('payment', '0030_notify_workers'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    atomic = False  # payments go on meanwhile

    operations = [
        AddIndexOnline(
            model_name='gatewaycall',
            index=models.Index(condition=models.Q(('error_category', ''), _negated=True), fields=['started_at'], name='call_failed'),
        ),
        AddIndexOnline(
            model_name='gatewaycall',
            index=models.Index(condition=models.Q(models.Q(('code__in', ['', '400', '401', '404', '500', 'AUTHORIZATION_ERROR', 'AUTHORIZATION_FAILED', 'B3', 'BAD_REQUEST', 'BANK_TECHNICAL_ISSUE', 'DUPLICATE_TXN_REQUEST', 'EXCESS_REFUND_AMOUNT', 'FORBIDDEN', 'INSUFFICIENT_BALANCE', 'INTERNAL_SECURITY_BLOCK', 'INTERNAL_SECURITY_BLOCK_1', 'INTERNAL_SECURITY_BLOCK_2', 'INTERNAL_SECURITY_BLOCK_3', 'INTERNAL_SECURITY_BLOCK_4', 'INTERNAL_SECURITY_BLOCK_5', 'INTERNAL_SECURITY_BLOCK_6', 'INTERNAL_SERVER_ERROR', 'INVALID_CLIENT', 'INVALID_EXPIRY', 'INVALID_MERCHANT_ORDER_ID', 'INVALID_MERCHANT_REFUND_ID', 'INVALID_MPIN', 'INVALID_OTP_TOKEN', 'INVALID_SPLIT_DETAILS', 'INVALID_TRANSACTION_ID', 'INVALID_VPA', 'K1', 'KEY_NOT_CONFIGURED', 'MERCHANT_ORDER_MAPPING_NOT_FOUND', 'NO', 'NOTIFICATION_ATTEMPTS_BREACHED', 'OIM000', 'OIM004', 'ORDER_ALREADY_EXISTS', 'ORDER_CANCELLED_BY_USER', 'ORDER_EXPIRED', 'ORDER_NOT_FOUND', 'OTHERS', 'PAYMENT_CANCELLED', 'PAYMENT_DECLINED', 'PAYMENT_ERROR', 'PAYMENT_FAILED', 'PAYMENT_INITIATED', 'PAYMENT_PENDING', 'PAYMENT_SUCCESS', 'PG_BACKBONE_ERROR', 'PR004', 'R999', 'REFUND_AMOUNT_EXCEEDS_ORIGINAL', 'REFUND_NOT_FOUND', 'REQUEST_DECLINE_BY_REQUESTEE', 'SPLIT_SETTLEMENT_NOT_ENABLED', 'SUCCESS', 'TIMED_OUT', 'TOO_MANY_REQUESTS', 'TRANSACTION_LIMIT_EXCEEDED', 'TRANSACTION_NOT_FOUND', 'TXN_AUTO_FAILED', 'TXN_NOT_COMPLETED', 'TXN_STATUS_AWAITED', 'U28', 'U69', 'U90', 'UPI_BACKBONE_ERROR', 'USER_BLOCKED', 'UT', 'XH', 'YE', 'Z6', 'Z7', 'Z8', 'Z9', 'ZA', 'ZH', 'ZM']), _negated=True), models.Q(('code', django.db.models.functions.text.Lower('code')), models.Q(('code', django.db.models.functions.text.Upper('code')), _negated=True), _negated=True)), fields=['started_at'], name='call_unknown_code'),
        ),
        AddIndexOnline(
            model_name='ledgerentry',
            index=models.Index(condition=models.Q(('simulated', True)), fields=['id'], name='ledger_simulated'),
        ),
        AddIndexOnline(
            model_name='payment',
            index=models.Index(condition=models.Q(('state', 'PENDING')), fields=['created_at'], name='payment_open'),
        ),
        AddIndexOnline(
            model_name='payment',
            index=models.Index(condition=models.Q(('fulfilment__in', ('DUE', 'OFFERED', 'REFUND_DUE', 'HELD_FOR_STAFF'))), fields=['created_at'], name='payment_unfinished'),
        ),
        AddIndexOnline(
            model_name='payment',
            index=models.Index(condition=models.Q(('simulated', True)), fields=['id'], name='payment_simulated'),
        ),
        AddIndexOnline(
            model_name='payment',
            index=models.Index(condition=models.Q(('payer_mobile', ''), _negated=True), fields=['payer_mobile'], name='payment_payer_mobile'),
        ),
        AddIndexOnline(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('state__in', ('CREATED', 'UNKNOWN', 'PENDING'))), fields=['expires_at'], name='attempt_open'),
        ),
        AddIndexOnline(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('state', 'COMPLETED')), fields=['decided_at'], name='attempt_paid'),
        ),
        AddIndexOnline(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(models.Q(('code__in', ['', '400', '401', '404', '500', 'AUTHORIZATION_ERROR', 'AUTHORIZATION_FAILED', 'B3', 'BAD_REQUEST', 'BANK_TECHNICAL_ISSUE', 'DUPLICATE_TXN_REQUEST', 'EXCESS_REFUND_AMOUNT', 'FORBIDDEN', 'INSUFFICIENT_BALANCE', 'INTERNAL_SECURITY_BLOCK', 'INTERNAL_SECURITY_BLOCK_1', 'INTERNAL_SECURITY_BLOCK_2', 'INTERNAL_SECURITY_BLOCK_3', 'INTERNAL_SECURITY_BLOCK_4', 'INTERNAL_SECURITY_BLOCK_5', 'INTERNAL_SECURITY_BLOCK_6', 'INTERNAL_SERVER_ERROR', 'INVALID_CLIENT', 'INVALID_EXPIRY', 'INVALID_MERCHANT_ORDER_ID', 'INVALID_MERCHANT_REFUND_ID', 'INVALID_MPIN', 'INVALID_OTP_TOKEN', 'INVALID_SPLIT_DETAILS', 'INVALID_TRANSACTION_ID', 'INVALID_VPA', 'K1', 'KEY_NOT_CONFIGURED', 'MERCHANT_ORDER_MAPPING_NOT_FOUND', 'NO', 'NOTIFICATION_ATTEMPTS_BREACHED', 'OIM000', 'OIM004', 'ORDER_ALREADY_EXISTS', 'ORDER_CANCELLED_BY_USER', 'ORDER_EXPIRED', 'ORDER_NOT_FOUND', 'OTHERS', 'PAYMENT_CANCELLED', 'PAYMENT_DECLINED', 'PAYMENT_ERROR', 'PAYMENT_FAILED', 'PAYMENT_INITIATED', 'PAYMENT_PENDING', 'PAYMENT_SUCCESS', 'PG_BACKBONE_ERROR', 'PR004', 'R999', 'REFUND_AMOUNT_EXCEEDS_ORIGINAL', 'REFUND_NOT_FOUND', 'REQUEST_DECLINE_BY_REQUESTEE', 'SPLIT_SETTLEMENT_NOT_ENABLED', 'SUCCESS', 'TIMED_OUT', 'TOO_MANY_REQUESTS', 'TRANSACTION_LIMIT_EXCEEDED', 'TRANSACTION_NOT_FOUND', 'TXN_AUTO_FAILED', 'TXN_NOT_COMPLETED', 'TXN_STATUS_AWAITED', 'U28', 'U69', 'U90', 'UPI_BACKBONE_ERROR', 'USER_BLOCKED', 'UT', 'XH', 'YE', 'Z6', 'Z7', 'Z8', 'Z9', 'ZA', 'ZH', 'ZM']), _negated=True), models.Q(('code', django.db.models.functions.text.Lower('code')), models.Q(('code', django.db.models.functions.text.Upper('code')), _negated=True), _negated=True)), fields=['created_at'], name='attempt_unknown_code'),
        ),
        AddIndexOnline(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('simulated', True)), fields=['id'], name='attempt_simulated'),
        ),
        AddIndexOnline(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('provider_order_id', ''), _negated=True), fields=['provider_order_id'], name='attempt_provider_order', opclasses=['varchar_pattern_ops']),
        ),
        AddIndexOnline(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('provider_transaction_id', ''), _negated=True), fields=['provider_transaction_id'], name='attempt_transaction', opclasses=['varchar_pattern_ops']),
        ),
        AddIndexOnline(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('utr', ''), _negated=True), fields=['utr'], name='attempt_utr', opclasses=['varchar_pattern_ops']),
        ),
        AddIndexOnline(
            model_name='refund',
            index=models.Index(condition=models.Q(('state__in', ('WAITING', 'CREATED', 'UNKNOWN', 'PENDING', 'CONFIRMED'))), fields=['expected_by'], name='refund_open'),
        ),
        AddIndexOnline(
            model_name='webhookevent',
            index=models.Index(condition=models.Q(('state__in', ('RECEIVED', 'UNMATCHED', 'NEEDS_REVIEW'))), fields=['received_at'], name='event_unfinished'),
        ),
        AddIndexOnline(
            model_name='webhookevent',
            index=models.Index(fields=['merchant_order_id'], name='event_order', opclasses=['varchar_pattern_ops']),
        ),
        AddIndexOnline(
            model_name='webhookevent',
            index=models.Index(condition=models.Q(('merchant_refund_id', ''), _negated=True), fields=['merchant_refund_id'], name='event_refund', opclasses=['varchar_pattern_ops']),
        ),
        create_on_postgresql(
            # Small, and cheap to keep: new rows are behind the old ones. For the comparison of each night.
            ("attempt_days", f"payment_paymentattempt USING brin (created_at, decided_at) {SUMMARIZED}"),
            ("ledger_days", f"payment_ledgerentry USING brin (created_at) {SUMMARIZED}"),
            ("event_days", f"payment_webhookevent USING brin (received_at) {SUMMARIZED}"),
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
    ]
