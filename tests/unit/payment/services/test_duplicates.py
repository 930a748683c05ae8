"""Late money for what the same person has booked meanwhile goes back as paid twice; two carts paid in time do not."""

from datetime import timedelta
from functools import partial

import pytest

from booking.models import Booking, Checkout, EarlierStart
from booking.services import move
from core.errors import Conflict
from notifications.models import Notification
from payment.models import Offer, Payment, Refund
from payment.services.duplicates import BookedMeanwhile
from payment.services.notification_delivery import reason_to_drop
from payment.services.offers import choose, slots_to_choose
from payment.services.outcomes import accept_after_review, apply_status
from payment.states import Fulfilment
from tests.harness import builders, invariants
from tests.harness.races import at_once, while_uncommitted
from tests.unit.payment.builders import FAILED, completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fill(alice, package, slot):
    """Another cart of hers for the same puja at the same time, checked out; its page is open."""

    def new(when=None, user=None) -> Payment:
        cart = builders.make_cart(user or alice, package, when or slot.starts_at)
        return make_payment(builders.make_checkout(cart))

    return new


def gives_up(payment: Payment) -> Payment:
    apply_status(payment.attempts.get().pk, FAILED, "worker")
    return Payment.objects.get(pk=payment.pk)


def pays(payment: Payment, paise: int = 110_000) -> Payment:
    apply_status(payment.attempts.get().pk, completed(paise), "webhook")
    return Payment.objects.get(pk=payment.pk)


def told(payment: Payment) -> list[str]:
    notices = Notification.objects.filter(facts__payment_id=payment.pk).exclude(kind="alert").order_by("pk")
    return [notice.kind for notice in notices]


def assert_sent_back(late: Payment, kept: Payment) -> None:
    """All of the late money, once; the other booking stands and is named to the buyer."""
    late.refresh_from_db()
    assert late.fulfilment == Fulfilment.REFUND_DUE
    assert late.refunds.get().amount_paise == late.ledger.get(kind="RECEIPT").amount_paise
    booking = Booking.objects.get(status="CONFIRMED")
    assert booking.checkout_id == kept.checkout_id
    notice = Notification.objects.get(kind="paid_twice")
    assert (notice.facts["payment_id"], notice.facts["book_id"]) == (late.pk, booking.book_id)
    assert invariants.violations(invariants.query) == {}


def test_late_money_for_what_a_new_cart_has_booked_goes_back_and_is_told(fill):
    first = gives_up(fill())
    second = pays(fill())

    late = pays(first)

    assert (late.came_late, second.came_late) == (True, False)
    assert_sent_back(late, second)
    assert told(late)[-2:] == ["refund_started", "paid_twice"]


def test_that_somebody_paid_twice_is_no_news_once_the_other_booking_is_cancelled(fill):
    first = gives_up(fill())
    pays(fill()), pays(first)
    notice = Notification.objects.get(kind="paid_twice")
    assert reason_to_drop(notice) == ""

    Booking.objects.update(status="CANCELLED")

    assert reason_to_drop(notice) == "the booking that it names has been cancelled"


def test_two_carts_that_are_both_paid_in_time_are_two_bookings(fill):
    first, second = fill(), fill()
    pays(first), pays(second)

    assert Booking.objects.filter(status="CONFIRMED").count() == 2
    assert not Refund.objects.exists()


@pytest.mark.parametrize("other", ["time", "person", "puja"])
def test_late_money_for_something_else_is_booked(fill, other, slot, package):
    first = gives_up(fill())
    if other == "time":
        pays(fill(builders.make_slot(slot.service, days=5).starts_at))
    elif other == "person":
        pays(fill(user=builders.make_user()))
    else:
        another = builders.make_package(builders.make_service())
        cart = builders.make_cart(first.user, another, slot.starts_at)
        pays(make_payment(builders.make_checkout(cart)))

    assert pays(first).fulfilment == Fulfilment.BOOKED


