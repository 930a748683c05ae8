"""Three words for every state: no page shows another booking as this one, and nobody is told to pay twice."""

import itertools

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from booking.models import Booking, Checkout, Slot
from payment.models import Payment
from payment.models.payments import FULFILMENT_FROM, PAYMENT_FROM
from payment.services.outcomes import apply_status
from payment.services.page_status import (
    OF_BOOKING,
    OF_PAYMENT,
    WAITED_FOR,
    PageStatus,
    most_telling,
    page_status,
    that_may_tell,
)
from payment.states import Fulfilment, PaymentState
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db

PAIRS = list(itertools.product(PaymentState, Fulfilment))


def can_be_stored(payment, state, fulfilment):
    try:
        with transaction.atomic():
            Payment.objects.filter(pk=payment.pk).update(state=state, fulfilment=fulfilment)
    except IntegrityError:
        return False
    return True


def test_every_state_that_the_database_allows_has_a_word(cart):
    payment = make_payment(builders.make_checkout(cart))

    allowed = {pair for pair in PAIRS if can_be_stored(payment, *pair)}

    assert OF_PAYMENT.keys() == allowed
    assert set(Booking.Status) == OF_BOOKING.keys()
    assert allowed.isdisjoint({(PaymentState.PENDING, Fulfilment.BOOKED)})
    assert {state for state, _ in allowed} == {*PAYMENT_FROM, PaymentState.PENDING}
    assert {fulfilment for _, fulfilment in allowed} == FULFILMENT_FROM.keys()


@pytest.mark.parametrize(("state", "fulfilment"), OF_PAYMENT)
def test_what_is_said_of_a_state_is_so(state, fulfilment):
    said = OF_PAYMENT[state, fulfilment]
    may_still_be_booked = state == PaymentState.PENDING or fulfilment in (
        Fulfilment.DUE,
        Fulfilment.OFFERED,
        Fulfilment.HELD_FOR_STAFF,
    )

    assert (said == PageStatus.SUCCESS) == (fulfilment in (Fulfilment.BOOKED, Fulfilment.DONATION))
    assert (said == PageStatus.INITIATED) == may_still_be_booked


def pay(payment):
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    payment.refresh_from_db()
    return payment


@pytest.mark.parametrize("status", Booking.Status)
def test_a_booking_that_does_not_stand_is_no_success(cart, status):
    payment = pay(make_payment(builders.make_checkout(cart)))
    Booking.objects.update(status=status)

    payment = Payment.objects.get(pk=payment.pk)

    assert (page_status(payment) == PageStatus.SUCCESS) == (status != Booking.Status.CANCELLED)
    assert page_status(payment) != PageStatus.INITIATED


def test_a_booking_whose_time_was_called_off_is_waited_for(cart):
    pay(make_payment(builders.make_checkout(cart)))
    Booking.objects.update(choose_until=timezone.now())

    assert page_status(Payment.objects.get()) == PageStatus.INITIATED


def stored(checkout, state, fulfilment=Fulfilment.NONE):
    payment = make_payment(checkout)
    Payment.objects.filter(pk=payment.pk).update(state=state, fulfilment=fulfilment)
    if state != PaymentState.PENDING:
        Checkout.objects.filter(pk=checkout.pk).update(state=Checkout.State.RELEASED)
    payment.refresh_from_db()
    return payment


@pytest.mark.parametrize(
    ("states", "tells"),
    [
        (["FAILED", "PENDING"], 1),
        (["FAILED", "FAILED"], 1),
        (["OFFERED", "FAILED"], 0),
        (["PENDING", "FAILED"], 0),
        (["OFFERED", "PENDING"], 0),
        (["REFUND_DUE", "FAILED"], 0),
        (["REFUNDED", "CANCELLED"], 0),
        (["REFUND_DUE", "REFUNDED", "FAILED"], 1),
        (["CANCELLED_BOOKING", "FAILED"], 0),
        (["BOOKED", "REFUND_DUE"], 0),
        (["REFUNDED", "BOOKED"], 1),
        (["HELD", "CANCELLED"], 0),
        (["BOOKED", "PENDING"], 0),
    ],
)
def test_of_several_payments_of_a_cart_the_one_tells_that_may_be_booked(alice, package, slot, states, tells):
    Slot.objects.update(capacity=9)
    words = {
        "HELD": (PaymentState.PENDING, Fulfilment.HELD_FOR_STAFF),
        "OFFERED": (PaymentState.SUCCESS, Fulfilment.OFFERED),
        "REFUND_DUE": (PaymentState.SUCCESS, Fulfilment.REFUND_DUE),
        "REFUNDED": (PaymentState.SUCCESS, Fulfilment.REFUNDED),
    }
    payments = []
    for state in states:
        checkout = builders.make_checkout(builders.make_cart(alice, package, slot.starts_at))
        if state in ("BOOKED", "CANCELLED_BOOKING"):
            payment = pay(make_payment(checkout))
        else:
            payment = stored(checkout, *words.get(state, (state,)))
        if state == "CANCELLED_BOOKING":
            Booking.objects.filter(checkout=checkout).update(status=Booking.Status.CANCELLED)
            payment = Payment.objects.get(pk=payment.pk)
        payments.append(payment)

    assert most_telling(payments) == payments[tells]
    assert most_telling([]) is None
    assert most_telling(that_may_tell(Payment.objects.all())) == payments[tells]


@pytest.mark.parametrize(("state", "fulfilment"), OF_PAYMENT)
@pytest.mark.parametrize("status", Booking.Status)
@pytest.mark.parametrize("called_off", [False, True])
def test_a_query_finds_the_payments_that_are_waited_for(cart, state, fulfilment, status, called_off):
    checkout = builders.make_checkout(cart)
    if fulfilment == Fulfilment.BOOKED:
        payment = pay(make_payment(checkout))
        Booking.objects.update(status=status, choose_until=timezone.now() if called_off else None)
        payment = Payment.objects.get(pk=payment.pk)
    else:
        payment = stored(checkout, state, fulfilment)

    is_waited_for = page_status(payment) == PageStatus.INITIATED
    assert Payment.objects.filter(WAITED_FOR).exists() == is_waited_for


def test_of_many_payments_that_ended_unpaid_the_newest_is_read(alice, package, slot):
    Slot.objects.update(capacity=9)
    states = ("FAILED", "PENDING", "CANCELLED", "FAILED")
    payments = [
        stored(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)), state)
        for state in states
    ]
    assert set(that_may_tell(Payment.objects.all())) == {payments[1], payments[3]}
