"""Places that are held and not paid for are bounded; customers who pay are not hindered, wherever they are."""

import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from booking.models import Booking, Cart, Checkout, HoldNetwork, Slot, SlotHold
from booking.services import (
    HoldRefused,
    book,
    cancel,
    check_out,
    close,
    forget_networks,
    page_life,
    release,
    release_hold,
)
from core.errors import Conflict
from tests.harness import builders
from tests.harness.races import at_once

# Hundreds of customers.
pytestmark = [pytest.mark.slow, pytest.mark.django_db]

HOME, OFFICE = "203.0.113.7", "198.51.100.9"
LIFE = timedelta(minutes=15 + 5)


@pytest.fixture(autouse=True)
def defaults(settings):
    settings.HOLDS_PER_NETWORK, settings.HOLD_COOL_DOWN_MINUTES = 10, 5
    settings.HOLD_NETWORK_PERCENT, settings.HOLD_NEW_PERCENT = 25, 90


@pytest.fixture
def slots(package):
    """A large one for each day."""
    return [builders.make_slot(package.puja_service, days=3 + day, capacity=100) for day in range(12)]


def hold(user, slot, network=HOME):
    cart = builders.make_cart(user, slot.service.packages.get(), slot.starts_at)
    return check_out(cart, address_id=None, expires_at=timezone.now() + page_life(), network=network)


def strangers(count):
    return [builders.make_user() for _ in range(count)]


def holds(people, slots, network=HOME):
    """How many of them get a place, each in a slot of their own as long as there are some."""
    return sum(
        gets_place(person, slots[number % len(slots)], network) for number, person in enumerate(people)
    )


def gets_place(person, slot, network=HOME):
    try:
        hold(person, slot, network)
    except HoldRefused:
        return False
    return True


def expire(checkout, after=LIFE):
    """Nobody paid, `after` the checkout."""
    SlotHold.objects.filter(checkout=checkout).update(created_at=timezone.now() - after)
    release(checkout)


def time_passes(span):
    SlotHold.objects.update(created_at=F("created_at") - span, released_at=F("released_at") - span)


def test_twenty_new_accounts_of_one_network_hold_ten_places_not_forty(slots):
    people = strangers(20)

    assert holds(people, slots) + holds(people, slots[::-1]) == 10
    assert sum(Slot.objects.values_list("held", flat=True)) == 10


def test_who_is_refused_keeps_their_cart_and_may_pay_as_soon_as_there_is_room(slots, charlie):
    checkouts = [hold(person, slot) for person, slot in zip(strangers(10), slots, strict=False)]
    with pytest.raises(HoldRefused) as refused:
        hold(charlie, slots[0])

    assert (refused.value.code, refused.value.retryable, refused.value.retry_after) == (
        "too_many_holds",
        True,
        60,
    )
    cart = Cart.objects.get(user=charlie)
    assert (cart.status, cart.starts_at) == (Cart.Status.ACTIVE, slots[0].starts_at)
    assert not Checkout.objects.filter(user=charlie).exists()
    book(checkouts[0])
    assert check_out(cart, address_id=None, expires_at=timezone.now() + page_life(), network=HOME)


def test_a_network_whose_places_are_paid_for_may_hold_more(slots):
    for person, slot in zip(strangers(10), slots, strict=False):
        book(hold(person, slot))

    assert holds(strangers(30), slots) == 20


def test_a_booking_that_was_cancelled_earns_nothing(slots):
    for person, slot in zip(strangers(10), slots, strict=False):
        cancel(book(hold(person, slot)), "travelling")

    assert holds(strangers(30), slots) == 10


@pytest.mark.parametrize("known", ["by mail", "by a booking"])
def test_known_customers_are_counted_for_no_network(slots, known):
    people = strangers(30)
    if known == "by mail":
        User.objects.update(email_confirmed_at=timezone.now())
    else:
        for person in people:
            book(hold(person, slots[-1], network=f"{person.pk}"))
    for person in people:
        person.refresh_from_db()

    assert holds(people, slots) == 30


def test_a_family_books_several_pujas_one_after_the_other_and_two_at_once(slots, alice):
    first, second = hold(alice, slots[0]), hold(alice, slots[1])
    book(first), book(second)
    for slot in slots[2:]:
        book(hold(alice, slot))

    assert Booking.objects.filter(user=alice).count() == len(slots)


@pytest.mark.parametrize(("capacity", "most"), [(1, 1), (3, 3), (4, 3), (12, 3), (13, 4), (40, 10)])
def test_new_customers_of_one_network_hold_a_share_of_a_slot(service, package, capacity, most):
    slot = builders.make_slot(service, capacity=capacity)

    assert sum(gets_place(person, slot) for person in strangers(min(capacity, 12))) == most
    if capacity > most:
        assert gets_place(builders.make_user(), slot, OFFICE)


