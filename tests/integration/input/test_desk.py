"""What staff enter at the desk: it can be bought from end to end, or it is refused with a sentence. Never a 500.

The forms are read from the admin itself, so that a column of tomorrow is tried, too.
"""

import re
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.db import models
from django.test import Client, RequestFactory
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Address, User
from booking.models import Booking, Cart, Package, PromoCode, PujaCategory, PujaService, Slot
from payment.models import Payment
from payment.services.checkout import start_payment
from payment.services.outcomes import apply_status
from tests.harness import PROOFS, builders
from tests.integration.input.fuzz import assert_answered, few
from tests.unit.payment.builders import completed

pytestmark = [pytest.mark.proof(every=9), pytest.mark.django_db(transaction=True)]

CATALOGUE = (PujaCategory, PujaService, Package, Slot, PromoCode)
SENTENCE = re.compile(r'class="[^"]*(?:errorlist|text-red)[^"]*"')
ODD = [
    "",
    " ",
    "\u200b",
    "\u200d",
    "x" * 5000,
    "\x00",
    "a\r\nBcc: x@example.com",
    "🙏",
    "ॐ",
    "<script>x</script>",
    "0",
    "-1",
]
ODD += [
    "1e9",
    "NaN",
    "Infinity",
    "0.001",
    "99",
    "100",
    "101",
    "32767",
    "32768",
    "2147483648",
    str(2**63),
    "9" * 40,
]
ODD += [
    "https://[",
    "https://ik.imagekit.io",
    "http://ik.imagekit.io/a.jpg",
    "https://\u2100.example/a",
    "abc",
    "ABC\n",
]
DAYS = ["", "0001-01-01", "1999-12-31", "9999-12-31", "10000-01-01", "2026-02-30", "today", "२०२६-०१-०१"]
HOURS = ["", "00:00", "00:00:00", "10:30:20", "10:30:00.5", "23:59", "24:00", "10", "10:30 AM", "midnight"]
numbers = iter(range(10**6))


def near_days() -> list[str]:
    today = timezone.localdate()
    return [(today + timedelta(days=ahead)).isoformat() for ahead in (-400, -1, 0, 1, 3, 364, 365, 366, 800)]


def odd_value(field: forms.Field) -> st.SearchStrategy[Any]:
    """Sensible and senseless values of one form field, as a browser would post them."""
    if isinstance(field, forms.SplitDateTimeField):
        return st.tuples(st.sampled_from(DAYS + near_days()), st.sampled_from(HOURS))
    if isinstance(field, forms.BooleanField):
        return st.sampled_from(["on", "", "maybe"])
    if isinstance(field, forms.ModelMultipleChoiceField):
        return st.sampled_from([[], ["0"], ["x"], [str(2**70)], ["1", "x"]]) | st.just("people")
    if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
        return st.sampled_from([str(choice) for choice, _ in field.choices] + ["", "NEVER"])
    if isinstance(field, forms.ModelChoiceField):
        return st.sampled_from(
            ["", "0", "x", str(2**70), str(field.queryset.values_list("pk", flat=True).first() or "")]
        )
    if isinstance(field, (forms.IntegerField, forms.DecimalField)):
        return st.sampled_from(ODD + ["1", "4", "5", "0.99", "1.00", "1100.50", "9999999.99"])
    return st.sampled_from(ODD) | st.text(max_size=30)


class Desk:
    """One member of staff and the forms of the admin."""

    def __init__(self, staff: User) -> None:
        self.client = Client(raise_request_exception=False)
        self.client.force_login(staff)
        self.request = RequestFactory().get("/admin/")
        self.request.user = staff

    def fields(self, model: type[models.Model], row: Any = None) -> dict[str, forms.Field]:
        form = admin.site._registry[model].get_form(self.request, row, change=row is not None)
        return dict(form.base_fields)

    def post(self, model: type[models.Model], entered: dict[str, Any], row: Any = None) -> Any:
        meta = model._meta
        page = f"{row.pk}/change/" if row else "add/"
        return self.client.post(f"/admin/{meta.app_label}/{meta.model_name}/{page}", flat(entered))


