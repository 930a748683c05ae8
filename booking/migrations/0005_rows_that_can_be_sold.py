import re

from django.db import migrations
from django.db.models import Q

from booking.fields import FIRST_MOMENT, LAST_MOMENT, one_line


def mend(apps, schema_editor):
    """Rows that nobody can buy are made sellable where it is plain what was meant, and taken off sale elsewhere.

    No row is deleted, and bookings keep the time that their owners read: hours and minutes.
    """
    name_what_has_no_name(apps)
    apps.get_model("booking", "PujaService").objects.filter(duration_minutes__lt=5).update(duration_minutes=5)
    apps.get_model("booking", "Package").objects.filter(priest_count=0).update(priest_count=1)
    apps.get_model("booking", "Slot").objects.filter(capacity=0).update(capacity=1, is_open=False)
    start_on_the_minute(apps)
    take_useless_codes_off(apps)


def name_what_has_no_name(apps):
    unique = (("PujaCategory", "name", "Category"), ("PujaService", "title", "Puja"))
    for model, column, word in unique:
        rows = apps.get_model("booking", model).objects
        for pk, text in rows.values_list("pk", column):
            plain = one_line(text) or f"{word} {pk}"
            if plain != text and not rows.filter(**{column: plain}).exists():
                rows.filter(pk=pk).update(**{column: plain})
            elif not text.strip():
                rows.filter(pk=pk).update(**{column: f"{word} no. {pk}"})
    packages = apps.get_model("booking", "Package").objects
    for pk, text in packages.values_list("pk", "location"):
        if text != (plain := one_line(text) or "India"):
            packages.filter(pk=pk).update(location=plain)


def start_on_the_minute(apps):
    """A slot whose minute has another slot already is closed; its bookings stay where they are."""
    Slot, Checkout, Booking, Cart = (
        apps.get_model("booking", name) for name in ("Slot", "Checkout", "Booking", "Cart")
    )
    for slot in Slot.objects.order_by("starts_at").iterator():
        minute = slot.starts_at.replace(second=0, microsecond=0)
        if minute == slot.starts_at:
            continue
        if Slot.objects.filter(service_id=slot.service_id, starts_at=minute).exists():
            Slot.objects.filter(pk=slot.pk).update(is_open=False)
            continue
        Checkout.objects.filter(hold__slot=slot, starts_at=slot.starts_at).update(starts_at=minute)
        sold = Booking.objects.filter(checkout__hold__slot=slot, starts_at=slot.starts_at)
        Booking.objects.filter(pk__in=[*sold.values_list("pk", flat=True)]).update(starts_at=minute)
        Slot.objects.filter(pk=slot.pk).update(starts_at=minute)
    for pk, start in Cart.objects.filter(selected_time__second__gt=0).values_list("pk", "selected_time"):
        Cart.objects.filter(pk=pk).update(selected_time=start.replace(second=0, microsecond=0))


def take_useless_codes_off(apps):
    promos = apps.get_model("booking", "PromoCode").objects
    promos.filter(starts_at__lt=FIRST_MOMENT).update(starts_at=FIRST_MOMENT)
    promos.filter(starts_at__gt=LAST_MOMENT).update(starts_at=LAST_MOMENT)
    promos.filter(expires_at__lt=FIRST_MOMENT).update(expires_at=FIRST_MOMENT)
    promos.filter(expires_at__gt=LAST_MOMENT).update(expires_at=LAST_MOMENT)
    promos.filter(Q(usage_limit=0) | Q(max_discount_paise=0)).update(is_active=False)
    for pk, code in promos.filter(is_active=True).values_list("pk", "code"):
        if not re.fullmatch(r"[A-Z0-9_-]+", code):
            promos.filter(pk=pk).update(is_active=False)


class Migration(migrations.Migration):

    dependencies = [
        ('booking', '0004_moves_by_the_temple'),
    ]

    operations = [
        migrations.RunPython(mend, migrations.RunPython.noop),
    ]
