"""The app was called `notices`: a database of that time keeps its messages, and staff their rights."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from notifications.models import Notification
from tests.harness.migrations import UnsquashedExecutor

pytestmark = [pytest.mark.proof, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def database_of_notices():
    """As the release before the rename left it: its table, its migrations, its content type with a right on it."""
    executor = UnsquashedExecutor(connection)
    executor.migrate([("notifications", "0003_dropped")])
    MigrationRecorder(connection).migration_qs.filter(app="notifications").update(app="notices")
    kind, _ = ContentType.objects.update_or_create(
        app_label="notifications", defaults={"app_label": "notices", "model": "notice"}
    )
    Permission.objects.filter(content_type=kind).delete()
    right = Permission.objects.create(content_type=kind, codename="change_notice", name="Can change notice")
    Group.objects.create(name="desk").permissions.add(right)
    yield connection
    call_command("migrate", verbosity=0)


def test_no_message_and_no_right_is_lost_by_the_new_name(database_of_notices, staff):
    with database_of_notices.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notices_notice (kind, key, channel, email, language, facts, message_id, state, checks,"
            " last_error, dropped_because, created_at) VALUES ('booked', 'booked:payment:1', 'PERSON',"
            " 'alice@example.com', 'en', '{}', '<1@shop>', 'WAITING', 0, '', '', CURRENT_TIMESTAMP)"
        )

    call_command("migrate", verbosity=0)

    assert [(row.key, row.state) for row in Notification.objects.all()] == [("booked:payment:1", "WAITING")]
    assert "notices_notice" not in connection.introspection.table_names()
    kept = Group.objects.get(name="desk").permissions.get()
    assert (kept.content_type.app_label, kept.codename) == ("notifications", "change_notification")
    assert ContentType.objects.get(app_label="notifications").model == "notification"
    Notification.objects.create(kind="booked", key="booked:payment:2", message_id="<2@shop>")
