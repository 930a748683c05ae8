"""The starts that moved bookings have had: until now they stood only in the timeline of their payments."""

import re
from datetime import UTC, datetime

from django.db import migrations

LEFT = re.compile(r"from (\d{4}-\d\d-\d\d \d\d:\d\d)")  # in UTC


def write_down_earlier_starts(apps, schema_editor):
    bookings = apps.get_model("booking", "Booking").objects.filter(moves__gt=0)
    earlier = apps.get_model("booking", "EarlierStart")
    for booking in bookings.select_related("checkout__payment").iterator(chunk_size=500):
        rows = [earlier(booking=booking, starts_at=start) for start in _starts(apps, booking)]
        earlier.objects.bulk_create(rows, ignore_conflicts=True)


def _starts(apps, booking):
    changes = apps.get_model("payment", "StateChange").objects.filter(
        payment__checkout=booking.checkout_id,
        subject="booking",
        rule__in=("moved_by_temple", "other_place_chosen"),
    )
    left = map(LEFT.match, changes.values_list("detail", flat=True))
    told = {datetime.strptime(found[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC) for found in left if found}
    return told | {_first_start(apps, booking)}


def _first_start(apps, booking):
    """What was paid for, or chosen because its time was gone when the money came."""
    chosen = apps.get_model("payment", "Offer").objects.filter(
        payment__checkout=booking.checkout_id, because="LATE", state="TAKEN"
    )
    return chosen.values_list("slot__starts_at", flat=True).first() or booking.checkout.starts_at


class Migration(migrations.Migration):
    dependencies = [("booking", "0008_earlier_starts"), ("payment", "0016_late_money")]

    operations = [migrations.RunPython(write_down_earlier_starts, migrations.RunPython.noop)]