def flat(entered: dict[str, Any]) -> dict[str, Any]:
    """Date and time are two inputs; an unchecked box is none at all."""
    body = {}
    for name, value in entered.items():
        if isinstance(value, tuple):
            body |= {f"{name}_0": value[0], f"{name}_1": value[1]}
        elif value == "people":
            body[name] = list(User.objects.filter(is_staff=False).values_list("pk", flat=True))
        else:
            body[name] = value
    return {name: value for name, value in body.items() if value != ""}


def sensible(model: type[models.Model]) -> dict[str, Any]:
    number = next(numbers)
    service = builders.make_service()
    builders.make_package(service)
    tomorrow = (timezone.localdate() + timedelta(days=1)).isoformat()
    html = "<p>Om</p>"
    return {
        PujaCategory: {"name": f"Category {number}"},
        PujaService: {
            "title": f"Puja {number}",
            "image_url": "https://ik.imagekit.io/okpuja/a.jpg",
            "description": html,
            "category": str(service.category_id),
            "type": "HOME",
            "duration_minutes": "90",
            "is_active": "on",
        },
        Package: {
            "puja_service": str(service.pk),
            "location": "Patna",
            "language": "HINDI",
            "package_type": "BASIC",
            "price_paise": "1100.00",
            "description": html,
            "priest_count": "1",
            "is_active": "on",
        },
        Slot: {
            "service": str(service.pk),
            "starts_at": (tomorrow, "10:30"),
            "capacity": "2",
            "is_open": "on",
        },
        PromoCode: {
            "code": f"CODE{number}",
            "code_type": "PUBLIC",
            "discount_type": "PERCENT",
            "percent": "10",
            "min_order_paise": "0",
            "starts_at": ("2026-01-01", "00:00"),
            "is_active": "on",
        },
    }[model]


def buy(api: Any, package: Package, start: datetime | None = None, promo: PromoCode | None = None) -> Booking:
    """As a customer: what is offered goes into the cart, is paid, and is booked."""
    user = builders.make_user()
    if promo and promo.code_type == PromoCode.CodeType.USER_SPECIFIC:
        user = next(person for person in promo.assigned_users.all() if person.is_active)
        user.carts.filter(status="ACTIVE").update(status=Cart.Status.ABANDONED)
    customer = api(user)
    offered = customer.get(f"/api/puja/packages/?puja_service={package.puja_service_id}").json()
    assert package.pk in [row["id"] for row in offered]
    start = timezone.localtime(start or builders.in_days(3))
    choice = {"puja_service": package.puja_service_id, "package_id": package.pk}
    choice |= {"selected_date": f"{start:%Y-%m-%d}", "selected_time": f"{start:%H:%M}"}
    cart = customer.post("/api/cart/carts/", choice | ({"promo_code": promo.code} if promo else {}))
    assert cart.status_code == 201, cart.content
    paying = customer.post("/api/payments/payments/process-cart/", {"cart_id": cart.json()["id"]})
    assert paying.status_code == 201, paying.content
    return book_paid(Payment.objects.get(pk=paying.json()["payment_id"]))


def book_paid(payment: Payment) -> Booking:
    apply_status(payment.attempts.latest("number").pk, completed(payment.amount_paise), "worker")
    return Booking.objects.get(checkout=payment.checkout)


def buy_row(api: Any, row: Any) -> None:
    """Whatever the row is for, somebody gets it. What is not active or not open is not for sale."""
    if isinstance(row, PujaCategory):
        row = builders.make_service(category=row.name)
    if isinstance(row, PujaService) and row.is_active:
        row = builders.make_package(row)
    if isinstance(row, Package) and row.is_active and row.puja_service.is_active:
        booking = buy(api, row)
        assert booking.checkout.total_paise == row.price_paise
    if isinstance(row, Slot) and row.is_open:
        buy_slot(api, row)
    if isinstance(row, PromoCode) and row.is_active:
        buy_with(api, row)


def buy_slot(api: Any, slot: Slot) -> None:
    day = timezone.localtime(slot.starts_at).date().isoformat()
    offered = api().get(f"/api/puja/services/{slot.service_id}/slots/?from={day}&to={day}").json()
    mine = next(row for row in offered if row["id"] == slot.pk)
    start = timezone.make_aware(datetime.fromisoformat(f"{mine['date']}T{mine['time']}"))
    booking = buy(api, slot.service.packages.get(), start)
    assert booking.starts_at == slot.starts_at
    slot.refresh_from_db()
    assert slot.booked == 1


