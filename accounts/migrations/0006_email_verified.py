from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0005_keep_logins"),
    ]

    operations = [
        migrations.RemoveField(model_name="user", name="email_verified"),
    ]
