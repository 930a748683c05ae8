"""Late money whose place is gone: another place, or the money."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from booking.models import Booking, Cart, Checkout, Slot, SlotHold
from booking.services import SlotGone, release_hold
from payment.models import Offer, Payment, Refund
from payment.services.holds import expire_hold
from payment.services.offers import NoSuchTime, choose, close_offer, slots_to_choose
from payment.services.outcomes import OfferClosed, apply_status
from payment.services.refunds.requests import request_refund
from payment.states import Fulfilment
from tests.harness import builders, races
from tests.unit.payment.builders import FAILED, completed, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def another(service, slot):
    """A day later there is room."""
    return builders.make_slot(service, days=4)


@pytest.fixture
def late(cart, slot):
    """The payment was given up, its place went to somebody else, and then the money came."""
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, FAILED, "worker")
    Slot.objects.filter(pk=slot.pk).update(booked=F("capacity"))
    return payment


def money_comes(payment: Payment) -> Payment:
    return apply_status(payment.attempts.get().pk, completed(), "worker")


def outcome(payment: Payment) -> str:
    return Payment.objects.get(pk=payment.pk).fulfilment


def test_the_nearest_free_times_are_offered_and_none_is_kept(late, another, slot):
    settled = money_comes(late)

    assert settled.fulfilment == Fulfilment.OFFERED
    assert slots_to_choose(settled) == [another]
    offer = Offer.objects.get()
    assert timedelta(hours=23) < offer.expires_at - timezone.now() <= timedelta(hours=24)
    another.refresh_from_db()
    assert (another.held, another.booked) == (0, 0)


def test_the_chosen_time_is_booked_once(late, another):
    money_comes(late)

    choose(late, another.pk)
    choose(late, another.pk)

    booking = Booking.objects.get()
    assert booking.starts_at == another.starts_at
    assert outcome(late) == Fulfilment.BOOKED
    another.refresh_from_db()
    assert (another.booked, Offer.objects.get().state) == (1, Offer.State.TAKEN)
    assert not Refund.objects.exists()


def test_a_time_that_went_meanwhile_can_be_chosen_no_more_and_the_offer_stands(late, another):
    money_comes(late)
    Slot.objects.filter(pk=another.pk).update(booked=F("capacity"))

    with pytest.raises(SlotGone):
        choose(late, another.pk)

    assert outcome(late) == Fulfilment.OFFERED
    assert not Booking.objects.exists()


def test_a_time_of_another_puja_cannot_be_chosen(late, another):
    money_comes(late)

    with pytest.raises(NoSuchTime):
        choose(late, builders.make_slot(builders.make_service("Griha Shanti")).pk)


def test_declined_the_money_goes_back_once(late, another):
    money_comes(late)

    close_offer(late.pk, "offer_declined", by=None)
    close_offer(late.pk, "offer_declined", by=None)

    assert outcome(late) == Fulfilment.REFUND_DUE
    assert Refund.objects.get().amount_paise == 110_000
    assert Offer.objects.get().state == Offer.State.CLOSED


def test_not_chosen_in_time_the_money_goes_back(late, another):
    money_comes(late)
    assert run_due(["offers"]) == 0

    Offer.objects.update(expires_at=timezone.now())
    assert run_due(["offers"]) == 1
    assert run_due(["offers"]) == 0

    assert outcome(late) == Fulfilment.REFUND_DUE
    assert Refund.objects.get().amount_paise == 110_000


def test_who_comes_after_the_end_is_told_so(late, another):
    money_comes(late)
    close_offer(late.pk, "offer_expired", by=None)

    with pytest.raises(OfferClosed):
        choose(late, another.pk)

    assert slots_to_choose(Payment.objects.get(pk=late.pk)) == []


def test_with_no_time_left_the_money_goes_back_at_once(late):
    assert money_comes(late).fulfilment == Fulfilment.REFUND_DUE

    assert Refund.objects.get().amount_paise == 110_000
    assert not Offer.objects.exists()


def test_every_step_stands_in_the_timeline(late, another):
    money_comes(late)
    choose(late, another.pk)

    rules = list(late.changes.filter(subject="fulfilment").values_list("rule", flat=True))
    assert rules == ["slot_gone", "other_place_chosen"]


def test_a_choice_and_the_end_of_the_offer_at_the_same_moment_are_one_of_both(late, another):
    money_comes(late)

    races.at_once(lambda: choose(late, another.pk), lambda: close_offer(late.pk, "offer_expired", by=None))

    booked, promised = Booking.objects.count(), Refund.objects.count()
    assert booked + promised == 1
    assert outcome(late) == (Fulfilment.BOOKED if booked else Fulfilment.REFUND_DUE)


def test_two_people_cannot_choose_the_same_last_place(late, another, package, slot, charlie):
    Slot.objects.filter(pk=another.pk).update(capacity=1)
    money_comes(late)
    Slot.objects.filter(pk=slot.pk).update(booked=0)
    theirs = make_payment(builders.make_checkout(builders.make_cart(charlie, package, slot.starts_at)))
    apply_status(theirs.attempts.get().pk, FAILED, "worker")
    Slot.objects.filter(pk=slot.pk).update(booked=F("capacity"))
    money_comes(theirs)

    results = races.at_once(lambda: choose(late, another.pk), lambda: choose(theirs, another.pk))

    assert sum(isinstance(result, Payment) for result in results) == 1
    assert Booking.objects.count() == 1
    another.refresh_from_db()
    assert (another.booked, another.capacity) == (1, 1)


def test_who_has_been_given_everything_back_can_choose_no_more(late, another, staff):
    money_comes(late)
    request_refund(late.pk, None, "they wrote to us", staff)

    with pytest.raises(OfferClosed):
        choose(late, another.pk)

    assert not Booking.objects.exists()
    assert (outcome(late), Offer.objects.get().state) == (Fulfilment.REFUND_DUE, Offer.State.CLOSED)
    assert Refund.objects.get().amount_paise == 110_000


def test_who_has_been_given_a_part_back_can_still_choose(late, another, staff):
    money_comes(late)
    request_refund(late.pk, 10_000, "a gesture", staff)

    assert choose(late, another.pk).fulfilment == Fulfilment.BOOKED


def test_a_cart_whose_money_goes_back_is_free_again(cart, slot):
    """The place went while the payment was open: nothing had released the rest of the checkout."""
    payment = make_payment(builders.make_checkout(cart))
    release_hold(payment.checkout)
    Slot.objects.filter(pk=slot.pk).update(booked=F("capacity"))

    assert money_comes(payment).fulfilment == Fulfilment.REFUND_DUE

    assert Checkout.objects.get().state == Checkout.State.RELEASED
    assert Cart.objects.get().status == Cart.Status.ACTIVE


def test_a_puja_that_had_no_slots_yet_can_be_moved_to_one_of_them(package, alice):
    """Its checkout had no place to hold, and its time has passed: a choice must not be gone for ever."""
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package)))
    apply_status(payment.attempts.get().pk, FAILED, "worker")
    Checkout.objects.update(starts_at=timezone.now() - timedelta(hours=1))
    first = builders.make_slot(package.puja_service)
    assert money_comes(payment).fulfilment == Fulfilment.OFFERED

    choose(payment, first.pk)

    first.refresh_from_db()
    assert (first.booked, Booking.objects.get().starts_at) == (1, first.starts_at)
    assert SlotHold.objects.get().state == SlotHold.State.TAKEN


def test_the_place_of_money_that_waits_for_its_booking_is_kept(cart, slot):
    make_payment(builders.make_checkout(cart))
    Payment.objects.update(state="SUCCESS", fulfilment=Fulfilment.DUE)
    SlotHold.objects.update(expires_at=timezone.now())

    expire_hold(SlotHold.objects.get().pk)

    assert SlotHold.objects.get().state == SlotHold.State.HELD
    assert Checkout.objects.get().state == Checkout.State.RESERVED
