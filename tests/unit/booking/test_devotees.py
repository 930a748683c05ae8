"""For whom a puja is performed: said in the cart, kept by the checkout, read by the priest; and names in Hindi."""

import pytest
from django.db import IntegrityError, transaction

from booking.models import Booking, Cart
from notifications.messages import write
from notifications.models import Notification
from payment.services.checkout import start_payment
from payment.services.receipts import receipt_document, receipt_of
from payment.services.status import refresh
from tests.harness import builders

pytestmark = pytest.mark.django_db(transaction=True)

CARTS = "/api/cart/carts/"
DETAILS = {
    "devotee_names": "राधिका शर्मा\nRavi Sharma",
    "gotra": "Kashyap",
    "nakshatra": "Rohini",
    "people": 12,
    "wishes": "For the health of our mother.",
}
NOTHING = {"devotee_names": "", "gotra": "", "nakshatra": "", "people": None, "wishes": ""}


@pytest.fixture
def mine(alice, api):
    return api(alice)


def choice(package, slot, **details):
    start = builders.timezone.localtime(slot.starts_at)
    return {
        "puja_service": package.puja_service_id,
        "package_id": package.pk,
        "selected_date": start.date().isoformat(),
        "selected_time": f"{start:%H:%M}",
        **details,
    }


def told(answer):
    return {name: answer[name] for name in DETAILS}


def test_a_cart_keeps_for_whom_the_puja_is(mine, package, slot):
    made = mine.post(CARTS, choice(package, slot, **DETAILS)).json()

    assert told(made) == DETAILS
    assert told(mine.get(f"{CARTS}active/").json()) == DETAILS


def test_who_says_nothing_is_asked_for_nothing(mine, package, slot):
    assert told(mine.post(CARTS, choice(package, slot)).json()) == NOTHING


def test_a_change_of_the_time_keeps_them_and_an_empty_one_removes_one(mine, package, slot):
    later = builders.make_slot(package.puja_service, days=4)
    cart = mine.post(CARTS, choice(package, slot, **DETAILS)).json()

    moved = mine.patch(f"{CARTS}{cart['id']}/", {"selected_date": f"{builders.in_days(4):%Y-%m-%d}"}).json()
    assert (told(moved), moved["selected_date"]) == (DETAILS, f"{later.starts_at:%Y-%m-%d}")

    changed = mine.patch(f"{CARTS}{cart['id']}/", {"gotra": "", "people": None}).json()
    assert told(changed) == DETAILS | {"gotra": "", "people": None}


def test_a_booking_has_what_was_said_at_check_out(mine, alice, package, slot, phonepe):
    cart = mine.post(CARTS, choice(package, slot, **DETAILS)).json()
    payment = start_payment(alice, cart_id=cart["id"]).payment
    phonepe.decide(payment.attempts.get().merchant_order_id)
    refresh(payment, 1, "test")

    booking = Booking.objects.get()
    assert {name: getattr(booking.checkout, name) for name in DETAILS} == DETAILS
    assert told(mine.get(f"/api/booking/bookings/{booking.pk}/").json()["cart"]) == DETAILS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("devotee_names", "x" * 501),
        ("devotee_names", "see www.example.com"),
        ("gotra", "Kashyap\nBcc: all@example.com"),
        ("gotra", "x" * 61),
        ("nakshatra", "x" * 61),
        ("people", 0),
        ("people", 501),
        ("people", "many"),
        ("wishes", "y" * 501),
        ("wishes", "\u202ereversed"),
    ],
)
def test_what_the_priest_could_not_read_is_refused_at_its_field(mine, package, slot, field, value):
    answer = mine.post(CARTS, choice(package, slot, **{field: value}))

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]
    assert not Cart.objects.exists()


def test_the_database_keeps_no_puja_for_nobody(mine, package, slot):
    cart = mine.post(CARTS, choice(package, slot)).json()
    with pytest.raises(IntegrityError), transaction.atomic():
        Cart.objects.filter(pk=cart["id"]).update(people=0)


def test_a_puja_has_both_languages_on_the_wire(client, service, package):
    type(service).objects.filter(pk=service.pk).update(title_hi="सत्यनारायण पूजा")
    type(package).objects.filter(pk=package.pk).update(location_hi="पटना")

    shown = client.get(f"/api/puja/services/{service.pk}/").json()
    sold = client.get(f"/api/puja/packages/{package.pk}/").json()

    assert (shown["title"], shown["title_hi"], shown["description_hi"]) == (
        service.title,
        "सत्यनारायण पूजा",
        "",
    )
    assert (sold["location"], sold["location_hi"]) == ("Patna", "पटना")
    found = client.get("/api/puja/services/?search=सत्यनारायण").json()
    assert [each["id"] for each in found["results"]] == [service.pk]


def test_mail_and_receipt_name_the_puja_in_the_language_of_their_reader(
    mine, alice, service, package, slot, phonepe
):

    type(service).objects.filter(pk=service.pk).update(title_hi="सत्यनारायण पूजा")
    cart = mine.post(CARTS, choice(package, slot)).json()
    payment = start_payment(alice, cart_id=cart["id"]).payment
    phonepe.decide(payment.attempts.get().merchant_order_id)
    refresh(payment, 1, "test")
    told = Notification.objects.get(kind="booked")

    assert service.title in write(told).subject
    told.language = "hi"
    assert "सत्यनारायण पूजा" in write(told).subject
    assert service.title not in write(told).text
    receipt = receipt_of(payment)
    assert [receipt_document(receipt, language).item for language in ("en", "hi")] == [
        service.title,
        "सत्यनारायण पूजा",
    ]
