"""Lists of staff: bookings that were made within some days, that were rejected, whose customer is to choose a time; and the
times of a day or a week, of all pujas; and what all priests perform then.
"""

from django.db import migrations, models
from django.db.models import Q

from core.indexes import AddIndexOnline, create_on_postgresql


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("booking", "0035_form_of_a_priest")]

    operations = [
        AddIndexOnline("booking", models.Index(fields=["id"], name="booking_rejected", condition=Q(rejected=True))),
        AddIndexOnline(
            "booking",
            models.Index(fields=["id"], name="booking_to_choose", condition=Q(choose_until__isnull=False)),
        ),
        AddIndexOnline("assignment", models.Index(fields=["begins"], name="assignments_of_a_day")),
        AddIndexOnline("slot", models.Index(fields=["starts_at"], name="slot_starts")),
        # Rows lie in the order in which they were made, so an index of their blocks is enough.
        create_on_postgresql(
            ("booking_days", "booking_booking USING brin (created_at) WITH (autosummarize = on)"),
        ),
    ]