def test_new_customers_of_many_networks_leave_places_for_known_ones(service, package):
    slot = builders.make_slot(service, capacity=20)
    people = strangers(20)

    assert sum(gets_place(person, slot, f"192.0.2.{person.pk}") for person in people) == 18
    assert gets_place(builders.make_user(email_confirmed_at=timezone.now()), slot)


def test_a_share_is_of_what_is_unpaid_so_that_every_place_is_sold(service, package):
    slot = builders.make_slot(service, capacity=20)
    while people := strangers(20 - Booking.objects.count()):
        for person in people:
            if gets_place(person, slot, f"192.0.2.{person.pk}"):
                book(Checkout.objects.get(user=person))

    slot.refresh_from_db()
    assert (slot.booked, slot.held) == (20, 0)


def test_without_a_known_network_only_the_shares_of_all_count(slots):
    assert holds(strangers(24), slots, network="") == 24


@pytest.mark.parametrize(("wasted", "minutes"), [(4, 0), (5, 5), (6, 10), (7, 20), (12, 60), (60, 60)])
def test_who_lets_places_expire_waits_longer_each_time_and_an_hour_at_most(slots, alice, wasted, minutes):
    expire(hold(alice, slots[0]), wasted * LIFE)
    time_passes(timedelta(minutes=minutes - 1))
    if minutes:
        with pytest.raises(HoldRefused) as refused:
            hold(alice, slots[1])
        assert (refused.value.code, 50 <= refused.value.retry_after <= 60) == ("hold_cool_down", True)
        assert re.search(
            r"Your cart is kept. Please try again after \d{1,2}:\d\d [AP]M\.$", str(refused.value.message)
        )
    time_passes(timedelta(minutes=1))

    assert hold(alice, slots[1])


def test_what_was_paid_outweighs_what_was_not(slots, alice):
    for slot in slots[:3]:
        book(hold(alice, slot))
    expire(hold(alice, slots[3]), 7 * LIFE)

    assert hold(alice, slots[4])


def test_holds_that_were_given_up_soon_are_not_held_for_nothing(slots, alice):
    for slot in slots:
        expire(hold(alice, slot), timedelta(minutes=1))

    assert hold(alice, slots[0])


def abandon(people, slots, after=LIFE):
    """All of them hold a place at once, and nobody pays: not even in the time that we wait for PhonePe's answer."""
    held = [hold(person, slots[number % len(slots)]) for number, person in enumerate(people)]
    for row in (SlotHold.objects.filter(state="HELD"), Checkout.objects.filter(state="RESERVED")):
        row.update(created_at=F("created_at") - after, expires_at=F("expires_at") - after)
    for checkout in held:
        release(Checkout.objects.get(pk=checkout.pk))


def test_what_we_waited_for_phonepe_is_not_held_for_nothing(slots):
    abandon(strangers(5), slots, after=timedelta(minutes=55))

    assert gets_place(builders.make_user(), slots[0])


@pytest.mark.parametrize("seconds", [300, 900, 1800])
def test_half_of_the_holds_of_a_network_may_be_abandoned_whatever_the_life_of_a_page(
    slots, settings, seconds
):
    settings.PHONEPE_EXPIRE_AFTER = seconds
    abandon(strangers(5), slots, after=timedelta(seconds=seconds + 300))
    assert gets_place(builders.make_user(), slots[0])
    abandon(strangers(1), slots, after=timedelta(seconds=seconds + 300))

    assert not gets_place(builders.make_user(), slots[0])


def test_known_customers_who_do_not_pay_hinder_nobody_in_their_network(slots):
    people = strangers(10)
    for person in people:
        book(hold(person, slots[-1], network=f"{person.pk}"))
    abandon(people, slots)

    assert holds(strangers(11), slots) == 10


def test_a_network_in_which_four_of_five_leave_does_not_stay_in_a_cool_down(slots):
    for _ in range(6):
        abandon(strangers(8), slots) if SlotHold.objects.exists() else abandon(strangers(5), slots)
        time_passes(timedelta(hours=1))
        for person in strangers(2):
            book(hold(person, slots[0]))

    assert holds(strangers(10), slots) == 10


def test_confirmed_accounts_that_never_paid_hold_three_times_as_much(slots):
    people = [builders.make_user(email_confirmed_at=timezone.now()) for _ in range(20)]

    assert holds(people, slots) + holds(people, slots[::-1]) == 30
    assert holds(strangers(11), slots) == 10


def test_confirmed_accounts_of_one_network_leave_a_part_of_a_slot(service, package):
    slot = builders.make_slot(service, capacity=20)
    people = [builders.make_user(email_confirmed_at=timezone.now()) for _ in range(20)]

    assert sum(gets_place(person, slot) for person in people) == 15


