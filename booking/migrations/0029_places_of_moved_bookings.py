"""A booking of a puja without slots took a place when it was moved to a slot, and had no hold that ever gave it back.

The code was mended before; this repairs what it has left. Twice is once.
"""

from django.db import migrations, transaction
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

STANDS = ("CONFIRMED", "COMPLETED")


def repair_places(apps, schema_editor):
    Slot, SlotHold = apps.get_model("booking", "Slot"), apps.get_model("booking", "SlotHold")
    taken = SlotHold.objects.filter(slot=OuterRef("pk"), state="TAKEN").order_by().values("slot")
    counted = Coalesce(Subquery(taken.annotate(number=Count("pk")).values("number")), 0)
    wrong = Slot.objects.annotate(taken=counted).filter(booked__gt=F("taken")).order_by("pk")
    for pk in list(wrong.values_list("pk", flat=True)):
        with transaction.atomic():
            repair_slot(apps, pk)


def repair_slot(apps, pk):
    """Bookings that stand get the hold that they lack; what is counted beyond that is free again."""
    Slot, SlotHold = apps.get_model("booking", "Slot"), apps.get_model("booking", "SlotHold")
    slot = Slot.objects.select_for_update().get(pk=pk)
    holds = SlotHold.objects.filter(slot=slot, state="TAKEN")
    missing = slot.booked - holds.count()
    without_hold = apps.get_model("booking", "Booking").objects.filter(
        Q(checkout__puja_service=slot.service_id),
        starts_at=slot.starts_at,
        status__in=STANDS,
        checkout__hold=None,
    )
    for booking in without_hold.select_related("checkout").order_by("pk")[: max(missing, 0)]:
        SlotHold.objects.create(
            checkout=booking.checkout, slot=slot, state="TAKEN", expires_at=booking.checkout.expires_at
        )
    Slot.objects.filter(pk=pk, booked__gt=holds.count()).update(booked=holds.count())


class Migration(migrations.Migration):
    atomic = False  # each slot is locked for a moment only
    dependencies = [("booking", "0028_values_for_the_last_release")]
    operations = [migrations.RunPython(repair_places, migrations.RunPython.noop)]
