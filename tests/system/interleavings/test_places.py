"""The last place and the last use of a promo code, wanted by two; a place whose payment PhonePe does not decide."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from booking.models import Cart, Checkout, PromoCode, Slot, SlotHold
from payment.models import Payment, PaymentAttempt
from payment.states import AttemptState, Fulfilment, PaymentState
from tests.harness import builders
from tests.harness.races import at_once
from tests.system.interleavings.scenarios import (
    bookings,
    call_us,
    check_booking,
    click,
    ledger,
    outcome,
    places,
    promised,
    status,
    two_seconds_pass,
    work,
)

pytestmark = pytest.mark.proof(every=3)

PAID = (PaymentState.SUCCESS, Fulfilment.BOOKED)
BACK = (PaymentState.SUCCESS, Fulfilment.REFUND_DUE)  # there is no other time to be offered


@pytest.fixture
def last_place(slot):
    Slot.objects.update(capacity=1)
    return slot


@pytest.fixture
def rival(api, charlie, package, slot):
    """Charlie's browser, and their cart for the same time."""
    return api(charlie), builders.make_cart(charlie, package, slot.starts_at)


def uses():
    return PromoCode.objects.values_list("reserved_count", "used_count").get()


def minutes_pass(minutes, phonepe):
    """For everything that waits for a moment, here and at PhonePe."""
    span = timedelta(minutes=minutes)
    for model, name in ((Checkout, "expires_at"), (SlotHold, "expires_at"), (PaymentAttempt, "expires_at")):
        for row in model.objects.all():
            model.objects.filter(pk=row.pk).update(**{name: getattr(row, name) - span})
    phonepe.advance_clock(minutes * 60)


def test_two_who_want_the_last_place_at_once_open_one_payment(
    generation, phone, cart, last_place, rival, phonepe
):
    other, others_cart = rival

    answers = at_once(partial(click, phone, cart), partial(click, other, others_cart))

    refused = next(answer for answer in answers if answer.status_code != 201)
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert refused.json()["code"] == "slot_full"
    assert (Payment.objects.count(), len(phonepe.order_ids)) == (1, 1)
    assert places(last_place) == (1, 0)
    assert sorted([status(cart), status(others_cart)]) == [Cart.Status.ACTIVE, Cart.Status.CHECKED_OUT]


def test_two_who_want_the_last_use_of_a_promo_code_at_once_open_one_payment(
    generation, alice, charlie, api, package, slot, phonepe
):
    builders.make_promo(usage_limit=1)
    carts = [builders.make_cart(who, package, slot.starts_at, "WELCOME10") for who in (alice, charlie)]

    answers = at_once(*map(partial, [click] * 2, [api(alice), api(charlie)], carts))

    refused = next(answer for answer in answers if answer.status_code != 201)
    assert sorted(answer.status_code for answer in answers) == [201, 400]
    assert refused.json()["promo_code"] == ["This promo code has been used up."]
    assert (uses(), places(slot)) == ((1, 0), (1, 0))
    assert sorted(map(status, carts)) == [Cart.Status.ACTIVE, Cart.Status.CHECKED_OUT]

    phonepe.decide(phonepe.order_ids[0])
    call_us(phonepe.webhooks[-1])
    assert (uses(), places(slot)) == ((0, 1), (0, 1))
    assert ledger() == [("RECEIPT", 99_000)]


def test_late_money_and_a_rival_want_the_last_place_at_once(
    generation, phone, cart, last_place, rival, phonepe
):
    """Whoever is first has it; the other one is told, and no rupee is without a place in the accounts."""
    click(phone, cart)
    payment = Payment.objects.get()
    phonepe.decide(phonepe.order_ids[0], "failure")
    call_us(phonepe.webhooks[-1])
    phonepe.decide(phonepe.order_ids[0], "late_success")

    told, answer = at_once(partial(call_us, phonepe.webhooks[-1]), partial(click, *rival))

    assert told == 200
    assert ledger() == [("RECEIPT", 110_000)]
    if answer.status_code == 201:
        assert (outcome(payment), promised(payment)) == (BACK, [110_000])
        assert (bookings(), places(last_place)) == (0, (1, 0))
    else:
        assert (answer.status_code, answer.json()["code"]) == (409, "slot_full")
        assert outcome(payment) == PAID
        assert (bookings(), places(last_place)) == (1, (0, 1))


