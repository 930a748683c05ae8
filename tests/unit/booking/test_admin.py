import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.api_keys import create_key
from accounts.models import ApiKey, PanCard
from accounts.pan_cards import encrypt
from accounts.sessions import open_session
from booking.models import Booking, Package, PromoCode, PujaService, Slot
from booking.services import book
from tests.harness import builders

MODELS = [model for model in admin.site._registry if model._meta.app_label in {"accounts", "booking"}]


@pytest.fixture
def desk(staff, client):
    client.force_login(staff)
    return client


@pytest.fixture
def booking(alice, package, slot):
    builders.make_promo()
    open_session(alice)
    PanCard.objects.create(user=alice, number=encrypt(alice.pk, "ABCPE1234F"))
    create_key("the site of the temple", ApiKey.Scope.values)
    return book(
        builders.make_checkout(builders.make_cart(alice, package, slot.starts_at, promo_code="WELCOME10"))
    )


def url(model, page="changelist", *args):
    suffix = "/".join(str(arg) for arg in args)
    end = {"changelist": "", "add": "add/", "change": f"{suffix}/change/"}[page]
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/{end}"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_page_of_the_desk_opens(desk, booking, model):
    assert desk.get(url(model)).status_code == 200
    assert desk.get(url(model) + "?q=a").status_code == 200
    assert desk.get(url(model, "change", model.objects.first().pk)).status_code == 200


@pytest.mark.parametrize("name", ["Cart", "Checkout", "SlotHold", "Booking"])
def test_what_money_hangs_on_cannot_be_edited(desk, booking, name):
    (model,) = [model for model in MODELS if model.__name__ == name]
    assert desk.get(url(model, "add")).status_code == 403
    row = model.objects.get()
    assert (
        desk.post(url(model, "change", row.pk), {"state": "RELEASED", "status": "CANCELLED"}).status_code
        == 403
    )
    assert desk.post(f"{url(model)}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert model.objects.get() == row


def test_a_customer_cannot_open_the_desk(alice, client):
    client.force_login(alice)
    assert client.get("/admin/booking/booking/").status_code == 302


def test_a_capacity_below_the_taken_places_is_refused(desk, booking, slot):
    builders.make_checkout(
        builders.make_cart(builders.make_user(), booking.checkout.cart.package, slot.starts_at)
    )
    answer = desk.post(url(Slot, "change", slot.pk), {"capacity": 1, "is_open": "on"})
    assert "2 places are taken: it cannot be less." in answer.content.decode()
    slot.refresh_from_db()
    assert slot.capacity == 2


def test_a_slot_may_be_widened_and_closed_and_keeps_its_places(desk, booking, slot):
    assert desk.post(url(Slot, "change", slot.pk), {"capacity": 7}).status_code == 302
    slot.refresh_from_db()
    assert (slot.capacity, slot.is_open, slot.booked) == (7, False, 1)


@pytest.mark.only_postgresql  # SQLite locks the whole database instead of rows
def test_a_slot_is_locked_while_staff_change_it(desk, slot):
    with CaptureQueriesContext(connection) as queries:
        desk.post(url(Slot, "change", slot.pk), {"capacity": 7})
    assert any("FOR UPDATE" in query["sql"] and "booking_slot" in query["sql"] for query in queries)


@pytest.mark.only_postgresql  # SQLite locks the whole database instead of rows
def test_a_promo_code_is_locked_while_staff_change_it(desk):
    promo = builders.make_promo()
    with CaptureQueriesContext(connection) as queries:
        desk.post(url(PromoCode, "change", promo.pk), {"code": "WELCOME10"})
    assert any("FOR UPDATE" in query["sql"] and "booking_promocode" in query["sql"] for query in queries)


def test_staff_write_prices_in_rupees(desk, service):
    fields = {"puja_service": service.pk, "location": "Gaya", "language": "HINDI", "package_type": "BASIC"}
    form = fields | {
        "price_paise": "1100.50",
        "description": "<p>Om</p>",
        "priest_count": 1,
        "is_active": "on",
    }
    assert desk.post(url(Package, "add"), form).status_code == 302
    assert Package.objects.get().price_paise == 110_050
    page = desk.get(url(Package, "change", Package.objects.get().pk)).content.decode()
    assert 'value="1100.50"' in page


@pytest.mark.parametrize("price", ["0.50", "-5", "1.005", "NaN", "1e9"])
def test_a_price_nobody_can_pay_is_refused(desk, service, price):
    fields = {"puja_service": service.pk, "location": "Gaya", "language": "HINDI", "package_type": "BASIC"}
    form = fields | {"price_paise": price, "description": "<p>Om</p>", "priest_count": 1}
    assert desk.post(url(Package, "add"), form).status_code == 200
    assert not Package.objects.exists()


def test_a_promo_code_of_two_minds_is_told_to_staff(desk):
    form = {
        "code": "NEW5",
        "code_type": "PUBLIC",
        "discount_type": "PERCENT",
        "min_order_paise": "0",
        "starts_at_0": "2026-01-01",
        "starts_at_1": "00:00:00",
    }
    answer = desk.post(url(PromoCode, "add"), form)
    assert "as the discount type says" in answer.content.decode()
    assert desk.post(url(PromoCode, "add"), form | {"percent": 5}).status_code == 302
    assert PromoCode.objects.get().percent == 5


def test_an_image_on_a_strange_host_is_told_to_staff(desk, service):
    form = {
        "title": "Om",
        "image_url": "https://evil.example/a.jpg",
        "description": "x",
        "category": service.category_id,
    }
    answer = desk.post(url(PujaService, "add"), form | {"type": "HOME", "duration_minutes": 30})
    assert "Images must lie on one of" in answer.content.decode()


def test_staff_complete_bookings_that_have_begun(desk, booking):
    form = {"action": "mark_completed", "_selected_action": [booking.pk]}
    desk.post(url(Booking), form)
    assert Booking.objects.get().status == "CONFIRMED"
    Booking.objects.update(starts_at=builders.in_days(-1))
    desk.post(url(Booking), form)
    assert Booking.objects.get().status == "COMPLETED"
