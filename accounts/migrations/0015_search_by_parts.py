from django.db import migrations

from core.indexes import create_on_postgresql, drop_pattern_indexes


class Migration(migrations.Migration):
    dependencies = [("accounts", "0014_registration_network")]

    atomic = False  # payments go on meanwhile

    operations = [
        create_on_postgresql(
            (
                "user_phone_text",
                "accounts_user (id) WHERE phone IS NOT NULL"
                " AND (NOT (phone::text LIKE '+%' AND phone IS NOT NULL) OR length(phone) > 13)",
            ),
        ),
        create_on_postgresql(
            (
                "user_parts",
                "accounts_user USING gin (upper(email) gin_trgm_ops, upper(phone) gin_trgm_ops,"
                " upper(first_name) gin_trgm_ops, upper(last_name) gin_trgm_ops)",
            ),
            extension="pg_trgm",
        ),
        drop_pattern_indexes("accounts", "user.email", "user.phone", "registration.email"),
    ]
