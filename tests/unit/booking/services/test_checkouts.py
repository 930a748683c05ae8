import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from accounts.serializers import AddressSerializer
from booking.models import Cart, Checkout, Package, PromoCode, PujaCategory, PujaService, Slot, SlotHold
from booking.serializers import CartSerializer, agreed_cart
from booking.services import book, extend_hold, release, release_hold
from core.errors import Conflict
from tests.harness import builders
from tests.harness.races import at_once


@pytest.fixture
def cart(alice, package, slot):
    builders.make_promo(usage_limit=5)
    return builders.make_cart(alice, package, slot.starts_at, promo_code="WELCOME10")


def places(slot):
    slot.refresh_from_db()
    return slot.held, slot.booked


def uses():
    return PromoCode.objects.values_list("reserved_count", "used_count").get()


def test_a_checkout_freezes_the_cart_at_its_price(alice, cart, slot):
    checkout = builders.make_checkout(cart)
    cart.refresh_from_db()
    assert (cart.status, checkout.state) == ("CHECKED_OUT", "RESERVED")
    assert (checkout.price_paise, checkout.discount_paise, checkout.total_paise) == (110_000, 11_000, 99_000)
    assert checkout.starts_at == slot.starts_at
    assert checkout.address_line1 == "12 Temple Road"
    assert places(slot) == (1, 0)
    assert uses() == (1, 0)


def test_a_checkout_keeps_every_column_of_what_was_offered(alice, package, slot):
    """In the words of the API: a column of the catalogue that is shown and not kept would read differently."""
    yesterday = timezone.now() - timedelta(days=1)
    PujaCategory.objects.update(created_at=yesterday)
    PujaService.objects.update(type="TEMPLE", created_at=yesterday)
    Package.objects.update(
        language="SANSKRIT", package_type="CUSTOM", includes_materials=True, priest_count=3
    )
    Package.objects.update(created_at=yesterday)
    promo = builders.make_promo(
        amount_paise=5_000, description="₹50 off", min_order_paise=100_000, max_discount_paise=4_000
    )
    address = builders.make_address(alice, is_default=False, address_line2="Second floor")
    cart = builders.make_cart(alice, Package.objects.get(), slot.starts_at, promo_code=promo.code)
    offered = CartSerializer(cart).data
    address_then = AddressSerializer(address).data

    checkout = builders.make_checkout(cart, address_id=address.pk)
    PujaCategory.objects.update(name="Other", updated_at=yesterday)
    PujaService.objects.update(
        title="Other", image_url="https://okpuja.com/x", description="x", type="HOME", duration_minutes=7
    )
    PujaService.objects.update(is_active=False, updated_at=yesterday)
    Package.objects.update(
        location="Gaya", language="HINDI", package_type="BASIC", description="x", includes_materials=False
    )
    Package.objects.update(price_paise=5_100_000, priest_count=1, is_active=False, updated_at=yesterday)
    PromoCode.objects.update(
        code="OTHER", description="x", amount_paise=1, min_order_paise=0, max_discount_paise=None
    )
    address.delete()

    checkout = Checkout.objects.get(pk=checkout.pk)
    agreed = agreed_cart(checkout)
    assert agreed == {name: offered[name] for name in agreed}
    assert json.dumps(agreed) == json.dumps({name: offered[name] for name in agreed}), "keys in another order"
    assert AddressSerializer(checkout.agreed_address).data == address_then
    assert agreed["package"]["price"] == "1100.00"
    assert (agreed["promo_code"]["discount"], checkout.total_paise) == ("50.00", 106_000)


def test_a_hold_outlasts_its_payment_by_five_minutes(cart):
    checkout = builders.make_checkout(cart)
    assert checkout.hold.expires_at == checkout.expires_at + timedelta(minutes=5)


def test_a_puja_without_slots_needs_no_hold(alice, slotless_service):
    checkout = builders.make_checkout(builders.make_cart(alice, slotless_service.packages.get()))
    assert not SlotHold.objects.filter(checkout=checkout).exists()


def test_the_chosen_address_is_kept_with_the_checkout(alice, cart):
    chosen = builders.make_address(alice, is_default=False, city="Gaya")
    assert builders.make_checkout(cart, address_id=chosen.pk).address_city == "Gaya"


def test_a_person_without_an_address_may_pay(charlie, package):
    assert builders.make_checkout(builders.make_cart(charlie, package)).agreed_address is None


def test_an_address_of_somebody_else_is_refused(charlie, cart, slot):
    strange = builders.make_address(charlie)
    with pytest.raises(ValidationError):
        builders.make_checkout(cart, address_id=strange.pk)
    assert places(slot) == (0, 0)


def test_a_cart_is_checked_out_once(cart):
    builders.make_checkout(cart)
    with pytest.raises(Conflict) as refused:
        builders.make_checkout(cart)
    assert refused.value.code == "cart_not_active"


def test_a_third_open_checkout_is_refused(alice, package):
    for _ in range(2):
        builders.make_checkout(builders.make_cart(alice, package))
    with pytest.raises(Conflict) as refused:
        builders.make_checkout(builders.make_cart(alice, package))
    assert refused.value.code == "too_many_open"
    assert "दो भुगतान" in refused.value.user_message("hi")


@pytest.mark.parametrize(
    ("model", "change", "field"),
    [
        (Package, {"is_active": False}, "package_id"),
        (Slot, {"is_open": False}, "selected_time"),
        (PromoCode, {"expires_at": timezone.now()}, "promo_code"),
        (PromoCode, {"used_count": 5}, "promo_code"),
        (Cart, {"selected_date": timezone.localdate() - timedelta(days=1)}, "selected_date"),
    ],
)
def test_what_has_become_wrong_since_is_refused_and_nothing_is_taken(cart, slot, model, change, field):
    model.objects.update(**change)
    with pytest.raises(ValidationError) as refused:
        builders.make_checkout(cart)
    assert field in refused.value.detail
    cart.refresh_from_db()
    assert cart.status == "ACTIVE"
    assert places(slot) == (0, 0)
    assert not Checkout.objects.exists()


