"""Time passes while somebody pays: what begins too soon is not sold, and what has begun is never booked."""

from datetime import timedelta
from datetime import timezone as dt_timezone
from functools import partial

import pytest
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from booking.models import Booking, Cart, Checkout, Slot
from booking.services import SlotGone, demo_cart, nearby_slots
from payment.models import Offer, Payment, PaymentAttempt, Refund
from payment.services.attempts import StartTooNear
from payment.services.checkout import reopen, start_payment
from payment.services.offers import choose, slots_to_choose
from payment.services.outcomes import apply_status, fulfil
from payment.states import AttemptState, Fulfilment
from tests.harness import builders
from tests.unit.payment.builders import FAILED, completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)
# The page's life of 15 minutes, and the temple's notice of 60.
NEAREST = 75 * MINUTE


@pytest.fixture(autouse=True)
def in_the_morning():
    """Whenever the tests run: in a time zone where it is ten o'clock, and the shop is open for hours."""
    with timezone.override(dt_timezone(timedelta(hours=10 - timezone.now().hour))):
        yield


def starts_in(cart: Cart, span: timedelta) -> None:
    """As if the cart had been filled long ago, for a start that is so near by now."""
    start = timezone.localtime() + span
    Slot.objects.update(starts_at=start)
    Cart.objects.filter(pk=cart.pk).update(selected_date=start.date(), selected_time=start.time())


def begins(payment: Payment, ago: timedelta = MINUTE) -> None:
    """The time of the puja comes while the money is under way."""
    Slot.objects.filter(holds__checkout=payment.checkout).update(starts_at=timezone.now() - ago)
    Checkout.objects.update(starts_at=timezone.now() - ago)


@pytest.fixture(params=["with slots", "without slots"])
def any_cart(request, alice):
    if request.param == "with slots":
        package = request.getfixturevalue("package")
        return builders.make_cart(alice, package, request.getfixturevalue("slot").starts_at)
    return builders.make_cart(alice, request.getfixturevalue("slotless_service").packages.get())


@pytest.mark.parametrize(
    ("span", "sold"),
    [(-3 * MINUTE, False), (MINUTE, False), (NEAREST - MINUTE, False), (NEAREST + MINUTE, True)],
)
def test_check_out_sells_no_start_that_the_page_and_the_temple_cannot_reach(alice, any_cart, span, sold):
    starts_in(any_cart, span)
    if sold:
        assert start_payment(alice, cart_id=any_cart.pk).is_new
        return
    with pytest.raises(ValidationError) as refused:
        start_payment(alice, cart_id=any_cart.pk)
    assert set(refused.value.detail) <= {"selected_date", "selected_time"}
    assert not Checkout.objects.exists()
    assert Cart.objects.get().status == "ACTIVE"


def test_the_notice_is_a_setting(alice, any_cart, settings):
    settings.BOOKING_LEAD_MINUTES, settings.PHONEPE_EXPIRE_AFTER = 0, 600
    starts_in(any_cart, 11 * MINUTE)
    assert start_payment(alice, cart_id=any_cart.pk).is_new


def test_no_cart_is_filled_with_what_cannot_be_bought(alice, slotless_service):
    with pytest.raises(ValidationError) as refused:
        builders.make_cart(alice, slotless_service.packages.get(), timezone.now() + NEAREST - MINUTE)
    assert "selected_time" in refused.value.detail


def test_calendar_and_offers_show_only_what_can_be_bought(api, alice, cart, service, settings):
    settings.BOOKING_LEAD_MINUTES = 60
    now = timezone.now()
    near, soon, far = (
        Slot.objects.create(service=service, starts_at=now + span, capacity=1)
        for span in (59 * MINUTE, NEAREST - MINUTE, NEAREST + MINUTE)
    )
    listed = api().get(f"/api/puja/services/{service.pk}/slots/").json()
    ids = {row["id"] for row in listed}
    assert far.pk in ids
    assert not ids & {near.pk, soon.pk}
    free = nearby_slots(builders.make_checkout(cart), limit=9)
    assert near not in free
    assert soon in free  # already paid: there is no page to wait for


def test_whatever_the_calendar_lists_can_be_bought(api, alice, package, service):
    now = timezone.localtime().replace(second=0, microsecond=0)
    for minutes in range(5, 180, 25):
        Slot.objects.create(service=service, starts_at=now + minutes * MINUTE, capacity=1)
    listed = api().get(f"/api/puja/services/{service.pk}/slots/").json()
    assert listed
    for row in listed:
        cart = builders.make_cart(alice, package, Slot.objects.get(pk=row["id"]).starts_at)
        assert start_payment(alice, cart_id=cart.pk).is_new
        Checkout.objects.update(state="RELEASED")


