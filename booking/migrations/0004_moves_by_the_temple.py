from django.db import migrations, models
from django.db.models import F


def keep_what_was_promised(apps, schema_editor):
    """Whoever was moved before was told that all of the money goes back if the new time does not suit them."""
    moved = apps.get_model("booking", "Booking").objects.exclude(moved_because="")
    moved.update(moves=1, free_until=F("starts_at"))


class Migration(migrations.Migration):
    dependencies = [("booking", "0003_cart_shown_paise")]

    operations = [
        migrations.AddField(
            model_name="booking",
            name="moves",
            field=models.PositiveSmallIntegerField(
                default=0, editable=False, help_text="how often the temple has moved it"
            ),
        ),
        migrations.AddField(
            model_name="booking",
            name="free_until",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="the temple moved it: whoever cancels before gets everything back, as they were told",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="booking",
            name="choose_until",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="its time was called off: until then its customer chooses another one,"
                " or gets everything back",
                null=True,
            ),
        ),
        migrations.RunPython(keep_what_was_promised, migrations.RunPython.noop),
    ]