def test_the_rival_who_came_first_keeps_the_place_and_late_money_goes_back(
    generation, phone, cart, last_place, rival, phonepe
):
    click(phone, cart)
    payment = Payment.objects.get()
    phonepe.decide(phonepe.order_ids[0], "failure")
    call_us(phonepe.webhooks[-1])
    assert click(*rival).status_code == 201
    phonepe.decide(phonepe.order_ids[1])
    call_us(phonepe.webhooks[-1])

    phonepe.decide(phonepe.order_ids[0], "late_success")
    call_us(phonepe.webhooks[-1])

    assert (outcome(payment), promised(payment)) == (BACK, [110_000])
    assert ledger() == [("RECEIPT", 110_000)] * 2
    assert (bookings(), places(last_place)) == (1, (0, 1))
    told = check_booking(phone, payment)
    assert (told["success"], told["booking_created"]) == (True, False)
    assert "refunded in full" in told["message"]


def test_two_late_payers_for_one_place_make_one_booking_and_one_refund(
    generation, phone, cart, last_place, rival, phonepe
):
    click(phone, cart)
    phonepe.decide(phonepe.order_ids[0], "failure")
    call_us(phonepe.webhooks[-1])
    click(*rival)
    phonepe.decide(phonepe.order_ids[1], "failure")
    call_us(phonepe.webhooks[-1])
    for order in phonepe.order_ids:
        phonepe.decide(order, "late_success")

    assert at_once(*map(partial, [call_us] * 2, phonepe.webhooks[-2:])) == [200, 200]
    work("events")  # of two webhooks at once one may be left to it

    assert sorted(outcome(payment) for payment in Payment.objects.all()) == [PAID, BACK]
    assert (bookings(), places(last_place)) == (1, (0, 1))


def test_a_place_is_kept_while_phonepe_is_down_and_booked_when_it_comes_back(
    generation, phone, cart, last_place, rival, phonepe
):
    click(phone, cart)
    payment = Payment.objects.get()
    phonepe.decide(phonepe.order_ids[0])
    phonepe.inject_fault("status", "status_503", times=999)
    minutes_pass(21, phonepe)  # the page lasts fifteen, the hold five more

    work()

    assert outcome(payment) == (PaymentState.PENDING, Fulfilment.NONE)
    assert places(last_place) == (1, 0)
    assert click(*rival).json()["code"] == "slot_full"

    phonepe.clear_faults()
    work()
    assert outcome(payment) == PAID
    assert (bookings(), places(last_place)) == (1, (0, 1))


@pytest.mark.parametrize("somebody_came", [True, False])
def test_a_place_is_not_kept_for_ever_and_money_found_later_is_not_lost(
    generation, phone, cart, last_place, rival, phonepe, somebody_came
):
    click(phone, cart)
    payment = Payment.objects.get()
    phonepe.decide(phonepe.order_ids[0])
    phonepe.inject_fault("status", "status_503", times=999)
    minutes_pass(51, phonepe)
    work()
    assert outcome(payment) == (PaymentState.PENDING, Fulfilment.NONE)
    assert places(last_place) == (0, 0)
    phonepe.clear_faults()
    if somebody_came:
        assert click(*rival).status_code == 201

    two_seconds_pass()
    told = check_booking(phone, payment)

    assert told["success"]
    assert ledger() == [("RECEIPT", 110_000)]
    assert told["booking_created"] is not somebody_came
    assert outcome(payment) == (BACK if somebody_came else PAID)
    assert places(last_place) == ((1, 0) if somebody_came else (0, 1))


def test_a_worker_that_slept_for_an_hour_catches_up_with_one_question_each(
    generation, api, phone, cart, slot, rival, package, phonepe
):
    """One paid and nobody noticed, one left the page, one is just paying."""
    click(phone, cart)
    click(*rival)
    paid, left = Payment.objects.order_by("pk")
    phonepe.decide(phonepe.order_ids[0])
    minutes_pass(60, phonepe)
    third = builders.make_user()
    other_slot = builders.make_slot(package.puja_service, days=4)
    click(api(third), builders.make_cart(third, package, other_slot.starts_at))
    late = Payment.objects.latest("pk")
    PaymentAttempt.objects.exclude(payment=late).update(next_check_at=timezone.now() - timedelta(hours=1))

    for _ in range(3):
        work("attempts")
        work("holds", "fulfilments", "events")

    assert outcome(paid) == PAID
    assert outcome(left)[0] in (PaymentState.FAILED, PaymentState.CANCELLED)
    assert outcome(late) == (PaymentState.PENDING, Fulfilment.NONE)
    assert (places(slot), places(other_slot)) == ((0, 1), (1, 0))
    assert status(rival[1]) == Cart.Status.ACTIVE
    assert PaymentAttempt.objects.get(payment=paid).checks == 1
    assert set(PaymentAttempt.objects.values_list("state", flat=True)) == {
        AttemptState.COMPLETED,
        AttemptState.FAILED,
        AttemptState.PENDING,
    }
