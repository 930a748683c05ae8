from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from booking.models import Booking, Cart, Checkout, PromoCode, Slot, SlotHold
from booking.services import CartConverted, SlotGone, book, cancel, complete, release, release_hold
from tests.harness import builders
from tests.harness.races import at_once, while_uncommitted


@pytest.fixture
def checkout(alice, package, slot):
    builders.make_promo(usage_limit=1)
    return builders.make_checkout(builders.make_cart(alice, package, slot.starts_at, promo_code="WELCOME10"))


def places(slot):
    slot.refresh_from_db()
    return slot.held, slot.booked


def uses():
    return PromoCode.objects.values_list("reserved_count", "used_count").get()


def book_alone(checkout):
    with transaction.atomic():
        return book(checkout)


def test_a_paid_checkout_becomes_a_booking(alice, checkout, slot):
    booking = book(checkout)
    checkout.refresh_from_db()
    assert (booking.user, booking.status, booking.starts_at) == (alice, "CONFIRMED", slot.starts_at)
    assert (checkout.state, checkout.promo_state, checkout.cart.status) == ("BOOKED", "USED", "CONVERTED")
    assert places(slot) == (0, 1)
    assert uses() == (0, 1)


def test_a_checkout_is_booked_once(checkout, slot):
    assert book(checkout) == book(checkout)
    assert places(slot) == (0, 1)
    assert uses() == (0, 1)


def test_a_puja_without_slots_is_booked_too(alice, slotless_service):
    checkout = builders.make_checkout(builders.make_cart(alice, slotless_service.packages.get()))
    assert book(checkout).starts_at == checkout.starts_at


def test_a_booking_number_is_not_a_sequence(checkout):
    assert book(checkout).book_id.startswith("BK-")


# --- Money that comes late ---------------------------------------------------------------------


def test_late_money_takes_a_free_place_again(checkout, slot):
    release(checkout)
    book(checkout)
    assert places(slot) == (0, 1)
    assert Cart.objects.get(pk=checkout.cart_id).status == "CONVERTED"


def test_late_money_after_the_hold_alone_ended_takes_a_free_place_again(checkout, slot):
    release_hold(checkout)
    book(checkout)
    assert places(slot) == (0, 1)


@pytest.mark.parametrize(
    "since",
    [
        {"booked": 2},
        {"held": 1, "booked": 1},
        {"is_open": False},
        {"starts_at": timezone.now() - timedelta(hours=1)},
    ],
)
def test_late_money_without_a_free_place_changes_nothing(checkout, slot, since):
    release(checkout)
    Slot.objects.update(**since)
    before = places(slot)
    with pytest.raises(SlotGone):
        book(checkout)
    checkout.refresh_from_db()
    assert (checkout.state, checkout.promo_state, checkout.cart.status) == ("RELEASED", "RELEASED", "ACTIVE")
    assert places(slot) == before
    assert not Booking.objects.exists()


def test_late_money_takes_the_place_that_was_offered_instead(checkout, slot, service):
    release(checkout)
    Slot.objects.update(booked=2)
    other = builders.make_slot(service, days=4)
    booking = book(checkout, other_slot=other)
    assert booking.starts_at == other.starts_at
    assert places(other) == (0, 1)
    cancel(booking, "ill")
    assert (places(other), places(slot)) == ((0, 0), (0, 2))


def test_late_money_for_a_time_that_has_passed_is_no_booking(alice, slotless_service):
    checkout = builders.make_checkout(builders.make_cart(alice, slotless_service.packages.get()))
    release(checkout)
    Checkout.objects.update(starts_at=timezone.now() - timedelta(hours=1))
    with pytest.raises(SlotGone):
        book(checkout)


def test_a_held_place_is_honoured_even_if_the_slot_was_closed_meanwhile(checkout, slot):
    Slot.objects.update(is_open=False)
    book(checkout)
    assert places(slot) == (0, 1)


def test_a_late_promo_use_is_honoured_above_the_limit(checkout, package):
    release(checkout)
    book(
        builders.make_checkout(
            builders.make_cart(builders.make_user(), package, checkout.starts_at, "WELCOME10")
        )
    )
    book(checkout)
    assert uses() == (0, 2)


def test_money_for_a_cart_that_was_booked_meanwhile_is_a_surplus(checkout, slot):
    release(checkout)
    book(builders.make_checkout(checkout.cart))
    with pytest.raises(CartConverted):
        book(checkout)
    assert places(slot) == (0, 1)
    assert Booking.objects.count() == 1


