"""A calendar feed ends with the logins of its person. Those that are open stay so."""

from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def keep_open_feeds(apps, schema_editor):
    users = apps.get_model("accounts", "User").objects.filter(pk=OuterRef("user"))
    feeds = apps.get_model("booking", "CalendarFeed").objects
    feeds.update(session_epoch=Subquery(users.values("session_epoch")))


class Migration(migrations.Migration):
    dependencies = [("booking", "0022_cart_address"), ("accounts", "0015_search_by_parts")]

    operations = [
        migrations.AddField(
            "calendarfeed",
            "session_epoch",
            models.PositiveIntegerField(default=0, editable=False, help_text="when it was opened"),
        ),
        migrations.RunPython(keep_open_feeds, migrations.RunPython.noop, elidable=True),
    ]