def test_late_money_is_booked_when_the_other_booking_was_cancelled(fill):
    first = gives_up(fill())
    pays(fill())
    Booking.objects.update(status="CANCELLED")

    assert pays(first).fulfilment == Fulfilment.BOOKED


def test_the_last_place_that_is_their_own_is_no_reason_to_offer_them_another(fill, slot):
    builders.make_slot(slot.service, days=5)
    first = gives_up(fill())
    slot.capacity = 1
    slot.save()
    second = pays(fill())

    assert_sent_back(pays(first), second)
    assert not Offer.objects.exists()


def test_late_money_for_a_booking_that_the_temple_has_moved_is_paid_twice_too(fill, slot):
    first = gives_up(fill())
    second = pays(fill())
    move(Booking.objects.get(), builders.make_slot(slot.service, days=6), "the river has risen")

    assert_sent_back(pays(first), second)


@pytest.mark.parametrize("which", range(4))
def test_of_a_booking_that_was_moved_three_times_each_start_counts(fill, slot, which):
    others = [builders.make_slot(slot.service, days=days) for days in (6, 7, 8)]
    starts = [slot.starts_at, *(other.starts_at for other in others)]
    late = gives_up(fill(starts[which]))
    kept = pays(fill())
    for other in others:
        move(Booking.objects.get(), other, "the river has risen")

    assert_sent_back(pays(late), kept)


def test_a_start_that_a_booking_has_had_twice_is_kept_once(fill, slot):
    other = builders.make_slot(slot.service, days=6)
    late = gives_up(fill())
    kept = pays(fill())
    for to in (other, slot, other):
        move(Booking.objects.get(), to, "the river has risen")

    assert EarlierStart.objects.filter(booking__checkout=kept.checkout_id).count() == 2
    assert_sent_back(pays(late), kept)


def test_a_time_to_which_a_booking_was_never_moved_does_not_count(fill, slot):
    late = gives_up(fill(builders.make_slot(slot.service, days=9).starts_at))
    pays(fill())
    for days in (6, 7):
        move(Booking.objects.get(), builders.make_slot(slot.service, days=days), "the river has risen")

    assert pays(late).fulfilment == Fulfilment.BOOKED


def test_a_booking_that_was_moved_to_the_time_of_the_late_money_counts(fill, slot):
    first = gives_up(fill())
    elsewhere = builders.make_slot(slot.service, days=6)
    second = pays(fill(elsewhere.starts_at))
    move(Booking.objects.get(), slot, "the river has risen")

    assert_sent_back(pays(first), second)


def test_what_staff_accept_late_is_compared_with_what_was_booked_meanwhile(fill, settings):
    held = pays(fill(), 90_000)
    second = pays(fill())

    with pytest.raises(Conflict) as refusal:
        accept_after_review(held.pk, builders.make_superuser())

    assert refusal.value.code == "booked_meanwhile"
    assert Payment.objects.get(pk=held.pk).fulfilment == Fulfilment.HELD_FOR_STAFF
    assert second.fulfilment == Fulfilment.BOOKED


@pytest.fixture
def chose_another_time(fill, slot):
    """Her late money whose time was gone: she chose another one. Now the first time has a place again."""
    late = gives_up(fill())
    slot.is_open = False
    slot.save()
    elsewhere = builders.make_slot(slot.service, days=6)
    choose(pays(late), elsewhere.pk)
    slot.is_open = True
    slot.save()
    return elsewhere


@pytest.mark.parametrize("is_moved", [False, True], ids=["stands", "moved on by the temple"])
def test_who_chose_another_time_has_nothing_at_the_first_one(fill, slot, chose_another_time, is_moved):
    if is_moved:
        move(Booking.objects.get(), builders.make_slot(slot.service, days=7), "the river has risen")

    assert pays(gives_up(fill())).fulfilment == Fulfilment.BOOKED
    assert not Refund.objects.exists()


def test_a_chosen_time_from_which_the_temple_moved_them_is_booked_already(fill, slot, chose_another_time):
    booking = Booking.objects.get()
    late = gives_up(fill(chose_another_time.starts_at))
    move(booking, builders.make_slot(slot.service, days=7), "the river has risen")

    assert_sent_back(pays(late), booking.checkout.payment)