def buy_with(api: Any, promo: PromoCode) -> None:
    """At a moment within its time, for the dearest package on sale."""
    PromoCode.objects.filter(pk=promo.pk).update(starts_at=min(promo.starts_at, timezone.now()))
    dearest = (
        Package.objects.filter(is_active=True, puja_service__slots=None).order_by("-price_paise").first()
    )
    booking = buy(api, dearest, promo=promo)
    assert 0 < booking.checkout.discount_paise < booking.checkout.price_paise
    promo.refresh_from_db()
    assert promo.used_count == 1


def assert_refused_with_a_sentence(page: Any) -> None:
    assert page.status_code == 200, (page.status_code, page.content[:500])
    assert SENTENCE.search(page.content.decode())


@pytest.fixture
def desk(staff, charlie):
    return Desk(staff)


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.__name__)
@settings(few, max_examples=25 if PROOFS else 8)
@given(data=st.data())
def test_what_the_desk_accepts_can_be_bought(desk, api, model, data):
    fields = desk.fields(model)
    entered = sensible(model)
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)):
        entered[name] = data.draw(odd_value(fields[name]), label=name)
    known = set(model.objects.values_list("pk", flat=True))

    page = desk.post(model, entered)

    if page.status_code == 302:
        buy_row(api, model.objects.exclude(pk__in=known).get())
        return
    assert_refused_with_a_sentence(page)
    assert set(model.objects.values_list("pk", flat=True)) == known


def test_what_is_sensible_is_accepted(desk, api):
    for model in CATALOGUE:
        assert desk.post(model, sensible(model)).status_code == 302, model
        buy_row(api, model.objects.latest("pk"))


@pytest.mark.parametrize("model", [PujaService, Package, Slot, PromoCode], ids=lambda model: model.__name__)
@settings(few, max_examples=12 if PROOFS else 4)
@given(data=st.data())
def test_a_change_keeps_what_is_being_paid_and_is_told_to_open_carts(desk, api, model, data):
    """One customer has a cart, another one pays already: staff change the row under both."""
    service = builders.make_service()
    package = builders.make_package(service)
    slot = builders.make_slot(service)
    promo = builders.make_promo(f"CODE{next(numbers)}")
    waiting, paying = builders.make_user(), builders.make_user()
    carts = [builders.make_cart(user, package, slot.starts_at, promo.code) for user in (waiting, paying)]
    payment = start_payment(paying, cart_id=carts[1].pk).payment
    row = {PujaService: service, Package: package, Slot: slot, PromoCode: promo}[model]
    fields = desk.fields(model, row)
    entered = {name: value for name, value in sensible(model).items() if name in fields}
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True)):
        entered[name] = data.draw(odd_value(fields[name]), label=name)

    page = desk.post(model, entered, row)

    if page.status_code != 302:
        assert_refused_with_a_sentence(page)
    assert_answered(api(waiting).get("/api/cart/carts/active/"))
    assert_answered(api(waiting).post("/api/payments/payments/process-cart/", {"cart_id": carts[0].pk}))
    booking = book_paid(payment)
    assert booking.checkout.total_paise == payment.amount_paise == 99_000
    assert booking.starts_at == slot.starts_at
    for name in ("cart/carts/", "booking/bookings/", f"puja/services/{service.pk}/slots/", "puja/services/"):
        assert_answered(api(waiting).get(f"/api/{name}"))


ADMINS = [
    admin_
    for model, admin_ in admin.site._registry.items()
    if model._meta.app_label in ("accounts", "booking")
]


@pytest.mark.parametrize("desk_of", ADMINS, ids=lambda each: each.model.__name__)
def test_no_list_is_edited_past_the_form(desk_of):
    assert not desk_of.list_editable


@pytest.mark.parametrize("model", [*CATALOGUE, User], ids=lambda model: model.__name__)
def test_deleting_together_leaves_what_is_sold(desk, api, alice, package, slot, model):
    promo = builders.make_promo()
    booking = book_paid(
        start_payment(
            alice, cart_id=builders.make_cart(alice, package, slot.starts_at, promo.code).pk
        ).payment
    )
    rows = [*model.objects.exclude(is_staff=True)] if model is User else [*model.objects.all()]
    path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    form = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"}

    page = desk.client.post(path, form)

    assert page.status_code in (200, 302, 403)
    assert Booking.objects.get() == booking
    assert model.objects.filter(pk__in=[row.pk for row in rows]).exists()