def test_a_second_checkout_of_a_cart_booked_late_gives_its_place_back(checkout, slot):
    release(checkout)
    second = builders.make_checkout(checkout.cart)
    book(checkout)
    assert places(slot) == (0, 1)
    second.refresh_from_db()
    assert second.state == "RELEASED"
    assert Cart.objects.get(pk=checkout.cart_id).status == "CONVERTED"


def test_late_money_takes_the_last_place_from_a_second_checkout_of_the_same_cart(checkout, slot):
    release(checkout)
    Slot.objects.update(capacity=1)
    builders.make_checkout(checkout.cart)
    book(checkout)
    assert places(slot) == (0, 1)
    assert uses() == (0, 1)


def test_an_abandoned_cart_is_converted_by_late_money(alice, checkout, package, slot):
    newer = builders.make_cart(alice, package, slot.starts_at)
    release(checkout)
    book(checkout)
    assert Cart.objects.get(pk=checkout.cart_id).status == "CONVERTED"
    assert Cart.objects.get(user=alice, status="ACTIVE") == newer


# --- Cancelling and completing -----------------------------------------------------------------


def test_a_cancelled_booking_frees_its_place_once(checkout, slot):
    booking = book(checkout)
    assert [cancel(booking, "I am ill"), cancel(booking, "again")] == [True, False]
    booking.refresh_from_db()
    assert (booking.status, booking.cancellation_reason) == ("CANCELLED", "I am ill")
    assert booking.cancelled_at is not None
    assert places(slot) == (0, 0)


def test_a_cancelled_booking_stays_the_booking_of_its_checkout(checkout, slot):
    booking = book(checkout)
    cancel(booking, "I am ill")
    assert book(checkout) == booking
    assert places(slot) == (0, 0)


def test_a_booking_is_completed_once_the_puja_has_begun(checkout):
    booking = book(checkout)
    assert not complete(booking)
    Booking.objects.update(starts_at=timezone.now())
    assert [complete(booking), complete(booking)] == [True, False]
    assert not cancel(booking, "too late")


# --- At the same moment ------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_webhook_and_return_page_at_the_same_moment_make_one_booking(checkout, slot):
    results = at_once(*[lambda: book_alone(checkout)] * 4)
    assert {type(result) for result in results} == {Booking}, results
    assert Booking.objects.count() == 1
    assert places(slot) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_two_checkouts_of_one_cart_paid_at_the_same_moment_make_one_booking(checkout, slot):
    release(checkout)
    second = builders.make_checkout(checkout.cart)
    results = at_once(lambda: book_alone(checkout), lambda: book_alone(second))
    assert sorted(type(result).__name__ for result in results) == ["Booking", "CartConverted"]
    assert Cart.objects.get().status == "CONVERTED"


@pytest.mark.django_db(transaction=True)
def test_of_late_payments_at_the_same_moment_one_gets_the_last_place(package):
    slot = builders.make_slot(package.puja_service, capacity=4)
    carts = [builders.make_cart(builders.make_user(), package, slot.starts_at) for _ in range(4)]
    checkouts = [builders.make_checkout(cart) for cart in carts]
    for checkout in checkouts:
        release(checkout)
    Slot.objects.update(capacity=1)
    results = at_once(*[lambda late=late: book_alone(late) for late in checkouts])
    assert sorted(type(result).__name__ for result in results) == [
        "Booking",
        "SlotGone",
        "SlotGone",
        "SlotGone",
    ]
    assert places(slot) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_cancelling_twice_at_the_same_moment_frees_one_place(checkout, slot):
    Slot.objects.update(booked=1)
    booking = book(checkout)
    results = at_once(*[lambda: cancel(booking, "I am ill")] * 4)
    assert sorted(results) == [False, False, False, True]
    assert places(slot) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_a_hold_that_ends_just_before_the_money_arrives_is_counted_once(checkout, slot):
    Slot.objects.update(held=2)  # somebody else's place must not be given away
    booking = while_uncommitted(lambda: release_hold(checkout), lambda: book_alone(checkout))
    assert isinstance(booking, Booking), booking
    assert places(slot) == (1, 1)
    assert SlotHold.objects.get().state == "TAKEN"


@pytest.mark.django_db(transaction=True)
def test_a_hold_does_not_end_once_the_money_has_arrived(checkout, slot):
    assert while_uncommitted(lambda: book(checkout), lambda: release_hold(checkout)) is False
    assert places(slot) == (0, 1)
