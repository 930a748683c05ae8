from datetime import datetime, time, timedelta, timezone

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from booking.fields import (
    one_line,
    require_image_host,
    require_letter_or_digit,
    require_visible_text,
    require_whole_minute,
)
from booking.models import Cart, Package, PromoCode, PujaCategory, PujaService, Slot
from tests.harness import builders


@pytest.mark.parametrize(
    "url", ["https://[", "https://[::1", "https://\u2100.example/a", "", "https://evil.example/a.jpg"]
)
def test_what_is_no_address_of_an_image_is_refused_not_a_crash(url):
    with pytest.raises(ValidationError):
        require_image_host(url)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  Griha \r\n Pravesh ", "Griha Pravesh"),
        ("Griha\u00a0Pravesh\u200b", "Griha Pravesh"),
        ("क्\u200dष", "क्\u200dष"),
        ("a\x00b\u202e", "ab"),
    ],
)
def test_a_title_is_one_readable_line(text, line):
    assert one_line(text) == line


def test_a_title_is_a_line_on_every_way_into_the_database(service):
    PujaService.objects.filter(pk=service.pk).update(title="Griha \n Shanti")
    assert PujaService.objects.get(title=" Griha  Shanti ") == service


@pytest.mark.parametrize("text", ["", " ", "-", "\u200d", "🙏"])
def test_a_name_has_a_letter_or_a_digit(text):
    with pytest.raises(ValidationError):
        require_letter_or_digit(text)


@pytest.mark.parametrize("html", ["<script>x</script>", "<p> </p>", "&nbsp;", "<b></b>"])
def test_a_description_that_shows_nothing_is_refused(html):
    with pytest.raises(ValidationError):
        require_visible_text(html)
    require_visible_text("<p>ॐ नमः</p>")
    require_visible_text('<img src="https://okpuja.com/a.jpg">')


@pytest.mark.parametrize("part", [{"second": 1}, {"second": 59, "microsecond": 999_999}, {"microsecond": 1}])
def test_staff_are_told_that_a_slot_starts_on_a_whole_minute(part):
    with pytest.raises(ValidationError, match="whole minute"):
        require_whole_minute(builders.in_days(3).replace(**part))


def test_a_slot_is_kept_on_the_minute_by_every_write(service):
    late = builders.in_days(3).replace(second=20, microsecond=5)
    minute = builders.in_days(3)
    slot = Slot.objects.create(service=service, starts_at=late)
    assert slot.starts_at == minute
    Slot.objects.update(starts_at=late + timedelta(minutes=1))
    slot.refresh_from_db()
    assert slot.starts_at == minute + timedelta(minutes=1)
    assert Slot.objects.filter(
        starts_at__lt=slot.starts_at + timedelta(seconds=1)
    ).exists()  # compared to the second


def test_a_cart_is_kept_on_the_minute_by_every_write(alice, package):
    cart = builders.make_cart(alice, package)
    Cart.objects.update(selected_time=time(10, 30, 20, 5))
    cart.refresh_from_db()
    assert cart.selected_time == time(10, 30)
    cart.selected_time = time(11, 0, 59)
    cart.save()
    assert cart.selected_time == time(11)


@pytest.mark.parametrize("seconds", [20, 0.5])
def test_the_database_itself_keeps_open_slots_on_the_minute(slot, seconds):
    with pytest.raises(IntegrityError), transaction.atomic():
        Slot.objects.update(starts_at=F("starts_at") + timedelta(seconds=seconds))
    Slot.objects.update(starts_at=F("starts_at") + timedelta(minutes=1))


def test_the_database_refuses_a_slot_with_seconds_from_any_hand(slot):
    moment = "2027-01-10 10:30:20" + ("+00:00" if connection.vendor == "postgresql" else "")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE booking_slot SET starts_at = %s", [moment])


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        (PujaCategory, {"name": ""}),
        (PujaService, {"title": " "}),
        (PujaService, {"duration_minutes": 4}),
        (Package, {"location": "\u200b"}),
        (Package, {"priest_count": 0}),
        (Package, {"price_paise": 99}),
        (Slot, {"capacity": 0}),
        (PromoCode, {"usage_limit": 0}),
        (PromoCode, {"max_discount_paise": 0}),
        (PromoCode, {"code": "lower"}),
        (PromoCode, {"code": "WITH SPACE"}),
        (PromoCode, {"starts_at": datetime(1999, 1, 1, tzinfo=timezone.utc)}),
        (PromoCode, {"expires_at": datetime(9999, 12, 31, tzinfo=timezone.utc)}),
    ],
)
def test_the_database_refuses_what_nobody_could_buy(alice, package, slot, model, wrong):
    builders.make_promo()
    assert not Cart.objects.exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.update(**wrong)


def test_a_code_that_is_not_active_may_be_anything(db):
    builders.make_promo("old code", is_active=False, usage_limit=0)
