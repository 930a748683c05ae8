"""The roles of the desk, and what each may do."""

from django.db import migrations

from backoffice.migrations._grants import grant

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
]


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("accounts", "0016_login_codes"),
        ("booking", "0024_waiting_networks"),
        ("notifications", "0006_indexes_for_growth"),
        ("payment", "0034_webhook_order_index"),
    ]

    operations = [
        grant(
            {
                "Owner": [*MANAGE, "payment.change_dispute", "payment.add_diagnosisrun"],
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
                ],
                "Accountant": [
                    *LOOK,
                    *SEE_MONEY,
                    "booking.view_promocode",
                    "payment.view_ledgerentry",
                    "payment.view_reconciliation",
                    "payment.change_dispute",
                    "payment.view_webhookevent",
                ],
                "Coordinator": [*LOOK, "booking.change_booking", "booking.add_slot", "booking.change_slot"],
                "Priest": [],
            }
        )
    ]
