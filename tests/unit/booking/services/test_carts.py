from datetime import time, timedelta

import pytest
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from booking.models import Cart, Package, PujaService, Slot
from booking.services import change_cart, delete_cart, deletion_status, fill_cart, release, set_promo
from core.errors import Conflict, Refusal
from tests.harness import builders
from tests.harness.races import at_once, while_uncommitted


def place(user, package, days=3, **changes):
    start = builders.in_days(days)
    choice = {
        "puja_service": package.puja_service_id,
        "package_id": package.pk,
        "selected_date": start.date(),
        "selected_time": start.time(),
    }
    return fill_cart(user, **choice | changes)


def active(user):
    return Cart.objects.get(user=user, status="ACTIVE")


def test_a_person_has_one_active_cart(alice, package):
    first, second = builders.make_cart(alice, package), builders.make_cart(alice, package)
    first.refresh_from_db()
    assert first.status == "ABANDONED"
    assert active(alice) == second


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"puja_service": 999_999}, "puja_service"),
        ({"package_id": 999_999}, "package_id"),
        ({"days": -1}, "selected_date"),
        ({"days": 366}, "selected_date"),
        ({"selected_time": time(5, 59)}, "selected_time"),
        ({"selected_time": time(21, 1)}, "selected_time"),
        ({"promo_code": "NOSUCHCODE"}, "promo_code"),
    ],
)
def test_a_wrong_choice_leaves_the_old_cart_alone(alice, package, changes, field):
    old = builders.make_cart(alice, package)
    with pytest.raises(ValidationError) as refused:
        place(alice, package, **changes)
    assert list(refused.value.detail) == [field]
    assert active(alice) == old


def test_an_hour_that_has_passed_today_is_refused(alice, package, settings):
    settings.OPENING_HOUR = 0
    with pytest.raises(ValidationError) as refused:
        place(alice, package, selected_date=timezone.localdate(), selected_time=time(0, 0))
    assert "selected_time" in refused.value.detail


def test_the_cheap_package_of_another_puja_cannot_be_taken(alice, package):
    cheap = builders.make_package(builders.make_service(), rupees=1)
    with pytest.raises(ValidationError) as refused:
        place(alice, package, package_id=cheap.pk)
    assert "package_id" in refused.value.detail


@pytest.mark.parametrize(("model", "field"), [(PujaService, "puja_service"), (Package, "package_id")])
def test_what_is_no_longer_sold_cannot_be_taken(alice, package, model, field):
    model.objects.update(is_active=False)
    with pytest.raises(ValidationError) as refused:
        place(alice, package)
    assert field in refused.value.detail


def test_a_puja_with_slots_starts_at_its_slots_only(alice, package, slot):
    assert builders.make_cart(alice, package, slot.starts_at).starts_at == slot.starts_at
    with pytest.raises(ValidationError) as refused:
        builders.make_cart(alice, package, slot.starts_at + timedelta(hours=1))
    assert "selected_time" in refused.value.detail


def test_a_closed_slot_is_no_slot(alice, package, slot):
    Slot.objects.update(is_open=False)
    with pytest.raises(ValidationError):
        builders.make_cart(alice, package, slot.starts_at)


def test_a_full_slot_is_told_before_the_payment(alice, package, slot):
    Slot.objects.update(booked=2)
    with pytest.raises(Conflict) as refused:
        builders.make_cart(alice, package, slot.starts_at)
    assert refused.value.code == "slot_full"


def test_a_checked_out_cart_is_not_touched_by_a_new_one(alice, package):
    paid_for = builders.make_checkout(builders.make_cart(alice, package)).cart
    new = builders.make_cart(alice, package)
    paid_for.refresh_from_db()
    assert (paid_for.status, active(alice)) == ("CHECKED_OUT", new)


def test_a_cart_is_changed_in_place(alice, package):
    cart = builders.make_cart(alice, package)
    changed = change_cart(cart, selected_time=time(17, 30))
    assert (changed.pk, changed.selected_time, changed.package) == (cart.pk, time(17, 30), package)


def test_a_change_is_checked_like_a_new_cart(alice, package):
    cart = builders.make_cart(alice, package)
    with pytest.raises(ValidationError):
        change_cart(cart, selected_time=time(3))
    assert active(alice).selected_time == time(10)


def test_what_late_money_was_paid_for_is_never_changed(alice, package):
    old = builders.make_cart(alice, package)
    release(builders.make_checkout(old))
    changed = change_cart(old, selected_time=time(17, 30))
    old.refresh_from_db()
    assert (old.status, old.selected_time) == ("ABANDONED", time(10))
    assert active(alice) == changed
    assert changed.selected_time == time(17, 30)


