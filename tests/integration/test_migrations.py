"""Rows of an older shape after the migrations: nothing is lost, and the constraints of today hold."""

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def history():
    """`history(app, name)` brings the database to that migration and gives the models of then."""

    def go(app: str, name: str) -> Callable[[str, str], Any]:
        executor = MigrationExecutor(connection)
        executor.migrate([(app, name)])
        loader = MigrationExecutor(connection).loader
        known = [key for key in loader.applied_migrations if key in loader.graph.nodes]
        return loader.project_state(known).apps.get_model

    yield go
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


OLD_PHONES = {
    "9876543210": "+919876543210",
    "098765 43211": "+919876543211",
    "+91-98765-43212": "+919876543212",
    "+447911123456": "+447911123456",
    "12345": "12345",
    "9876543214 wife": "9876543214 wife",
    "": None,
    None: None,
}


def test_phones_of_accounts_become_e164_and_what_cannot_be_read_stays(history):
    before = history("accounts", "0002_language_of_mails")("accounts", "User")
    for number, phone in enumerate(OLD_PHONES):
        before.objects.create(email=f"devotee{number}@example.com", phone=phone)

    after = history("accounts", "0003_phones_as_e164")("accounts", "User")

    assert list(after.objects.order_by("email").values_list("phone", flat=True)) == list(OLD_PHONES.values())
    after.objects.create(email="family@example.com", phone="+919876543210")  # no longer unique


def test_the_way_back_gives_ten_digits_again(history):
    now = history("accounts", "0003_phones_as_e164")("accounts", "User")
    now.objects.create(email="asha@example.com", phone="+919876543210")
    now.objects.create(email="abroad@example.com", phone="+447911123456")

    before = history("accounts", "0002_language_of_mails")("accounts", "User")

    assert {*before.objects.values_list("phone", flat=True)} == {"9876543210", "+447911123456"}


def test_mobile_numbers_of_guests_become_e164(history):
    before = history("payment", "0007_open_rows_are_asked_about")("payment", "Payment")
    for number, mobile in enumerate(["9876543210", ""]):
        before.objects.create(reference=f"OKP-{number}", amount_paise=100, payer_mobile=mobile)

    after = history("payment", "0008_phones_as_e164")("payment", "Payment")

    assert list(after.objects.order_by("pk").values_list("payer_mobile", flat=True)) == ["+919876543210", ""]


def old_catalogue(get_model):
    """One puja, its package and a person with a cart, as they stood before the constraints."""
    category = get_model("booking", "PujaCategory").objects.create(name="Festivals")
    service = get_model("booking", "PujaService").objects.create(
        title="Puja",
        category=category,
        type="HOME",
        duration_minutes=2,
        image_url="https://x",
        description="x",
    )
    package = get_model("booking", "Package").objects.create(
        puja_service=service, location="  ", price_paise=110_000, priest_count=0, description="x"
    )
    user = get_model("accounts", "User").objects.create(email="asha@example.com")
    return user, service, package


def old_booking(get_model, user, service, package, slot):
    cart = get_model("booking", "Cart").objects.create(
        user=user,
        puja_service=service,
        package=package,
        selected_date=slot.starts_at.date(),
        selected_time=slot.starts_at.time(),
        status="CONVERTED",
    )
    checkout = get_model("booking", "Checkout").objects.create(
        cart=cart,
        user=user,
        state="BOOKED",
        price_paise=110_000,
        total_paise=110_000,
        starts_at=slot.starts_at,
        snapshot={},
        expires_at=slot.starts_at,
    )
    get_model("booking", "SlotHold").objects.create(
        checkout=checkout, slot=slot, state="TAKEN", expires_at=slot.starts_at
    )
    return get_model("booking", "Booking").objects.create(
        checkout=checkout, user=user, starts_at=slot.starts_at, book_id="BK-AAAAAAAA"
    )


BEFORE, AFTER = "0004_moves_by_the_temple", "0006_catalogue_constraints"


def test_slots_with_seconds_start_on_the_minute_and_so_do_their_bookings(history):
    before = history("booking", BEFORE)
    user, service, package = old_catalogue(before)
    ten = datetime(2027, 1, 10, 4, 30, 20, 5, tzinfo=timezone.utc)
    slots = before("booking", "Slot").objects
    sold = slots.create(service=service, starts_at=ten, capacity=2, booked=1)
    twin = slots.create(service=service, starts_at=ten.replace(second=40), capacity=0)
    booking = old_booking(before, user, service, package, sold)

    after = history("booking", AFTER)

    minute = ten.replace(second=0, microsecond=0)
    sold, twin = (after("booking", "Slot").objects.get(pk=row.pk) for row in (sold, twin))
    assert (sold.starts_at, sold.is_open, sold.booked) == (minute, True, 1)
    assert (twin.is_open, twin.capacity) == (False, 1)
    booking = after("booking", "Booking").objects.get(pk=booking.pk)
    assert booking.starts_at == booking.checkout.starts_at == minute
    assert booking.checkout.hold.slot_id == sold.pk
    assert booking.checkout.cart.selected_time.second == 0
    service, package = (
        after("booking", "PujaService").objects.get(),
        after("booking", "Package").objects.get(),
    )
    assert (service.duration_minutes, package.priest_count, package.location) == (5, 1, "India")


def test_promo_codes_that_nobody_could_use_are_kept_and_taken_off(history):
    before = history("booking", BEFORE)("booking", "PromoCode")
    ten_percent = {"discount_type": "PERCENT", "percent": 10}
    for code, fields in {
        "GOOD": {},
        "lower": {},
        "NO_USE": {"usage_limit": 0},
        "NOTHING": {"max_discount_paise": 0},
        "FOR_EVER": {"expires_at": datetime(9999, 12, 31, 12, tzinfo=timezone.utc)},
    }.items():
        before.objects.create(code=code, **ten_percent, **fields)

    after = history("booking", AFTER)("booking", "PromoCode")

    assert after.objects.count() == 5
    assert {*after.objects.filter(is_active=True).values_list("code", flat=True)} == {"GOOD", "FOR_EVER"}


def test_a_puja_without_a_name_gets_one(history):
    before = history("booking", BEFORE)
    category = before("booking", "PujaCategory").objects.create(name=" ")
    fields = {
        "category": category,
        "type": "HOME",
        "duration_minutes": 30,
        "image_url": "",
        "description": "",
    }
    titles = ["", " ", "Griha  Pravesh\n", "Griha Pravesh"]
    rows = [before("booking", "PujaService").objects.create(title=title, **fields) for title in titles]

    after = history("booking", AFTER)

    names = [str(after("booking", "PujaService").objects.get(pk=row.pk).title) for row in rows]
    kept = "Griha  Pravesh\n"  # its plain form belongs to another one
    assert names == [f"Puja {rows[0].pk}", f"Puja {rows[1].pk}", kept, "Griha Pravesh"]
    assert after("booking", "PujaCategory").objects.get().name == f"Category {category.pk}"
