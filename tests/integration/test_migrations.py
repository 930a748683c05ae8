"""Rows of an older shape after the migrations: nothing is lost, and the constraints of today hold."""

from collections.abc import Callable
from datetime import datetime, timezone
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from accounts.serializers import AddressSerializer
from booking import models
from booking.serializers import PackageSerializer, PujaServiceSerializer, agreed_cart
from tests.harness.migrations import UnsquashedExecutor

read_snapshots = import_module("booking.migrations.0010_read_snapshots")

pytestmark = [pytest.mark.proof, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def history():
    """`history(app, name)` brings the database to that migration and gives the models of then."""

    def go(app: str, name: str) -> Callable[[str, str], Any]:
        executor = UnsquashedExecutor(connection)
        executor.migrate([(app, name)])
        loader = UnsquashedExecutor(connection).loader
        known = [key for key in loader.applied_migrations if key in loader.graph.nodes]
        return loader.project_state(known).apps.get_model

    yield go
    executor = UnsquashedExecutor(connection)
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


def old_catalogue(get_model, minutes=2, priests=0, location="  "):
    """One puja, its package and a person with a cart. By default as they stood before the constraints."""
    category = get_model("booking", "PujaCategory").objects.create(name="Festivals")
    service = get_model("booking", "PujaService").objects.create(
        title="Puja",
        category=category,
        type="HOME",
        duration_minutes=minutes,
        image_url="https://x",
        description="x",
    )
    package = get_model("booking", "Package").objects.create(
        puja_service=service, location=location, price_paise=110_000, priest_count=priests, description="x"
    )
    user = get_model("accounts", "User").objects.create(email="asha@example.com")
    return user, service, package


def old_cart(get_model, user, service, package, starts_at):
    return get_model("booking", "Cart").objects.create(
        user=user,
        puja_service=service,
        package=package,
        selected_date=starts_at.date(),
        selected_time=starts_at.time(),
        status="CONVERTED",
    )


def old_booking(get_model, user, service, package, slot):
    cart = old_cart(get_model, user, service, package, slot.starts_at)
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


BEFORE_COLUMNS, AFTER_COLUMNS = "0008_earlier_starts", "0012_remove_snapshots"
TEN = datetime(2026, 12, 1, 4, 30, tzinfo=timezone.utc)  # 10:00 in India
THEN = "2026-11-20T09:15:00.125000+05:30"


def old_snapshot(service, package, promo=None):
    """As all versions up to this one wrote it; each value differs from the row of the catalogue."""
    category = {"id": 900, "name": "Deleted since", "created_at": THEN, "updated_at": THEN}
    return {
        "puja_service": {
            "id": service.pk,
            "title": "Griha Pravesh, as it was",
            "image_url": "https://ik.imagekit.io/okpuja/then.jpg",
            "description": "<p>गृह प्रवेश</p>",
            "category": 900,
            "category_detail": category,
            "type": "ONLINE",
            "duration_minutes": 2,
            "is_active": True,
            "created_at": THEN,
            "updated_at": "2026-11-20T09:15:00+05:30",
        },
        "package": {
            "id": package.pk,
            "puja_service": service.pk,
            "location": "Patna",
            "language": "SANSKRIT",
            "package_type": "PREMIUM",
            "price": "1100.00",
            "description": "",
            "includes_materials": True,
            "priest_count": 0,
            "is_active": True,
            "created_at": THEN,
            "updated_at": THEN,
        },
        "selected_date": "2026-12-01",
        "selected_time": "10:00",
        "promo_code": promo,
    }


def old_promo(row, **changes):
    return {
        "id": row.pk,
        "code": "AS_IT_WAS",
        "description": "10 % off, then",
        "discount": "10",
        "discount_type": "PERCENTAGE",
        "min_order_amount": "500.00",
        "max_discount_amount": "250.50",
        "is_valid": True,
        "validity_message": "",
    } | changes


OLD_ADDRESS = {
    "id": 77,
    "address_line1": "12 Temple Road",
    "address_line2": "",
    "city": "पटना",
    "state": "Bihar",
    "postal_code": "800001",
    "country": "India",
    "is_default": True,
    "created_at": THEN,
    "updated_at": THEN,
}


class OldCheckouts:
    """Checkouts in the shape that they had before their columns, one cart each."""

    def __init__(self, get_model):
        self.get_model = get_model
        self.user, self.service, self.package = self.catalogue = old_catalogue(
            get_model, minutes=60, priests=1, location="Patna"
        )
        self.promo = get_model("booking", "PromoCode").objects.create(
            code="TODAY",
            discount_type="FIXED",
            amount_paise=7_700,
            min_order_paise=100,
            max_discount_paise=8_800,
        )

    def add(self, snapshot, address=None, **fields):
        cart = old_cart(self.get_model, *self.catalogue, TEN)
        checkout = self.get_model("booking", "Checkout").objects.create(
            cart=cart,
            user=self.user,
            state="BOOKED",
            starts_at=TEN,
            expires_at=TEN,
            price_paise=110_000,
            total_paise=110_000,
            snapshot=snapshot,
            address=address,
        )
        self.get_model("booking", "Checkout").objects.filter(pk=checkout.pk).update(**fields)
        return checkout.pk


@pytest.fixture
def old(history):
    get_model = history("booking", BEFORE_COLUMNS)
    return OldCheckouts(get_model)


def read_again(pk):
    """The checkout in the words of the API of today."""
    checkout = models.Checkout.objects.get(pk=pk)
    address = checkout.agreed_address
    return agreed_cart(checkout), AddressSerializer(address).data if address else None


def test_check_outs_read_as_before_and_go_back_as_they_were(old, history, caplog, monkeypatch):
    discount = {"promo_code": old.promo, "discount_paise": 10_000, "total_paise": 100_000}
    fixed = {"discount": "50.00", "discount_type": "FIXED", "max_discount_amount": None}
    written = {
        old.add(snapshot, address, **fields): (snapshot, address)
        for snapshot, address, fields in (
            (old_snapshot(old.service, old.package), OLD_ADDRESS, {}),
            (old_snapshot(old.service, old.package, old_promo(old.promo)), None, discount),
            (old_snapshot(old.service, old.package, old_promo(old.promo, **fixed)), OLD_ADDRESS, discount),
        )
    }
    monkeypatch.setattr(read_snapshots, "BATCH", 2)

    history("booking", AFTER_COLUMNS)

    assert {pk: read_again(pk) for pk in written} == written
    assert "is not kept" not in caplog.text

    before = history("booking", BEFORE_COLUMNS)("booking", "Checkout")
    assert {row.pk: (row.snapshot, row.address) for row in before.objects.all()} == written


def test_amounts_and_numbers_are_read_in_every_spelling(old, history, caplog):
    snapshot = old_snapshot(old.service, old.package, old_promo(old.promo, discount="10.00"))
    snapshot["puja_service"] |= {"duration_minutes": "90", "created_at": "2026-11-20T03:45:00.125Z"}
    snapshot["package"] |= {"price": 1100.0, "priest_count": 2.0}
    snapshot["promo_code"] |= {"min_order_amount": 500, "max_discount_amount": "1,250.5"}
    pk = old.add(snapshot, promo_code=old.promo, discount_paise=10_000, total_paise=100_000)

    history("booking", AFTER_COLUMNS)

    row = models.Checkout.objects.get(pk=pk)
    assert (row.puja_duration_minutes, row.priest_count) == (90, 2)
    assert row.puja_created_at == datetime(2026, 11, 20, 3, 45, 0, 125_000, tzinfo=timezone.utc)
    assert (row.promo_percent, row.promo_amount_paise) == (10, None)
    assert (row.promo_min_order_paise, row.promo_max_discount_paise) == (50_000, 125_050)
    assert "is not kept" not in caplog.text


def test_what_a_snapshot_lacks_comes_from_the_catalogue(old, history):
    nothing = [{}, [], "", {"puja_service": None, "package": [], "promo_code": {}}]
    discount = {"promo_code": old.promo, "discount_paise": 7_700, "total_paise": 102_300}
    pks = [old.add(snapshot, {}, **discount) for snapshot in [*nothing, {"puja_service": {"title": None}}]]

    history("booking", AFTER_COLUMNS)

    for agreed, address in map(read_again, pks):
        assert address is None
        assert agreed["puja_service"] == PujaServiceSerializer(models.PujaService.objects.get()).data
        assert agreed["package"] == PackageSerializer(models.Package.objects.get()).data
        assert (agreed["selected_date"], agreed["selected_time"]) == ("2026-12-01", "10:00")
        promo = agreed["promo_code"]
        assert (promo["code"], promo["discount"], promo["discount_type"]) == ("TODAY", "77.00", "FIXED")
        assert (promo["min_order_amount"], promo["max_discount_amount"]) == ("1.00", "88.00")


def test_what_no_column_can_keep_is_named_in_the_log(old, history, caplog):
    odd = old_snapshot(old.service, old.package) | {"colour": "red", "selected_time": "11:00"}
    odd["package"] |= {"price": "999.00", "created_at": "long ago", "priest_count": -1}
    odd["puja_service"] |= {"title": "x" * 151, "id": 12_345}
    address = {"city": "Patna", "postal_code": "800001", "landmark": "the big tree"}
    pk = old.add(odd, address)
    text = old.add(old_snapshot(old.service, old.package), "12 Temple Road, Patna")

    history("booking", AFTER_COLUMNS)

    said = [r.getMessage() for r in caplog.records if "is not kept" in r.message]
    assert [line.split()[0] for line in said] == [
        *("address", "address.landmark", "snapshot.colour", "snapshot.package.created_at"),
        *("snapshot.package.price", "snapshot.package.priest_count", "snapshot.puja_service.id"),
        *("snapshot.puja_service.title", "snapshot.selected_time"),
    ]
    assert said[1] == f"address.landmark of 1 check-outs is not kept, among them [{pk}]"
    row = models.Checkout.objects.get(pk=pk)
    assert (row.puja_title, row.puja_service_id) == ("x" * 150, old.service.pk)
    assert (row.address_line1, row.address_city) == ("Patna, 800001", "Patna")
    assert models.Checkout.objects.get(pk=text).address_line1 == "12 Temple Road, Patna"


def test_an_interrupted_reading_goes_on_where_it_stopped(old, history, monkeypatch):
    pks = [old.add(old_snapshot(old.service, old.package)) for _ in range(5)]
    monkeypatch.setattr(read_snapshots, "BATCH", 2)
    whole, batches = read_snapshots.write, []

    def fail_at_the_second(*arguments):
        batches.append(arguments)
        if len(batches) == 2:
            raise KeyboardInterrupt
        whole(*arguments)

    monkeypatch.setattr(read_snapshots, "write", fail_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        history("booking", AFTER_COLUMNS)

    history("booking", AFTER_COLUMNS)

    assert [len(rows) for _, _, rows in batches] == [2, 2, 2, 1]
    assert {read_again(pk)[0]["puja_service"]["title"] for pk in pks} == {"Griha Pravesh, as it was"}