@pytest.fixture
def offered(fill, slot):
    """Late money whose time was gone: other times are offered."""
    payment = gives_up(fill())
    slot.capacity = 1
    slot.save()
    pays(fill(user=builders.make_user()))
    others = [builders.make_slot(slot.service, days=days) for days in (5, 6)]
    payment = pays(payment)
    assert payment.fulfilment == Fulfilment.OFFERED
    return payment, others


def test_a_time_that_they_have_booked_meanwhile_is_not_offered(fill, offered):
    payment, (first, second) = offered
    pays(fill(first.starts_at))

    assert slots_to_choose(payment) == [second]


def test_three_times_are_offered_beside_those_that_they_have_booked(fill, offered, slot):
    payment, (first, second) = offered
    later = [builders.make_slot(slot.service, days=days) for days in (7, 8, 9)]
    pays(fill(first.starts_at))

    assert slots_to_choose(payment) == [second, *later[:2]]


def test_a_time_that_they_have_booked_meanwhile_and_choose_from_an_old_page_is_paid_twice(fill, offered):
    payment, (first, _) = offered
    kept = pays(fill(first.starts_at))

    with pytest.raises(BookedMeanwhile):
        choose(payment, first.pk)

    payment.refresh_from_db()
    assert (payment.fulfilment, Offer.objects.get().state) == (Fulfilment.REFUND_DUE, "CLOSED")
    assert payment.refunds.get().amount_paise == 110_000
    notice = Notification.objects.get(kind="paid_twice")
    assert notice.facts["book_id"] == kept.checkout.booking.book_id


def test_the_cart_that_was_paid_twice_is_told_so(fill, alice):
    first = gives_up(fill())
    cart = Checkout.objects.get().cart
    second = make_payment(builders.make_checkout(cart))
    kept = pays(second)

    assert_sent_back(pays(first), kept)


# --- A new cart that is being paid while the late money comes -------------------------------------


def test_late_money_that_is_faster_is_booked_and_the_cart_that_was_being_paid_goes_back(fill):
    """One of the two was late, so they are no two bookings, whichever money came first."""
    first = gives_up(fill())
    second = fill()
    late = pays(first)

    assert late.fulfilment == Fulfilment.BOOKED
    assert_sent_back(pays(second), late)


def test_a_cart_that_is_filled_after_the_late_booking_is_wanted(fill):
    pays(gives_up(fill()))

    assert pays(fill()).fulfilment == Fulfilment.BOOKED


@pytest.mark.only_postgresql  # SQLite lets one writer in at a time
@pytest.mark.parametrize("is_late_first", [True, False])
def test_who_comes_second_sees_what_the_first_has_not_committed_yet(fill, is_late_first):
    late, second = gives_up(fill()), fill()
    order = [partial(pays, late), partial(pays, second)]
    while_uncommitted(*order if is_late_first else reversed(order))

    assert Booking.objects.filter(status="CONFIRMED").count() == 1
    assert Refund.objects.get().amount_paise == 110_000


@pytest.mark.parametrize("turn", range(3))
def test_late_money_and_a_new_cart_at_once_are_one_booking_and_one_refund(fill, turn):
    late, second = gives_up(fill()), fill()

    at_once(partial(pays, late), partial(pays, second))

    assert Booking.objects.filter(status="CONFIRMED").count() == 1
    assert Refund.objects.get().amount_paise == 110_000
    assert Notification.objects.filter(kind="paid_twice").count() == 1
    assert invariants.violations(invariants.query) == {}


def test_a_hold_that_was_released_alone_makes_nobody_late(fill, slot):
    """The payment is still open: its cart is not free."""
    first, second = fill(), fill()
    pays(second)
    Checkout.objects.filter(pk=first.checkout_id).update(expires_at=slot.starts_at - timedelta(days=2))

    assert pays(first).fulfilment == Fulfilment.BOOKED