def test_the_demo_sells_itself_whatever_the_notice(alice, settings):
    settings.BOOKING_LEAD_MINUTES = 7 * 24 * 60
    assert start_payment(alice, cart_id=demo_cart(alice).pk).is_new


# --- The money comes ----------------------------------------------------------------------------


def paid_in_time(payment):
    return apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")


def paid_late(payment):
    apply_status(payment.attempts.get().pk, FAILED, "worker")
    return paid_in_time(payment)


def fulfilled_by_the_worker(payment):
    Payment.objects.update(state="SUCCESS", fulfilment=Fulfilment.DUE)
    attempt = payment.attempts.get()
    PaymentAttempt.objects.update(state=AttemptState.COMPLETED, received_paise=payment.amount_paise)
    payment.ledger.create(
        attempt=attempt,
        kind="RECEIPT",
        amount_paise=payment.amount_paise,
        reference=attempt.merchant_order_id,
    )
    return fulfil(payment.pk)


@pytest.mark.parametrize("comes", [paid_in_time, paid_late, fulfilled_by_the_worker])
def test_what_has_begun_when_the_money_comes_is_no_booking(any_cart, comes):
    payment = make_payment(builders.make_checkout(any_cart))
    begins(payment, ago=3 * MINUTE)

    assert comes(payment).fulfilment == Fulfilment.REFUND_DUE

    assert not Booking.objects.exists()
    assert Refund.objects.get().amount_paise == payment.amount_paise
    assert Checkout.objects.get().state == "RELEASED"


@pytest.mark.parametrize("comes", [paid_in_time, paid_late, fulfilled_by_the_worker])
def test_other_times_are_offered_and_the_chosen_one_is_booked(cart, service, slot, comes):
    another = builders.make_slot(service, days=4)
    payment = make_payment(builders.make_checkout(cart))
    begins(payment)

    assert comes(payment).fulfilment == Fulfilment.OFFERED
    choose(payment, another.pk)

    assert Booking.objects.get().starts_at == another.starts_at
    assert [(row.held, row.booked) for row in Slot.objects.order_by("starts_at")] == [(0, 0), (0, 1)]
    assert Checkout.objects.get().state == "BOOKED"


def test_a_time_that_has_come_too_near_can_be_chosen_no_more(cart, service, slot):
    payment = make_payment(builders.make_checkout(cart))
    another = builders.make_slot(service, days=4)
    begins(payment)
    paid_in_time(payment)
    for span in (-2 * MINUTE, 59 * MINUTE):
        Slot.objects.filter(pk=another.pk).update(starts_at=timezone.now() + span)
        assert slots_to_choose(Payment.objects.get()) == []
        with pytest.raises(SlotGone):
            choose(payment, another.pk)
    assert Payment.objects.get().fulfilment == Fulfilment.OFFERED


def test_an_offer_ends_when_nothing_that_it_offers_can_be_reached_any_more(cart, service, slot):
    payment = make_payment(builders.make_checkout(cart))
    last = Slot.objects.create(service=service, starts_at=timezone.now() + timedelta(hours=5), capacity=1)
    begins(payment)
    paid_in_time(payment)
    assert Offer.objects.get().expires_at == last.starts_at - timedelta(hours=1)


# --- Another click on a payment that is open ----------------------------------------------------


def loses_its_page(payment, **attempt):
    now = timezone.now()
    PaymentAttempt.objects.update(
        **{"state": AttemptState.UNKNOWN, "page_url": "", "call_lease_until": None, "sent_at": now} | attempt
    )


@pytest.mark.parametrize("again", [reopen, None], ids=["status page", "process-cart"])
def test_no_page_is_opened_again_when_the_time_has_come_too_near(alice, any_cart, phonepe, again):
    payment = start_payment(alice, cart_id=any_cart.pk).payment
    loses_its_page(payment)
    again = partial(again, payment) if again else partial(start_payment, alice, cart_id=any_cart.pk)
    Checkout.objects.update(starts_at=timezone.now() + 59 * MINUTE)

    with pytest.raises(StartTooNear) as refused:
        again()
    assert refused.value.extra["payment_id"] == payment.pk
    assert len(phonepe.order_ids) == 1

    Checkout.objects.update(starts_at=timezone.now() + 61 * MINUTE)
    again()


def test_a_page_that_is_open_is_given_again_to_its_end(alice, any_cart):
    first = start_payment(alice, cart_id=any_cart.pk)
    Checkout.objects.update(starts_at=timezone.now() + 59 * MINUTE)
    assert start_payment(alice, cart_id=any_cart.pk).attempt == first.attempt


def test_a_place_kept_for_a_start_that_is_over_is_given_back(cart, slot, service):
    builders.make_slot(service, days=4)
    payment = make_payment(builders.make_checkout(cart))
    begins(payment)
    paid_in_time(payment)
    assert not Slot.objects.filter(held__gt=0).exists()
