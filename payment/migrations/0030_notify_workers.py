from django.db import migrations, models

# Workers are told of a row that is due within the seconds that they sleep at most; later moments they see themselves.
FUNCTION = """
CREATE OR REPLACE FUNCTION notify_workers() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('okpuja_work', ''); RETURN NULL; END $$
"""
SOON = "NEW.{0} <= clock_timestamp() + interval '10 seconds'"
TABLES = {
    "payment_paymentattempt": ("next_check_at", SOON),
    "payment_refund": ("next_check_at", SOON),
    "payment_webhookevent": ("next_check_at", SOON),
    "notifications_notification": ("next_check_at", SOON),
    "payment_payment": ("fulfil_at", SOON),
    "payment_receipt": ("number", "NEW.number IS NULL"),
    "accounts_onetimecode": ("is_sent", "NOT NEW.is_sent"),
    "accounts_registration": ("is_answered", "NOT NEW.is_answered"),
    "accounts_coderequest": ("email", "true"),
}


def create_triggers(apps, schema_editor):
    """In the database, so that no place that writes such a row can forget it, and in the transaction of the row."""
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(FUNCTION)
    for table, (column, condition) in TABLES.items():
        schema_editor.execute(
            f"CREATE TRIGGER notify_workers AFTER INSERT OR UPDATE OF {column} ON {table}"
            f" FOR EACH ROW WHEN ({condition.format(column)}) EXECUTE FUNCTION notify_workers()"
        )


def drop_triggers(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for table in TABLES:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS notify_workers ON {table}")
    schema_editor.execute("DROP FUNCTION IF EXISTS notify_workers()")


class Migration(migrations.Migration):
    dependencies = [
        ("payment", "0029_channels_of_orders"),
        ("accounts", "0011_registrations"),
        ("notifications", "0005_mails_per_address"),
    ]

    operations = [
        migrations.AddIndex("idempotencykey", models.Index(fields=["created_at"], name="idempotency_key_age")),
        migrations.AddIndex("worklease", models.Index(fields=["held_until"], name="work_lease_ends")),
        migrations.RunPython(create_triggers, drop_triggers),
    ]