@pytest.mark.parametrize(
    "change", [lambda cart: change_cart(cart, selected_time=time(8)), lambda c: set_promo(c, None)]
)
def test_a_cart_whose_payment_is_open_cannot_be_changed(alice, package, change):
    cart = builders.make_cart(alice, package)
    builders.make_checkout(cart)
    with pytest.raises(Conflict) as refused:
        change(cart)
    assert refused.value.code == "cart_not_active"


def test_a_promo_code_is_found_in_any_spelling_and_can_be_removed(alice, package):
    promo = builders.make_promo()
    cart = set_promo(builders.make_cart(alice, package), " welcome10 ")
    assert cart.promo_code == promo
    set_promo(cart, None)
    assert active(alice).promo_code is None


def test_a_refused_promo_code_leaves_the_one_before(alice, package):
    good = builders.make_promo()
    builders.make_promo("EXPIRED", expires_at=timezone.now())
    cart = set_promo(builders.make_cart(alice, package), "WELCOME10")
    with pytest.raises(ValidationError):
        set_promo(cart, "EXPIRED")
    assert active(alice).promo_code == good


def test_a_deleted_cart_is_abandoned(alice, package):
    cart = builders.make_cart(alice, package)
    delete_cart(cart)
    assert not Cart.objects.filter(user=alice, status="ACTIVE").exists()


def test_a_cart_whose_payment_is_open_says_how_long_to_wait(alice, package):
    cart = builders.make_cart(alice, package)
    builders.make_checkout(cart, minutes=7)
    with pytest.raises(Refusal) as refused:
        delete_cart(cart)
    assert refused.value.extra == {"can_delete": False, "wait_minutes": 7, "can_cleanup": True}
    cart.refresh_from_db()
    assert deletion_status(cart) == refused.value.extra


def test_an_active_cart_may_be_deleted_at_once(alice, package):
    status = deletion_status(builders.make_cart(alice, package))
    assert status == {"can_delete": True, "wait_minutes": 0, "can_cleanup": False}


@pytest.mark.django_db(transaction=True)
def test_two_first_clicks_at_once_leave_one_active_cart(alice, package):
    results = at_once(*[lambda: builders.make_cart(alice, package)] * 4)
    assert all(isinstance(result, Cart) for result in results), results
    assert Cart.objects.filter(user=alice, status="ACTIVE").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_cart_deleted_at_this_moment_cannot_be_checked_out(alice, package):
    cart = builders.make_cart(alice, package)
    refused = while_uncommitted(lambda: delete_cart(cart), lambda: builders.make_checkout(cart))
    assert getattr(refused, "code", refused) == "cart_not_active"
    assert not cart.checkouts.exists()


@pytest.mark.django_db(transaction=True)
def test_a_cart_checked_out_at_this_moment_cannot_be_deleted(alice, package):
    cart = builders.make_cart(alice, package)
    refused = while_uncommitted(lambda: builders.make_checkout(cart), lambda: delete_cart(cart))
    assert getattr(refused, "code", refused) == "payment_open"


@pytest.mark.django_db(transaction=True)
def test_a_cart_checked_out_at_this_moment_keeps_its_price(alice, package):
    builders.make_promo()
    cart = builders.make_cart(alice, package)
    refused = while_uncommitted(lambda: builders.make_checkout(cart), lambda: set_promo(cart, "WELCOME10"))
    assert getattr(refused, "code", refused) == "cart_not_active"


@pytest.mark.django_db(transaction=True)
def test_a_promo_code_finds_the_cart_whose_package_is_changed_at_this_moment(alice, package):
    builders.make_promo()
    cart, dearer = builders.make_cart(alice, package), builders.make_package(package.puja_service, 2100)
    while_uncommitted(lambda: change_cart(cart, package_id=dearer.pk), lambda: set_promo(cart, "WELCOME10"))
    cart.refresh_from_db()
    assert (cart.package, cart.promo_code.code) == (dearer, "WELCOME10")


@pytest.mark.django_db(transaction=True)
def test_a_cart_that_is_replaced_at_this_moment_may_be_deleted(alice, package):
    cart = builders.make_cart(alice, package)
    refused = while_uncommitted(lambda: builders.make_cart(alice, package), lambda: delete_cart(cart))
    assert refused is None
    assert Cart.objects.filter(user=alice, status="ACTIVE").count() == 1