def test_the_last_slot_of_a_puja_is_closed_not_deleted(desk, api, slot):
    path = f"/admin/booking/slot/{slot.pk}/delete/"
    assert "close it instead" in desk.client.post(path, {"post": "yes"}).content.decode()
    assert Slot.objects.filter(pk=slot.pk).exists()
    later = builders.make_slot(slot.service, days=5)
    assert desk.client.post(path, {"post": "yes"}).status_code == 302
    assert [*Slot.objects.all()] == [later]


# --- Addresses ---------------------------------------------------------------------------------


def person_with(user: User, *addresses: dict[str, Any], initial: int = 0) -> dict[str, Any]:
    form = {"email": user.email, "role": user.role, "account_status": user.account_status, "language": "en"}
    form |= {"addresses-TOTAL_FORMS": len(addresses), "addresses-INITIAL_FORMS": initial}
    for number, address in enumerate(addresses):
        form |= {f"addresses-{number}-{name}": value for name, value in address.items()}
    return {name: value for name, value in form.items() if value != ""}


def lines(**changes: Any) -> dict[str, Any]:
    home = {"address_line1": "3 Ghat Road", "city": "Gaya", "state": "Bihar", "postal_code": "823001"}
    return home | {"country": "India"} | changes


@settings(few, max_examples=12 if PROOFS else 4)
@given(data=st.data())
def test_an_address_that_the_desk_accepts_can_be_sent_to(desk, api, data):
    user = builders.make_user()
    package = builders.make_package(builders.make_service())
    entered = lines()
    for name in data.draw(st.lists(st.sampled_from([*entered, "is_default"]), max_size=3, unique=True)):
        entered[name] = data.draw(st.sampled_from([*ODD, "823 001", "८२३००१", "India", "Nepal", "on"]))

    page = desk.client.post(f"/admin/accounts/user/{user.pk}/change/", person_with(user, entered))

    if page.status_code != 302:
        assert_refused_with_a_sentence(page)
        return
    cart = builders.make_cart(user, package)
    address = user.addresses.get()
    wanted = {"cart_id": cart.pk, "address_id": address.pk}
    paying = api(user).post("/api/payments/payments/process-cart/", wanted)
    assert paying.status_code == 201, paying.content
    booking = book_paid(Payment.objects.get(pk=paying.json()["payment_id"]))
    assert booking.checkout.address_postal_code == address.postal_code


def test_staff_move_the_default_address_in_one_go(desk, alice):
    (old,) = alice.addresses.all()
    new = builders.make_address(alice, is_default=False)
    url = f"/admin/accounts/user/{alice.pk}/change/"
    form = person_with(alice, lines(id=old.pk), lines(id=new.pk, is_default="on"), initial=2)
    assert desk.client.post(url, form).status_code == 302
    assert [*Address.objects.filter(is_default=True)] == [new]

    both = person_with(alice, lines(is_default="on"), lines(is_default="on"))
    assert "Only one address can be the default." in desk.client.post(url, both).content.decode()


def test_a_cart_starts_on_a_whole_minute(api, alice, slotless_service):
    package = slotless_service.packages.get()
    choice = {"puja_service": slotless_service.pk, "package_id": package.pk}
    choice |= {"selected_date": f"{builders.in_days(3):%Y-%m-%d}", "selected_time": "10:30:20"}
    assert "whole minute" in api(alice).post("/api/cart/carts/", choice).json()["error"]
    assert api(alice).post("/api/cart/carts/", choice | {"selected_time": "10:30:00"}).status_code == 201


def test_no_slot_is_offered_beyond_the_year_that_can_be_booked(api, service):
    edge = timezone.localdate() + timedelta(days=365)
    starts = [timezone.make_aware(datetime.combine(edge + timedelta(days=more), time())) for more in (0, 1)]
    inside, _ = (Slot.objects.create(service=service, starts_at=start) for start in starts)
    path = f"/api/puja/services/{service.pk}/slots/?from={edge}&to={edge + timedelta(days=1)}"
    assert [row["id"] for row in api().get(path).json()] == [inside.pk]
