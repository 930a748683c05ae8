"""Who takes money and bookings on the phone, closes cash, and compares settlements."""

from django.db import migrations

from backoffice.migrations._grants import grant

CREDIT_NOTES = "payment.view_creditnote"
BOOK, TAKE, CLOSE, CONFIRM, COMPARE = (
    "payment.add_paylink",
    "payment.add_manualentry",
    "payment.add_cashclosing",
    "payment.change_cashclosing",
    "payment.add_settlementfile",
)
ALL = [CREDIT_NOTES, BOOK, TAKE, CLOSE, CONFIRM, COMPARE]


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0006_history"),
        ("payment", "0044_settlement_files"),
    ]

    operations = [
        grant(
            {
                "Owner": ALL,
                "Manager": ALL,
                "Support": [CREDIT_NOTES, BOOK, TAKE, CLOSE],
                "Accountant": [CREDIT_NOTES, CLOSE, CONFIRM, COMPARE],
                "Coordinator": [BOOK],
            }
        ),
    ]
