"""What staff did to one row: its history in the admin. Django's own table has no index for it, and nothing deletes it."""

from django.db import migrations

from core.indexes import create_on_postgresql


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("backoffice", "0012_saved_filters"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [
        create_on_postgresql(("admin_log_of_a_row", "django_admin_log (content_type_id, object_id)"))
    ]
