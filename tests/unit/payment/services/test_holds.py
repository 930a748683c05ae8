"""Whose holds count as held for nothing, once the money or PhonePe's silence has decided. No HTTP here."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from booking.models import Checkout, Slot, SlotHold
from booking.services import HoldRefused, check_out, page_life
from payment.models import Payment, PaymentAttempt
from payment.services.holds import expire_hold
from payment.services.monitoring import run_checks
from payment.services.outcomes import apply_status
from payment.states import Fulfilment
from tests.harness import builders
from tests.unit.payment.builders import FAILED, PENDING, completed, make_payment

pytestmark = pytest.mark.django_db

HOME = "203.0.113.7"


@pytest.fixture(autouse=True)
def defaults(settings):
    settings.HOLDS_PER_NETWORK, settings.HOLD_COOL_DOWN_MINUTES = 10, 5
    settings.HOLD_NETWORK_PERCENT, settings.HOLD_NEW_PERCENT = 25, 90


@pytest.fixture
def slots(package):
    return [builders.make_slot(package.puja_service, days=3 + day, capacity=100) for day in range(12)]


def hold(slot, user=None):
    cart = builders.make_cart(user or builders.make_user(), slot.service.packages.get(), slot.starts_at)
    return check_out(cart, address_id=None, expires_at=timezone.now() + page_life(), network=HOME)


def time_passes(minutes):
    span = timedelta(minutes=minutes)
    Checkout.objects.update(created_at=F("created_at") - span, expires_at=F("expires_at") - span)
    SlotHold.objects.update(
        created_at=F("created_at") - span,
        expires_at=F("expires_at") - span,
        released_at=F("released_at") - span,
    )
    PaymentAttempt.objects.update(sent_at=F("sent_at") - span, expires_at=F("expires_at") - span)


def end_holds():
    for pk in SlotHold.objects.filter(state="HELD", expires_at__lte=timezone.now()).values_list(
        "pk", flat=True
    ):
        expire_hold(pk)


def get_unpaid(slots, times):
    """PhonePe says of each of them at the end of its page that nobody has paid."""
    for slot in slots[:times]:
        payment = make_payment(hold(slot))
        time_passes(20)
        apply_status(payment.attempts.get().pk, PENDING, "worker")


def test_an_outage_of_phonepe_is_not_held_for_nothing(slots):
    """Ten new customers behind one address. PhonePe is silent until their holds end, for good."""
    for slot in slots[:10]:
        make_payment(hold(slot))
    for _ in range(11):
        time_passes(5)
        end_holds()
    assert set(SlotHold.objects.values_list("state", flat=True)) == {"RELEASED"}

    for slot in slots[:10]:
        assert hold(slot)


def test_a_page_that_phonepe_never_opened_could_not_be_paid(slots):
    for slot in slots[:10]:
        payment = make_payment(hold(slot))
        PaymentAttempt.objects.filter(payment=payment).update(page_url="")
    time_passes(20)
    for attempt in PaymentAttempt.objects.all():
        apply_status(attempt.pk, FAILED, "worker")

    assert hold(slots[0])


def test_holds_whose_pages_nobody_paid_count_until_the_end_of_the_last_page(slots):
    payment = make_payment(hold(slots[0]))
    PaymentAttempt.objects.update(expires_at=timezone.now() + timedelta(minutes=25))
    time_passes(45)
    apply_status(payment.attempts.get().pk, PENDING, "worker")

    row = SlotHold.objects.get()
    assert timedelta(minutes=29) < row.released_at - row.created_at < timedelta(minutes=31)


def test_who_paid_late_has_held_nothing_for_nothing(slots, alice):
    """Their time was taken meanwhile: another one is offered, and they may hold it by another payment."""
    SlotHold.objects.filter(checkout=(checkout := hold(slots[0], alice))).update(
        created_at=timezone.now() - timedelta(hours=20)
    )
    payment = make_payment(checkout)
    apply_status(payment.attempts.get().pk, FAILED, "worker")
    Slot.objects.filter(pk=slots[0].pk).update(booked=F("capacity"))
    with pytest.raises(HoldRefused):
        hold(slots[1], alice)

    assert apply_status(payment.attempts.get().pk, completed(), "webhook").fulfilment == Fulfilment.OFFERED

    assert hold(slots[1], alice)


def test_money_that_staff_hold_is_money(slots, alice):
    SlotHold.objects.filter(checkout=(checkout := hold(slots[0], alice))).update(
        created_at=timezone.now() - timedelta(hours=20)
    )
    payment = make_payment(checkout)
    held = apply_status(payment.attempts.get().pk, completed(50_000), "webhook")
    assert held.fulfilment == Fulfilment.HELD_FOR_STAFF
    Checkout.objects.update(expires_at=timezone.now() - timedelta(hours=19))

    run_checks(1)

    assert hold(slots[1], alice)
    assert Payment.objects.get().fulfilment == Fulfilment.HELD_FOR_STAFF


def test_unpaid_pages_of_one_network_still_begin_a_cool_down(slots):
    get_unpaid(slots, 6)

    with pytest.raises(HoldRefused):
        hold(slots[7])