def test_confirmed_accounts_that_let_places_expire_wait_and_others_do_not(slots):
    people = [builders.make_user(email_confirmed_at=timezone.now()) for _ in range(16)]
    abandon(people, slots)

    assert not gets_place(builders.make_user(email_confirmed_at=timezone.now()), slots[0])
    assert gets_place(builders.make_user(), slots[0])


def test_the_day_after_everything_is_as_before(slots, alice):
    expire(hold(alice, slots[0]), 60 * LIFE)
    time_passes(timedelta(days=1))

    assert hold(alice, slots[1])


def test_new_accounts_of_a_network_that_lets_places_expire_wait_too(slots):
    for checkout in [hold(person, slot) for person, slot in zip(strangers(10), slots, strict=False)]:
        expire(checkout)
    with pytest.raises(HoldRefused) as refused:
        hold(builders.make_user(), slots[0])

    assert refused.value.code == "hold_cool_down"
    assert gets_place(builders.make_user(), slots[0], OFFICE)
    assert gets_place(builders.make_user(email_confirmed_at=timezone.now()), slots[0])


def test_after_the_cool_down_a_network_may_hold_less(slots):
    for checkout in [hold(person, slot) for person, slot in zip(strangers(10), slots, strict=False)]:
        expire(checkout)
    time_passes(timedelta(hours=1))

    assert holds(strangers(10), slots) == 2


def test_a_time_that_the_temple_calls_off_is_nobodys_fault(slots, alice):
    checkout = hold(alice, slots[0])
    SlotHold.objects.update(created_at=timezone.now() - 60 * LIFE)
    close(slots[0])
    release(checkout)

    assert hold(alice, slots[1])
    Slot.objects.update(is_open=True)
    assert hold(alice, slots[2])


def test_a_place_that_is_booked_late_was_not_held_for_nothing(slots, alice):
    checkout = hold(alice, slots[0])
    SlotHold.objects.update(created_at=timezone.now() - 60 * LIFE)
    release_hold(checkout)
    book(checkout)

    assert hold(alice, slots[1])


def test_a_release_that_a_wrong_clock_has_dated_ahead_stops_nobody(slots, alice):
    expire(hold(alice, slots[0]), 60 * LIFE)
    time_passes(-timedelta(days=400))

    assert hold(alice, slots[1])


def test_the_network_is_stored_as_a_keyed_hash_and_forgotten_after_two_days(slots, charlie, settings):
    first = hold(charlie, slots[0])
    stored = first.hold.network
    assert HOME not in stored
    assert stored == HoldNetwork.objects.get().digest
    settings.SECRET_KEY = "another-key-that-is-long-enough-for-every-algorithm"
    assert hold(charlie, slots[1]).hold.network != stored

    forget_networks(timezone.now() + timedelta(days=1))
    assert HoldNetwork.objects.count() == 2
    forget_networks(timezone.now() + timedelta(days=2, minutes=1))
    assert not HoldNetwork.objects.exists()
    assert set(SlotHold.objects.values_list("network", flat=True)) == {""}


@pytest.mark.django_db(transaction=True)
def test_new_customers_who_click_at_once_hold_no_more_than_their_share(slots, settings):
    """In slots of their own: nothing but the network's row makes one wait for the other."""
    settings.HOLDS_PER_NETWORK = 3
    carts = [
        builders.make_cart(person, slot.service.packages.get(), slot.starts_at)
        for person, slot in zip(strangers(8), slots, strict=False)
    ]
    outcomes = at_once(*[lambda cart=cart: take(cart) for cart in carts])

    refused = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert [refusal.code for refusal in refused] == ["too_many_holds"] * 5
    assert (
        SlotHold.objects.filter(state="HELD").count() == sum(Slot.objects.values_list("held", flat=True)) == 3
    )


@pytest.mark.django_db(transaction=True)
def test_new_customers_of_many_networks_who_click_at_once_hold_no_more_of_a_slot(service, package, settings):
    settings.HOLD_NEW_PERCENT = 40
    slot = builders.make_slot(service, capacity=10)
    carts = [builders.make_cart(person, package, slot.starts_at) for person in strangers(7)]
    outcomes = at_once(
        *[lambda cart=cart, last=last: take(cart, f"192.0.2.{last}") for last, cart in enumerate(carts)]
    )

    assert [getattr(each, "code", "held") for each in outcomes].count("held") == 4
    slot.refresh_from_db()
    assert slot.held == SlotHold.objects.count() == 4


def take(cart, network=HOME):
    return check_out(cart, address_id=None, expires_at=timezone.now() + page_life(), network=network)