def test_a_place_lost_since_is_a_conflict(cart, slot):
    Slot.objects.update(booked=2)
    with pytest.raises(Conflict) as refused:
        builders.make_checkout(cart)
    assert refused.value.code == "slot_full"


# --- Giving everything back --------------------------------------------------------------------


def test_an_unpaid_checkout_gives_everything_back_once(cart, slot):
    checkout = builders.make_checkout(cart)
    for _ in range(2):
        release(checkout)
    cart.refresh_from_db()
    checkout.refresh_from_db()
    assert (cart.status, checkout.state, checkout.promo_state) == ("ACTIVE", "RELEASED", "RELEASED")
    assert places(slot) == (0, 0)
    assert uses() == (0, 0)


def test_a_released_cart_can_be_checked_out_again(cart, slot):
    release(builders.make_checkout(cart))
    assert builders.make_checkout(cart).state == "RESERVED"
    assert places(slot) == (1, 0)


def test_a_released_cart_does_not_push_out_a_newer_one(alice, cart, package, slot):
    checkout = builders.make_checkout(cart)
    newer = builders.make_cart(alice, package, slot.starts_at)
    release(checkout)
    cart.refresh_from_db()
    assert cart.status == "ABANDONED"
    assert Cart.objects.get(user=alice, status="ACTIVE") == newer


def test_what_is_booked_is_not_released(cart, slot):
    checkout = builders.make_checkout(cart)
    book(checkout)
    release(checkout)
    checkout.refresh_from_db()
    assert checkout.state == "BOOKED"
    assert places(slot) == (0, 1)


def test_a_hold_may_end_before_its_payment(cart, slot):
    checkout = builders.make_checkout(cart)
    assert [release_hold(checkout), release_hold(checkout)] == [True, False]
    checkout.refresh_from_db()
    assert (checkout.state, places(slot)) == ("RESERVED", (0, 0))
    release(checkout)
    assert places(slot) == (0, 0)


def test_a_hold_is_stretched_but_never_shortened_nor_revived(cart):
    checkout = builders.make_checkout(cart)
    later = checkout.hold.expires_at + timedelta(minutes=30)
    assert extend_hold(checkout, later)
    assert not extend_hold(checkout, later - timedelta(minutes=1))
    release_hold(checkout)
    assert not extend_hold(checkout, later + timedelta(minutes=1))


def test_a_checkout_without_a_slot_has_no_hold_to_move(alice, slotless_service):
    checkout = builders.make_checkout(builders.make_cart(alice, slotless_service.packages.get()))
    assert not release_hold(checkout)
    assert not extend_hold(checkout, timezone.now())


# --- At the same moment ------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_eight_carts_one_gets_the_last_place(package):
    slot = builders.make_slot(package.puja_service, capacity=1)
    carts = [builders.make_cart(builders.make_user(), package, slot.starts_at) for _ in range(8)]
    results = at_once(*[lambda cart=cart: builders.make_checkout(cart) for cart in carts])
    assert sum(isinstance(result, Checkout) for result in results) == 1, results
    assert {result.code for result in results if not isinstance(result, Checkout)} == {"slot_full"}
    assert places(slot) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_of_two_people_one_gets_the_last_use_of_a_promo_code(package):
    builders.make_promo(usage_limit=1)
    carts = [builders.make_cart(builders.make_user(), package, promo_code="WELCOME10") for _ in range(2)]
    results = at_once(*[lambda cart=cart: builders.make_checkout(cart) for cart in carts])
    assert sorted(type(result).__name__ for result in results) == ["Checkout", "InvalidField"]
    assert uses() == (1, 0)
    assert Cart.objects.filter(status="ACTIVE").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_make_one_checkout(alice, package):
    cart = builders.make_cart(alice, package)
    results = at_once(*[lambda: builders.make_checkout(cart)] * 3)
    assert sum(isinstance(result, Checkout) for result in results) == 1, results
    assert {result.code for result in results if not isinstance(result, Checkout)} == {"cart_not_active"}


@pytest.mark.django_db(transaction=True)
def test_a_release_repeated_at_the_same_moment_gives_one_place_back(cart, slot):
    Slot.objects.update(held=1)
    checkout = builders.make_checkout(cart)
    at_once(*[lambda: release(checkout)] * 4)
    assert places(slot) == (1, 0)
    assert uses() == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_released_cart_and_a_new_one_at_the_same_moment_leave_one_active(alice, package):
    for _ in range(5):
        checkout = builders.make_checkout(builders.make_cart(alice, package))
        results = at_once(lambda held=checkout: release(held), lambda: builders.make_cart(alice, package))
        assert not [result for result in results if isinstance(result, Exception)], results
        assert Cart.objects.filter(user=alice, status="ACTIVE").count() == 1


@pytest.mark.django_db(transaction=True)
def test_paid_and_given_up_at_the_same_moment_ends_booked(cart, slot):
    checkout = builders.make_checkout(cart)

    def pay():
        with transaction.atomic():
            return book(checkout)

    results = at_once(pay, lambda: release(checkout))
    assert not [result for result in results if isinstance(result, Exception)], results
    checkout.refresh_from_db()
    assert checkout.state == "BOOKED"
    assert places(slot) == (0, 1)
    assert uses() == (0, 1)
