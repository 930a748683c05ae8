import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from booking.models import Booking, Cart, Checkout, PromoCode, PujaService, Slot, make_book_id
from tests.harness import builders


def refused():
    return pytest.raises(IntegrityError)


@pytest.mark.parametrize(
    "numbers", [{"held": 3}, {"booked": 3}, {"held": 1, "booked": 2}, {"capacity": 0, "held": 1}]
)
def test_the_database_refuses_more_people_than_places(slot, numbers):
    with refused(), transaction.atomic():
        Slot.objects.filter(pk=slot.pk).update(**numbers)


def test_the_database_refuses_a_second_slot_at_the_same_time(slot):
    with refused(), transaction.atomic():
        Slot.objects.create(service=slot.service, starts_at=slot.starts_at)


def test_the_database_refuses_a_second_active_cart(alice, package):
    cart = builders.make_cart(alice, package)
    cart.pk, cart.cart_id = None, "7d6f2c0e-1111-4222-8333-444455556666"
    with refused(), transaction.atomic():
        cart.save(force_insert=True)


def test_the_database_refuses_a_second_open_checkout_of_a_cart(alice, package):
    checkout = builders.make_checkout(builders.make_cart(alice, package))
    checkout.pk = None
    with refused(), transaction.atomic():
        checkout.save(force_insert=True)


@pytest.mark.parametrize("wrong", [{"total_paise": 1}, {"discount_paise": 1}, {"price_paise": 0}])
def test_the_database_refuses_a_checkout_that_does_not_add_up(alice, package, wrong):
    checkout = builders.make_checkout(builders.make_cart(alice, package))
    with refused(), transaction.atomic():
        Checkout.objects.filter(pk=checkout.pk).update(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"promo_percent": None},
        {"promo_percent": 101},
        {"promo_amount_paise": 5},
        {"promo_code_text": ""},
        {"promo_min_order_paise": None},
        {"promo_code": None},
        {"promo_code": None, "promo_code_text": "", "promo_percent": None},  # nothing explains the discount
        {"puja_title": ""},
        {"address_line1": ""},
        {"package_description": None},
    ],
)
def test_the_database_refuses_a_checkout_of_which_half_is_kept(alice, package, wrong):
    builders.make_promo()
    checkout = builders.make_checkout(builders.make_cart(alice, package, promo_code="WELCOME10"))
    with refused(), transaction.atomic():
        Checkout.objects.filter(pk=checkout.pk).update(**wrong)


@pytest.mark.parametrize(
    "column", ["discount_paise", "promo_min_order_paise", "promo_max_discount_paise", "puja_duration_minutes"]
)
def test_the_database_refuses_negative_numbers_in_a_checkout(alice, package, column):
    builders.make_promo()
    checkout = builders.make_checkout(builders.make_cart(alice, package, promo_code="WELCOME10"))
    with refused(), transaction.atomic():
        Checkout.objects.filter(pk=checkout.pk).update(**{column: -1})


@pytest.mark.parametrize(
    "wrong", [{"percent": None}, {"percent": 101}, {"amount_paise": 5}, {"discount_type": "FIXED"}]
)
def test_the_database_refuses_a_promo_code_of_two_minds(db, wrong):
    promo = builders.make_promo()
    with refused(), transaction.atomic():
        PromoCode.objects.filter(pk=promo.pk).update(**wrong)


def test_the_database_refuses_a_package_below_one_rupee(package):
    with refused(), transaction.atomic():
        type(package).objects.filter(pk=package.pk).update(price_paise=99)


def test_a_booking_number_can_be_read_aloud_and_not_guessed():
    numbers = {make_book_id() for _ in range(1000)}
    assert len(numbers) == 1000
    assert all(number.startswith("BK-") and len(number) == 11 for number in numbers)
    assert not any(letter in number[3:] for number in numbers for letter in "01ILOU")


def test_a_cart_starts_on_the_clock_of_india(alice, package):
    cart = Cart(selected_date=builders.in_days(3).date(), selected_time=builders.in_days(3, 16).time())
    assert cart.starts_at.isoformat().endswith("T16:00:00+05:30")


def test_a_script_in_a_description_never_reaches_a_browser(service):
    evil = "<p onclick='x()'>Om</p><script>steal()</script><img src=x onerror=steal()>"
    PujaService.objects.filter(pk=service.pk).update(description=evil)
    service.refresh_from_db()
    assert service.description == '<p>Om</p><img src="x">'
    service.description = evil
    service.save()
    service.refresh_from_db()
    assert "steal" not in service.description


@pytest.mark.parametrize(
    "url", ["", "http://ik.imagekit.io/a.jpg", "https://evil.example/a.jpg", "javascript:alert(1)"]
)
def test_an_image_the_frontend_cannot_show_is_refused(service, url):
    service.image_url = url
    with pytest.raises(ValidationError) as refusal:
        service.full_clean()
    assert "image_url" in refusal.value.message_dict


def test_a_booking_says_its_time_on_the_clock_of_india():
    booking = Booking(starts_at=builders.in_days(3, 16))
    assert booking.selected_date == builders.in_days(3).date()
    assert f"{booking.selected_time:%H:%M}" == "16:00"
