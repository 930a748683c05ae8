"""Who keeps the list of priests and assigns them; a priest sees their own day."""

from django.db import migrations

from backoffice.migrations._grants import grant

PRIESTS = [
    "booking.view_priest",
    "booking.change_priest",
    "booking.add_assignment",
    "booking.view_assignment",
]


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0007_money_of_the_desk"),
        ("booking", "0030_priests"),
    ]

    operations = [
        grant(
            {
                "Owner": PRIESTS,
                "Manager": PRIESTS,
                "Coordinator": PRIESTS,
                "Support": ["booking.view_priest"],
                "Priest": ["booking.view_assignment"],
            }
        ),
    ]
