from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from booking.models import Cart, PromoCode
from booking.pricing import calculate_discount, calculate_price, find_promo_problem
from booking.services import book, release
from tests.harness import builders


@pytest.fixture
def cart(alice, package):
    return builders.make_cart(alice, package)


def test_without_a_code_the_price_is_the_packages(cart):
    assert calculate_price(cart).total_paise == 110_000


def test_ten_percent_are_ten_percent(cart):
    cart.promo_code = builders.make_promo()
    assert (calculate_price(cart).discount_paise, calculate_price(cart).total_paise) == (11_000, 99_000)


def test_a_fixed_amount_is_taken_off_once(cart):
    cart.promo_code = builders.make_promo(amount_paise=15_050)
    assert calculate_price(cart).total_paise == 94_950


def test_a_discount_is_capped(cart):
    cart.promo_code = builders.make_promo(max_discount_paise=5_000)
    assert calculate_price(cart).total_paise == 105_000


def test_a_code_that_does_not_count_takes_nothing_off(cart):
    cart.promo_code = builders.make_promo(is_active=False)
    assert calculate_price(cart).total_paise == 110_000
    assert calculate_price(cart).problem == "This promo code does not exist."


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"is_active": False}, "does not exist"),
        ({"starts_at": timezone.now() + timedelta(days=1)}, "not valid yet"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expired"),
        ({"usage_limit": 1, "used_count": 1}, "used up"),
        ({"usage_limit": 2, "used_count": 1, "reserved_count": 1}, "used up"),
        ({"min_order_paise": 110_001}, "an order of ₹1100.01 or more"),
        ({"percent": 100}, "falls below ₹1.00"),
        ({"amount_paise": 109_901}, "falls below ₹1.00"),
        ({"code_type": PromoCode.CodeType.USER_SPECIFIC}, "does not exist"),
    ],
)
def test_a_code_is_refused_with_its_reason(cart, fields, problem):
    assert problem in find_promo_problem(builders.make_promo(**fields), cart)


@pytest.mark.parametrize("kind", ["PUBLIC", "PRIVATE", "FIRST_ORDER"])
def test_whoever_knows_a_code_may_use_it(cart, kind):
    assert find_promo_problem(builders.make_promo(code_type=kind), cart) == ""


def test_an_assigned_code_is_for_its_people(cart, alice, charlie):
    promo = builders.make_promo(code_type="USER_SPECIFIC")
    promo.assigned_users.add(charlie)
    assert find_promo_problem(promo, cart) == "This promo code does not exist."
    promo.assigned_users.add(alice)
    assert find_promo_problem(promo, cart) == ""


def test_a_first_order_code_counts_until_something_is_ordered(cart, alice, package):
    promo = builders.make_promo(code_type="FIRST_ORDER")
    checkout = builders.make_checkout(cart)
    second = builders.make_cart(alice, package)
    assert "first order only" in find_promo_problem(promo, second)
    release(checkout)
    assert find_promo_problem(promo, second) == ""
    book(builders.make_checkout(second))
    assert "first order only" in find_promo_problem(promo, builders.make_cart(alice, package))


@given(
    price=st.integers(100, 10_000_000),
    percent=st.integers(1, 100) | st.none(),
    amount=st.integers(1, 20_000_000),
    cap=st.integers(0, 20_000_000) | st.none(),
)
def test_a_discount_is_never_negative_and_never_above_the_price(price, percent, amount, cap):
    promo = PromoCode(percent=percent, amount_paise=None if percent else amount, max_discount_paise=cap)
    assert 0 <= calculate_discount(promo, price) <= price


def test_a_cart_that_is_not_saved_has_a_price_too(alice, package):
    cart = Cart(user=alice, package=package, promo_code=builders.make_promo(code_type="FIRST_ORDER"))
    assert calculate_price(cart).total_paise == 99_000
