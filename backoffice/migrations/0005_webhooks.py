"""Who says which servers get webhooks, and who sends them once more."""

from django.db import migrations

from backoffice.migrations._grants import grant

MANAGE = [
    f"payment.{verb}_{model}"
    for verb in ("view", "change")
    for model in ("webhookendpoint", "serverevent", "webhookdelivery")
]


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0004_assign_role"),
        ("payment", "0043_server_events"),
    ]

    operations = [
        grant({"Owner": [*MANAGE, "payment.add_webhookendpoint"], "Manager": MANAGE}),
    ]
