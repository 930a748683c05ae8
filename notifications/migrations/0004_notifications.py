import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def keep_rights(apps, schema_editor):
    """Who may look at notices, or change them, may do so with notifications."""
    content_types = apps.get_model("contenttypes", "ContentType").objects
    for kept in content_types.filter(app_label="notices", model="notice"):
        for permission in apps.get_model("auth", "Permission").objects.filter(content_type=kept):
            permission.codename = permission.codename.replace("notice", "notification")
            permission.name = permission.name.replace("notice", "notification")
            permission.save()
    content_types.filter(app_label="notices", model="notice").update(
        app_label="notifications", model="notification"
    )


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0003_dropped"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(keep_rights, migrations.RunPython.noop),
        migrations.RenameModel("Notice", "Notification"),
        migrations.AlterModelTable("notification", None),
        migrations.RenameIndex("notification", new_name="notification_due", old_name="notice_due"),
        migrations.AlterField(
            model_name="notification",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="notifications",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
