"""Staff close a day: what is shown of each booking is what becomes of it, once."""

from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from django.utils.translation import override
from rest_framework.exceptions import ValidationError

from booking.models import ON_SALE, Booking, ClosedPeriod, Slot
from booking.services.openings import Period, close_periods
from core.errors import Refusal
from notifications.models import Notification
from payment.models import Closure, ClosureItem, LedgerEntry, Offer, Refund, StateChange
from payment.services.closures import (
    Span,
    approve_closure,
    carry_out,
    carry_out_at_once,
    closures_of,
    plan_closure,
    requests_of,
    start_closure,
)
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import SamePerson, cancel_booking
from payment.services.rehearsal import ChangedMeanwhile
from tests.harness import builders, invariants
from tests.harness.races import at_once
from tests.unit.payment.builders import completed, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)
REASON = "The river has risen."


@pytest.fixture(autouse=True)
def limit(settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 10_000


@pytest.fixture
def slot(service):
    return builders.make_slot(service, days=5, hour=10, capacity=5)


@pytest.fixture
def later(service):
    return builders.make_slot(service, days=6, capacity=2)


@pytest.fixture
def near(service):
    """Too near to move anybody to it without asking."""
    made = builders.make_slot(service, days=1, capacity=5)
    Slot.objects.filter(pk=made.pk).update(starts_at=timezone.now() + timedelta(hours=12))
    return made


@pytest.fixture
def book(package, slot):
    def made(count: int = 1) -> list[Booking]:
        for _ in range(count):
            cart = builders.make_cart(builders.make_user(first_name="Asha"), package, slot.starts_at)
            payment = make_payment(builders.make_checkout(cart))
            apply_status(payment.attempts.get().pk, completed(), "worker")
        return [*Booking.objects.order_by("pk")]

    return made


@pytest.fixture
def span(slot) -> Span:
    midnight = timezone.localtime(slot.starts_at).replace(hour=0)
    return Span(midnight, midnight + timedelta(days=1))


def start(span, staff, choices=None, form=None, seen=None) -> Closure:
    seen = plan_closure(span, staff).seen if seen is None else seen
    return start_closure(span, choices or {}, REASON, staff, form=form or uuid4(), seen=seen)


def work() -> None:
    while run_due(["closures"]):
        pass


def outcomes(closure) -> list[str]:
    return [*closure.items.order_by("pk").values_list("outcome", flat=True)]


def test_each_booking_has_its_own_free_time_and_becomes_what_was_chosen(book, slot, later, near, span, staff):
    first, second, third, fourth = book(4)
    plan = plan_closure(span, staff)
    assert [item.move_to for item in plan.items] == [later, later, None, None]
    assert [item.options for item in plan.items] == [["MOVE", "OFFER", "REFUND"]] * 2 + [
        ["OFFER", "REFUND"]
    ] * 2
    assert (plan.left_paise, plan.open_slots) == (440_000, 1)

    closure = start(span, staff, {second.pk: "REFUND", third.pk: "OFFER", fourth.pk: ""})
    assert not Slot.objects.filter(ON_SALE, pk=slot.pk).exists()
    assert Notification.objects.exclude(kind="booked").count() == 0  # the worker does it
    work()

    assert outcomes(closure) == ["moved", "refunded", "offered"]
    for booking in (first, second, third, fourth):
        booking.refresh_from_db()
    assert (first.starts_at, second.status) == (later.starts_at, Booking.Status.CANCELLED)
    assert third.choose_until == Offer.objects.get().expires_at
    assert (fourth.status, fourth.starts_at) == (Booking.Status.CONFIRMED, slot.starts_at)
    because = {
        each.kind: each.facts["because"] for each in Notification.objects.filter(facts__has_key="because")
    }
    assert because == {"moved": REASON, "cancelled": REASON, "called_off": REASON}
    decided = StateChange.objects.filter(rule="closed_by_temple").values_list("detail", flat=True)
    assert [*decided] == [f"by user {staff.pk}: {REASON}"] * 3
    assert invariants.violations(invariants.query) == {}


def test_a_time_is_offered_only_while_a_place_is_left_that_nobody_is_moved_to(book, later, span, staff):
    book(3)
    assert [item.options for item in plan_closure(span, staff).items] == [
        ["MOVE", "OFFER", "REFUND"],
        ["MOVE", "OFFER", "REFUND"],
        ["REFUND"],
    ]
    closure = start(span, staff)
    work()

    assert outcomes(closure) == ["moved", "moved", "refunded"]


def test_one_form_sent_twice_is_one_closure_and_tells_nobody_twice(book, span, staff):
    book(3)
    form, seen = uuid4(), plan_closure(span, staff).seen
    closures = at_once(*[partial(start, span, staff, form=form, seen=seen)] * 2)
    work()
    for item in ClosureItem.objects.all():
        carry_out(item.pk)

    assert {closure.pk for closure in closures if isinstance(closure, Closure)} == {Closure.objects.get().pk}
    assert Refund.objects.count() == 3
    assert Notification.objects.filter(kind="cancelled").count() == 3


def test_a_second_click_finishes_what_the_first_has_begun(book, span, staff):
    """The first one, or a process that died, has closed the time, and has not stored what becomes of its bookings."""
    book(1)
    form, seen = uuid4(), plan_closure(span, staff).seen
    close_periods([Period(span.starts_from, span.starts_before, reason=REASON)], staff)

    assert start(span, staff, form=form, seen=seen).items.count() == 1


def test_two_people_with_their_own_forms_make_one_closure(book, span, staff):
    """Also where the first leaves the bookings as they are: the second one looks again before anything is decided."""
    left = {booking.pk: "" for booking in book(2)}
    seen = {person: plan_closure(span, person).seen for person in (staff, builders.make_superuser())}
    answers = at_once(*(partial(start, span, person, left, seen=each) for person, each in seen.items()))

    [closure] = [each for each in answers if isinstance(each, Closure)]
    assert any(isinstance(each, ChangedMeanwhile) for each in answers)
    assert Closure.objects.get() == closure
    assert closures_of(plan_closure(span, staff).closed) == {ClosedPeriod.objects.get().pk: closure}


def test_who_closes_more_than_somebody_else_has_closed_since_reads_that_all_of_it_is_closed(
    book, slot, span, staff
):
    (booking,) = book()
    seen = plan_closure(span, staff).seen
    hour = Span(slot.starts_at, slot.starts_at + timedelta(hours=1))
    start(hour, builders.make_superuser(), {booking.pk: ""})

    with pytest.raises(ChangedMeanwhile, match="Now all of it is closed"):
        start(span, staff, seen=seen)
    assert ClosedPeriod.objects.filter(created_by=staff, begins=span.starts_from).exists()
    assert not ClosureItem.objects.exists()
    assert start(span, staff).items.count() == 1


def test_two_workers_carry_out_a_booking_once(book, span, staff):
    book(1)
    (item,) = start(span, staff).items.all()

    at_once(*[partial(carry_out, item.pk)] * 2)

    assert Refund.objects.count() == Notification.objects.filter(kind="cancelled").count() == 1


def test_money_that_is_under_way_while_the_time_is_closed_becomes_no_booking_that_nobody_saw(
    book, package, slot, span, staff
):
    book(1)
    payment = make_payment(
        builders.make_checkout(builders.make_cart(builders.make_user(), package, slot.starts_at))
    )
    attempt = payment.attempts.get().pk

    closure, _ = at_once(partial(start, span, staff), partial(apply_status, attempt, completed(), "worker"))

    late = Booking.objects.filter(checkout__payment=payment).first()
    if isinstance(closure, ChangedMeanwhile):  # it was booked first: staff are told to look again
        assert late is not None
        assert [planned.booking for planned in plan_closure(span, staff).items][-1] == late
    else:
        assert late is None or closure.items.filter(booking=late).exists()


def test_a_booking_that_came_or_went_after_the_page_was_drawn_stops_the_closure(book, slot, span, staff):
    first, _ = book(2)
    seen = plan_closure(span, staff).seen
    cancel_booking(first, "not any more")
    with pytest.raises(ChangedMeanwhile):
        start(span, staff, seen=seen)
    seen = plan_closure(span, staff).seen
    book(1)
    with pytest.raises(ChangedMeanwhile):
        start(span, staff, seen=seen)

    assert Slot.objects.filter(ON_SALE, pk=slot.pk).exists()
    assert not Closure.objects.exists()


def test_whoever_cancels_between_the_decision_and_the_worker_is_left_alone(book, span, staff):
    first, second = book(2)
    closure = start(span, staff)
    cancel_booking(first, "not any more")
    work()

    assert outcomes(closure) == ["ended", "refunded"]
    assert Refund.objects.filter(payment__checkout__booking=second).count() == 1


def test_a_time_that_was_taken_meanwhile_leaves_the_booking_as_it_was(book, later, span, staff):
    (booking,) = book(1)
    closure = start(span, staff)
    Slot.objects.filter(pk=later.pk).update(booked=2)
    work()

    assert outcomes(closure) == ["no_room"]
    booking.refresh_from_db()
    assert (booking.status, booking.moves) == (Booking.Status.CONFIRMED, 0)


def test_the_sum_of_the_batch_decides_about_the_second_person(book, span, staff, settings):
    """Three times ₹1,100: each alone, and two of them, would be below the limit."""
    settings.REFUND_SECOND_PERSON_ABOVE = 2_500
    book(3)
    assert plan_closure(span, staff).alone_paise < plan_closure(span, staff).left_paise
    closure = start(span, staff)
    work()

    assert outcomes(closure) == ["awaiting_approval"] * 3
    assert {*Booking.objects.values_list("status", flat=True)} == {"CONFIRMED"}
    with pytest.raises(SamePerson):
        approve_closure(closure, staff)
    second = builders.make_superuser()
    assert approve_closure(closure, second) == 3
    assert approve_closure(closure, second) == 0
    assert {*Booking.objects.values_list("status", flat=True)} == {"CANCELLED"}
    assert not requests_of(closure).exists()
    assert invariants.violations(invariants.query) == {}


def test_below_the_limit_the_refunds_leave_at_once(book, span, staff, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 3_300
    book(3)
    closure = start(span, staff)
    carry_out_at_once(closure)

    assert outcomes(closure) == ["refunded"] * 3


def test_without_the_right_to_refund_all_refunds_wait(book, span):
    clerk = builders.make_user("closer@example.com", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="change_slot"))
    book(1)
    assert plan_closure(span, clerk).alone_paise == 0
    closure = start(span, clerk)
    work()

    assert outcomes(closure) == ["awaiting_approval"]


def test_a_puja_without_slots_is_closed_too(alice, service, staff):
    package = builders.make_package(service)
    made = make_payment(builders.make_checkout(builders.make_cart(alice, package, builders.in_days(4))))
    apply_status(made.attempts.get().pk, completed(), "worker")
    midnight = builders.in_days(4, 0)
    span = Span(midnight, midnight + timedelta(days=1))
    closure = start(span, staff)
    work()

    assert outcomes(closure) == ["refunded"]
    with pytest.raises(ValidationError):  # nobody books that day any more
        builders.make_cart(builders.make_user(), package, builders.in_days(4, 11))


def test_a_refused_booking_is_left_with_the_reason_and_the_others_go_on(book, span, staff):
    first, _ = book(2)
    LedgerEntry.objects.filter(payment=first.checkout.payment).update(
        kind="SUSPENSE"
    )  # its money is not found
    closure = start(span, staff)
    with override("hi"):  # on the desk of whoever reads Hindi; colleagues read the reason, too
        carry_out_at_once(closure)

    assert outcomes(closure) == ["refused", "refunded"]
    assert "has not been paid" in closure.items.first().detail


def test_a_plan_needs_as_many_queries_for_ten_bookings_as_for_two(
    book, slot, span, staff, django_assert_num_queries
):
    slot.capacity = 20
    slot.save()
    book(2)
    with django_assert_num_queries(9) as counted:
        plan_closure(span, staff)
    book(10)
    with django_assert_num_queries(len(counted)):
        plan_closure(span, staff)


def test_more_bookings_than_one_page_holds_are_refused(book, span, staff, monkeypatch):
    monkeypatch.setattr("payment.services.closures.MOST_BOOKINGS", 1)
    book(2)
    with pytest.raises(Refusal, match="more bookings"):
        plan_closure(span, staff)
