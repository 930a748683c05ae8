import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0003_phones_as_e164"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="email_confirmed_at",
            field=models.DateTimeField(
                blank=True,
                null=True,
                help_text="when its owner showed that mail to the address reaches them",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="session_epoch",
            field=models.PositiveIntegerField(
                default=0,
                editable=False,
                help_text="counted up to end every session, also those of the admin",
            ),
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("refresh_digest", models.CharField(help_text="SHA-256 of the id of the refresh token", max_length=64)),
                ("previous_digest", models.CharField(blank=True, help_text="of the one before", max_length=64)),
                ("user_hash", models.CharField(help_text="of password, role and rights at the login", max_length=64)),
                ("user_agent", models.CharField(blank=True, max_length=150)),
                ("network", models.CharField(blank=True, help_text="of the address that logged in", max_length=43)),
                ("created_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(help_text="at the login or the last refresh")),
                ("rotated_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(help_text="without a further refresh")),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "ended_because",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("LOGOUT", "logged out"),
                            ("EVERYWHERE", "logged out everywhere"),
                            ("PASSWORD", "the password was changed"),
                            ("ACCOUNT", "the account, its role or its rights were changed"),
                            ("REUSE", "a refresh token was used twice: somebody may have copied it"),
                            ("STAFF", "ended by staff"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["ended_at"], name="session_ended"),
                    models.Index(fields=["expires_at"], name="session_expires"),
                ],
            },
        ),
    ]
