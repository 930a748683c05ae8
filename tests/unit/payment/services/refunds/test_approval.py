"""Refunds that a member of the staff causes are added up, by whatever door: above the limit a second person decides."""

from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from booking.models import Booking, Slot
from booking.services import close
from payment.models import Offer, Payment, Refund
from payment.services.monitoring import run_checks
from payment.services.offers import choose, decline, slots_to_choose
from payment.services.outcomes import accept_after_review, apply_status, return_after_review
from payment.services.refunds.requests import (
    SamePerson,
    approve_refund,
    awaits_refund_of_all,
    cancel_booking,
    request_refund,
    withdraw_refund,
)
from payment.services.slot_closure import Outcome, move_all, refund_all
from payment.states import Fulfilment, PaymentState
from tests.harness import builders, invariants
from tests.harness.races import at_once, while_uncommitted
from tests.unit.payment.builders import completed, make_attempt, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


def clerk(email: str, *rights: str):
    person = builders.make_user(email, is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return person


@pytest.fixture
def asker(settings):
    """Alone they may send back two bookings of ₹1,100."""
    settings.REFUND_SECOND_PERSON_ABOVE = 2_500
    return clerk("asker@example.com", "change_refund", "change_slot", "change_payment", "change_offer")


@pytest.fixture
def second(db):
    return clerk("second@example.com", "change_refund")


@pytest.fixture
def book(package, slot, service):
    def made(count: int, where=None) -> list[Payment]:
        where = where or slot
        where.capacity += count
        where.save(update_fields=["capacity"])
        payments = []
        for _ in range(count):
            cart = builders.make_cart(builders.make_user(), package, where.starts_at)
            payment = make_payment(builders.make_checkout(cart))
            payments.append(apply_status(payment.attempts.get().pk, completed(), "worker"))
        return payments

    return made


def outcomes(closing) -> list[Outcome]:
    return [each.outcome for each in closing.cleared]


def sent() -> int:
    """In paise: what is owed, and so leaves without anybody else."""
    owed = Refund.objects.exclude(state="FAILED").exclude(held_because="SECOND_PERSON")
    return sum(owed.values_list("amount_paise", flat=True))


def statuses() -> set[str]:
    return {*Booking.objects.values_list("status", flat=True)}


WAITING, REFUNDED = Outcome.AWAITING_APPROVAL, Outcome.REFUNDED


def test_a_closed_slot_above_the_limit_waits_as_a_whole(book, slot, asker, second, alerts):
    book(3)

    assert outcomes(refund_all(slot, "the river has risen", asker)) == [WAITING] * 3
    assert (sent(), statuses()) == (0, {"CONFIRMED"})
    slot.refresh_from_db()
    assert not slot.is_open
    for refund in Refund.objects.all():
        with pytest.raises(SamePerson):
            approve_refund(refund.pk, asker)
        approve_refund(refund.pk, second)

    assert (sent(), statuses()) == (330_000, {"CANCELLED"})
    assert {*Booking.objects.values_list("cancellation_reason", flat=True)} == {"the river has risen"}
    slot.refresh_from_db()
    assert slot.booked == 0
    assert invariants.violations(invariants.query) == {}


def test_a_closed_slot_below_the_limit_is_refunded_at_once(book, slot, asker):
    book(2)

    assert outcomes(refund_all(slot, "the river has risen", asker)) == [REFUNDED] * 2


def test_who_may_not_refund_only_asks_for_it(book, slot, asker, second):
    book(1)
    closer = clerk("closer@example.com", "change_slot")

    assert outcomes(refund_all(slot, "the river has risen", closer)) == [WAITING]
    assert sent() == 0
    approve_refund(Refund.objects.get().pk, second)
    assert (sent(), statuses()) == (110_000, {"CANCELLED"})


def test_one_call_after_the_other_asks_once_and_comes_to_an_end(book, slot, asker):
    book(5)

    closings = [refund_all(slot, "the river has risen", asker, most=2) for _ in range(4)]

    assert [closing.left for closing in closings] == [3, 1, 0, 0]
    assert {outcome for closing in closings for outcome in outcomes(closing)} == {WAITING}
    assert (Refund.objects.count(), sent()) == (5, 0)


def test_slots_that_are_closed_one_by_one_are_added_up(book, service, slot, asker):
    slots = [slot, *(builders.make_slot(service, days=days, capacity=1) for days in (5, 6, 7))]
    for each in slots:
        book(1, each)

    closed = [outcomes(refund_all(each, "the river has risen", asker))[0] for each in slots]

    assert closed == [REFUNDED, REFUNDED, WAITING, WAITING]
    assert sent() == 220_000


def test_slots_that_are_chosen_together_are_one_sum(client, book, service, slot, asker):
    slots = [slot, *(builders.make_slot(service, days=days, capacity=1) for days in (5, 6))]
    for each in slots:
        book(1, each)
    asker.user_permissions.add(Permission.objects.get(codename="view_slot"))
    client.force_login(asker)

    action = {"action": "close_and_refund", "_selected_action": [each.pk for each in slots]}
    page = client.post("/admin/booking/slot/", action, follow=True).content.decode()

    assert (sent(), statuses()) == (0, {"CONFIRMED"})
    assert "3 refunds wait: a second person must approve them" in page


def test_refunds_of_many_payments_are_added_up_for_a_day(book, asker):
    payments = book(4)
    refund = lambda payment: request_refund(payment.pk, None, "a gesture", asker)  # noqa: E731

    assert [refund(payment).is_requested for payment in payments[:3]] == [False, False, True]
    Refund.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert not refund(payments[3]).is_requested


def test_what_others_approved_or_rejected_does_not_count(book, asker, second):
    payments = book(4)
    ask = lambda payment: request_refund(payment.pk, None, "a gesture", asker)  # noqa: E731
    ask(payments[0]), ask(payments[1])
    approve_refund(ask(payments[2]).pk, second)
    withdraw_refund(ask(payments[3]).pk, second)
    Refund.objects.filter(approved_by=None).update(created_at=timezone.now() - timedelta(hours=25))

    assert not ask(payments[3]).is_requested


def test_two_refunds_of_one_person_at_the_same_moment_are_added_up(book, asker, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 1_500
    first, other = (partial(request_refund, payment.pk, None, "a gesture", asker) for payment in book(2))

    while_uncommitted(first, other)

    assert sent() == 110_000


def test_a_booking_whose_refund_waits_is_not_moved_meanwhile(book, service, slot, asker, second):
    book(3)
    builders.make_slot(service, days=8, capacity=9)
    refund_all(slot, "the river has risen", asker)

    assert outcomes(move_all(slot, "the river has risen", builders.make_superuser())) == [WAITING] * 3
    for refund in Refund.objects.all():
        withdraw_refund(refund.pk, second)
    assert outcomes(move_all(slot, "the river has risen", builders.make_superuser())) == [Outcome.MOVED] * 3


@pytest.fixture
def called_off(book, service, slot, settings):
    """One customer of a closed slot is asked to choose another one."""
    (payment,) = book(1)
    near = builders.make_slot(service, days=0, capacity=5)
    near.starts_at = timezone.now().replace(second=0, microsecond=0) + timedelta(hours=3)
    near.save()
    assert outcomes(move_all(slot, "the river has risen", builders.make_superuser())) == [Outcome.OFFERED]
    return payment, near


@pytest.mark.parametrize("decides", ["second person", "customer"])
def test_an_offer_that_staff_end_waits_too_and_may_be_taken_meanwhile(
    called_off, asker, second, settings, decides
):
    settings.REFUND_SECOND_PERSON_ABOVE = 500
    payment, near = called_off

    decline(payment.pk, "closed_by_staff", asker)

    assert (sent(), statuses(), Offer.objects.get().state) == (0, {"CONFIRMED"}, "OPEN")
    if decides == "customer":
        choose(payment, near.pk)
        assert (Refund.objects.get().code, Booking.objects.get().starts_at) == ("superseded", near.starts_at)
        return
    approve_refund(Refund.objects.get().pk, second)
    assert (sent(), statuses(), Offer.objects.get().state) == (110_000, {"CANCELLED"}, "CLOSED")


def test_who_cancels_while_the_refund_of_all_waits_still_gets_all_when_it_is_approved(
    book, slot, second, settings
):
    settings.REFUND_POLICY = [(1, 50)]
    book(1)
    refund_all(slot, "the river has risen", clerk("closer@example.com", "change_slot"))

    cancel_booking(Booking.objects.get(), "it does not suit me")

    assert (sent(), statuses()) == (55_000, {"CANCELLED"})
    request = Refund.objects.get(state="WAITING", held_because="SECOND_PERSON")
    assert (request.amount_paise, request.asked_by.email) == (55_000, "closer@example.com")
    approve_refund(request.pk, second)
    assert sent() == 110_000
    assert invariants.violations(invariants.query) == {}


@pytest.fixture
def call_off(book, slot, service):
    """Somebody closes a time that so many have booked. All of them are asked to choose another one."""

    def closed(by, count: int) -> list[Payment]:
        payments = book(count)
        soon = timezone.now().replace(second=0, microsecond=0) + timedelta(hours=3)
        Slot.objects.create(service=service, starts_at=soon, capacity=9)
        assert outcomes(move_all(slot, "the river has risen", by)) == [Outcome.OFFERED] * count
        return list(Payment.objects.filter(pk__in=[each.pk for each in payments]).order_by("pk"))

    return closed


def nobody_chooses(*payments: Payment) -> None:
    Offer.objects.filter(payment__in=payments).update(expires_at=timezone.now())
    run_due(["offers"])


def test_a_slot_closed_by_who_may_not_refund_sends_nothing_back_when_nobody_chooses(call_off, second):
    payments = call_off(clerk("closer@example.com", "change_slot"), 2)

    for _ in range(2):
        nobody_chooses(*payments)

    assert (sent(), statuses(), Refund.objects.count()) == (0, {"CONFIRMED"}, 2)
    for refund in Refund.objects.all():
        assert refund.asked_by.email == "closer@example.com"
        approve_refund(refund.pk, second)
    assert (sent(), statuses()) == (220_000, {"CANCELLED"})
    assert {*Offer.objects.values_list("state", flat=True)} == {"CLOSED"}
    assert invariants.violations(invariants.query) == {}


def test_a_refund_that_the_second_person_refuses_is_not_requested_again(call_off, slot, second):
    closer = clerk("closer@example.com", "change_slot")
    (payment,) = call_off(closer, 1)
    nobody_chooses(payment)
    withdraw_refund(Refund.objects.get().pk, second)

    nobody_chooses(payment)

    assert (Refund.objects.count(), sent(), statuses()) == (1, 0, {"CONFIRMED"})
    choose(payment, slots_to_choose(payment)[0].pk)
    assert Offer.objects.get().state == "TAKEN"


def test_times_that_one_person_called_off_are_one_sum_however_they_expire(call_off, asker):
    payments = call_off(asker, 3)

    for payment in payments:
        nobody_chooses(payment)

    assert (sent(), statuses()) == (0, {"CONFIRMED"})


def test_times_called_off_below_the_limit_go_back_without_anybody(call_off, asker):
    nobody_chooses(*call_off(asker, 2))

    assert (sent(), statuses()) == (220_000, {"CANCELLED"})


def test_a_closed_time_counts_what_its_closer_has_offered_before(call_off, service, book, asker):
    call_off(asker, 2)
    another = builders.make_slot(service, days=7, capacity=1)
    book(1, another)

    assert outcomes(refund_all(another, "the river has risen", asker)) == [WAITING]


def test_a_time_that_is_closed_for_a_move_and_then_for_refunds_counts_once(call_off, slot, asker):
    call_off(asker, 2)

    assert outcomes(refund_all(slot, "the river has risen", asker)) == [REFUNDED] * 2


def test_a_booking_with_a_request_of_a_part_is_still_to_be_decided(book, slot, asker, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 500
    payments = book(3)
    request_refund(payments[0].pk, 60_000, "a gesture", asker)

    closing = refund_all(slot, "the river has risen", asker, most=2)

    assert (closing.left, sent()) == (1, 0)
    assert refund_all(slot, "the river has risen", asker, most=2).left == 0
    assert all(awaits_refund_of_all(payment.attempts.get()) for payment in payments)


def test_two_of_the_staff_who_refund_each_other_do_not_wait_for_each_other(
    service, slot, package, second, asker
):
    """Each locks the other as the customer of a payment, and themselves as who refunds."""
    builders.make_slot(service, days=8, capacity=9)
    offers = []
    for customer in (second, asker):
        payment = make_payment(builders.make_checkout(builders.make_cart(customer, package, slot.starts_at)))
        offers.append(payment)
    close(slot)
    for payment in offers:
        apply_status(payment.attempts.get().pk, completed(), "worker")

    results = at_once(
        lambda: request_refund(offers[0].pk, None, "wrong time", asker),
        lambda: request_refund(offers[1].pk, None, "wrong time", second),
    )

    assert [type(each) for each in results] == [Refund, Refund]
    assert sent() == 220_000


@pytest.fixture
def held(cart, asker, settings):
    """₹1,000 and ₹900 came where ₹1,100 were agreed."""
    settings.REFUND_SECOND_PERSON_ABOVE = 1_500
    payment = make_payment(builders.make_checkout(cart))
    make_attempt(payment, number=2)
    for attempt, paise in zip(payment.attempts.order_by("number"), (100_000, 90_000), strict=True):
        apply_status(attempt.pk, completed(paise), "worker")
    return Payment.objects.get()


def test_money_in_review_goes_back_when_the_second_person_has_approved_all_of_it(held, asker, second):
    for _ in range(2):
        assert return_after_review(held.pk, asker).fulfilment == Fulfilment.HELD_FOR_STAFF
    first, last = Refund.objects.order_by("pk")
    assert sent() == 0

    approve_refund(first.pk, second)
    held.refresh_from_db()
    assert held.fulfilment == Fulfilment.HELD_FOR_STAFF
    approve_refund(last.pk, second)

    held.refresh_from_db()
    assert (held.state, held.fulfilment, sent()) == (PaymentState.CANCELLED, Fulfilment.NONE, 190_000)
    assert held.changes.filter(rule="returned_by_staff").count() == 1
    assert invariants.violations(invariants.query) == {}


def test_money_that_is_accepted_is_not_sent_back_by_an_older_request(held, asker):
    return_after_review(held.pk, asker)

    assert accept_after_review(held.pk, builders.make_superuser()).fulfilment == Fulfilment.BOOKED

    waiting = Refund.objects.filter(held_because="SECOND_PERSON").exclude(state="FAILED")
    assert (waiting.get().amount_paise, sent()) == (100_000, 0)  # the other order's
    assert invariants.violations(invariants.query) == {}


def test_what_lies_beside_accepted_money_is_requested_by_who_may_not_refund(held, second):
    """They accept ₹900; the ₹1,000 of the other order wait."""
    accepted = accept_after_review(held.pk, clerk("payments@example.com", "change_payment"))

    assert (accepted.fulfilment, sent()) == (Fulfilment.BOOKED, 0)
    approve_refund(Refund.objects.get(state="WAITING").pk, second)
    assert (sent(), statuses()) == (100_000, {"CONFIRMED"})
    assert invariants.violations(invariants.query) == {}


def test_staff_are_told_once_a_day_that_requests_wait(book, slot, asker, alerts):
    book(3)
    refund_all(slot, "the river has risen", asker)
    run_checks(0)
    assert "refunds_await_approval" not in alerts()

    Refund.objects.update(created_at=timezone.now() - timedelta(hours=2))
    for _ in range(2):
        run_checks(0)
    assert alerts().count("refunds_await_approval") == 1
