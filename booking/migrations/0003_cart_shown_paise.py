from django.db import migrations, models


class Migration(migrations.Migration):
    """Carts that exist have shown nothing that we know of: they are checked out at the price of the moment."""

    dependencies = [("booking", "0002_moved_bookings")]

    operations = [
        migrations.AddField(
            model_name="cart",
            name="shown_paise",
            field=models.PositiveIntegerField(
                blank=True,
                editable=False,
                help_text="the total that its owner saw last: check-out takes no more; empty: never shown",
                null=True,
            ),
        ),
    ]
