"""What staff are shown before they confirm is what happens, or nothing happens."""

from functools import partial

import pytest
from django.utils import timezone

from booking.models import Booking, Slot
from core.errors import Refusal
from notifications.models import Notification
from payment.models import LedgerEntry, Payment, Refund, StateChange
from payment.services.booking_changes import move_by_staff
from payment.services.outcomes import accept_after_review, apply_status, return_after_review
from payment.services.refunds.requests import approve_refund, cancel_booking, request_refund, withdraw_refund
from payment.services.rehearsal import ChangedMeanwhile, perform, rehearse
from tests.harness import builders, invariants
from tests.harness.races import at_once
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)
TABLES = (Booking, LedgerEntry, Notification, Payment, Refund, Slot, StateChange)


@pytest.fixture(autouse=True)
def policy(settings):
    settings.REFUND_POLICY = [(72, 50)]
    settings.REFUND_SECOND_PERSON_ABOVE = 2_000


@pytest.fixture
def slot(service):
    return builders.make_slot(service, days=5, capacity=1)


@pytest.fixture
def later(service):
    return builders.make_slot(service, days=9, capacity=1)


@pytest.fixture
def payment(alice, package, slot) -> Payment:
    made = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    return apply_status(made.attempts.get().pk, completed(), "worker")


@pytest.fixture
def held(alice, package, slot) -> Payment:
    """₹600 came in place of ₹1,100."""
    made = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    return apply_status(made.attempts.get().pk, completed(60_000), "worker")


def booking() -> Booking:
    return Booking.objects.select_related("checkout__cart").get()


def everything():
    return {model: sorted(map(str, model.objects.values_list())) for model in TABLES}


def refund_300(staff, payment):
    return request_refund(payment.pk, 30_000, "one devotee did not come", staff)


def cancel(staff, payment, **how):
    return cancel_booking(booking(), "their mother is ill", by=staff, **how)


def cancel_with(staff, **how):
    return lambda payment: cancel(staff, payment, **how)


def do(act, payment, staff, seen=None):
    seen = rehearse(payment.pk, act).seen if seen is None else seen
    return perform(payment.pk, act, seen=seen, rule="staff_decided", by=staff, reason="asked by phone")


ACTIONS = {
    "refund": lambda staff, later: partial(refund_300, staff),
    "cancel": lambda staff, later: partial(cancel, staff),
    "cancel, all back": lambda staff, later: cancel_with(staff, in_full=True),
    "move": lambda staff, later: lambda payment: move_by_staff(booking(), later, "the priest is ill", staff),
    "move for them": lambda staff, later: (
        lambda payment: move_by_staff(booking(), later, "they travel", staff, for_customer=True)
    ),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_a_rehearsal_leaves_nothing_and_the_action_does_what_it_showed(name, payment, later, staff):
    act, before = ACTIONS[name](staff, later), everything()
    shown = rehearse(payment.pk, act)
    assert everything() == before

    done = do(act, payment, staff, shown.seen)

    assert (done.before, done.after) == (shown.before, shown.after)
    mails = [(each.email, each.message.subject, each.message.text) for each in shown.message_previews]
    assert mails
    assert [(each.email, each.message.subject, each.message.text) for each in done.message_previews] == mails
    assert everything() != before
    decision = StateChange.objects.get(rule="staff_decided")
    assert decision.detail == f"by user {staff.pk}: asked by phone"
    assert invariants.violations(invariants.query) == {}


@pytest.mark.parametrize("name", ACTIONS)
def test_a_double_click_does_it_once(name, payment, later, staff):
    act = ACTIONS[name](staff, later)
    seen = rehearse(payment.pk, act).seen
    do(act, payment, staff, seen)
    after = everything()

    with pytest.raises(Refusal):
        do(act, payment, staff, seen)

    assert everything() == after


@pytest.mark.parametrize("name", ACTIONS)
def test_what_somebody_else_has_changed_meanwhile_is_not_decided_blindly(name, payment, later, staff):
    act = ACTIONS[name](staff, later)
    seen = rehearse(payment.pk, act).seen
    cancel_booking(booking(), "not any more")  # by its customer
    after = everything()

    with pytest.raises(Refusal):
        do(act, payment, staff, seen)

    assert everything() == after


@pytest.mark.parametrize("name", ["refund", "cancel", "move"])
def test_of_two_staff_who_saw_the_same_page_one_decides(name, payment, later, staff):
    people = [staff, builders.make_superuser()]
    acts = [ACTIONS[name](person, later) for person in people]
    seen = [rehearse(payment.pk, act).seen for act in acts]

    came = at_once(
        *(
            partial(do, act, payment, person, each)
            for act, person, each in zip(acts, people, seen, strict=True)
        )
    )

    assert sorted(isinstance(each, Refusal) for each in came) == [False, True]
    assert StateChange.objects.filter(rule="staff_decided").count() == 1
    assert Refund.objects.count() <= 1
    assert invariants.violations(invariants.query) == {}


def test_the_sum_of_the_policy_that_was_shown_is_the_sum_that_goes_back_or_nothing_happens(payment, staff):
    act = partial(cancel, staff)
    shown = rehearse(payment.pk, act)
    assert (shown.sent_back_paise, shown.requested_paise) == (55_000, 0)
    starts = timezone.now() + timezone.timedelta(hours=71)
    Booking.objects.update(starts_at=starts)  # the hours have gone by: the policy gives nothing now

    with pytest.raises(ChangedMeanwhile):
        do(act, payment, staff, shown.seen)

    assert booking().status == Booking.Status.CONFIRMED


# --- A cancellation that gives more than the policy -----------------------------------------------


@pytest.mark.parametrize(
    ("raised", "sent", "requested", "status"),
    [
        (0, 55_000, 0, "CANCELLED"),
        (55_000, 55_000, 0, "CANCELLED"),
        (80_000, 80_000, 0, "CANCELLED"),
        (110_000, 110_000, 0, "CANCELLED"),
    ],
)
def test_staff_raise_the_sum_of_the_policy(payment, staff, raised, sent, requested, status):
    shown = rehearse(payment.pk, cancel_with(staff, raised_to=raised))

    assert (shown.sent_back_paise, shown.requested_paise) == (sent, requested)
    assert shown.after.booking[0] == status


def test_what_is_added_above_the_limit_waits_for_a_second_person_and_the_policy_does_not(
    payment, staff, settings
):
    settings.REFUND_SECOND_PERSON_ABOVE = 100
    do(cancel_with(staff, raised_to=80_000), payment, staff)

    assert booking().status == Booking.Status.CANCELLED
    states = Refund.objects.order_by("pk").values_list("amount_paise", "held_because")
    assert [*states] == [(55_000, ""), (25_000, "SECOND_PERSON")]
    assert Notification.objects.get(kind="cancelled").facts["refund_paise"] == 55_000


def test_all_of_it_above_the_limit_changes_nothing_before_a_second_person_approves(payment, staff, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 100
    shown = rehearse(payment.pk, cancel_with(staff, raised_to=110_000))
    assert (shown.sent_back_paise, shown.requested_paise) == (0, 110_000)
    assert shown.message_previews == []
    do(cancel_with(staff, raised_to=110_000), payment, staff)

    assert booking().status == Booking.Status.CONFIRMED
    approve_refund(Refund.objects.get().pk, builders.make_superuser())
    assert booking().status == Booking.Status.CANCELLED


@pytest.mark.parametrize("raised", [110_001, 109_950])
def test_no_more_than_was_paid_can_be_given_and_nothing_that_phonepe_cannot_send(payment, staff, raised):
    with pytest.raises(Refusal):
        rehearse(payment.pk, cancel_with(staff, raised_to=raised))


def test_the_customer_reads_why_the_temple_cancels_only_when_staff_tell_them(payment, staff):
    silent = rehearse(payment.pk, cancel_with(staff))
    telling = rehearse(payment.pk, cancel_with(staff, message="The river has risen."))

    assert "The river has risen." not in silent.message_previews[0].message.text
    assert "The temple writes: The river has risen." in telling.message_previews[0].message.text
    assert silent.seen == telling.seen  # a reason is written after the page was seen


# --- Money in review, and refunds that wait -------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "after"),
    [
        (accept_after_review, ("SUCCESS", "BOOKED")),
        (return_after_review, ("CANCELLED", "")),
    ],
)
def test_money_in_review_is_accepted_or_returned_as_it_was_shown(held, staff, act, after):
    before = everything()
    shown = rehearse(held.pk, lambda payment: act(payment.pk, staff))
    assert everything() == before
    assert (shown.before.payment, shown.after.payment) == (("PENDING", "HELD_FOR_STAFF"), after)

    do(lambda payment: act(payment.pk, staff), held, staff, shown.seen)

    held.refresh_from_db()
    assert (held.state, held.fulfilment) == after
    assert invariants.violations(invariants.query) == {}


@pytest.mark.parametrize(("act", "state"), [(approve_refund, "WAITING"), (withdraw_refund, "FAILED")])
def test_a_second_person_sees_what_their_decision_does(payment, staff, settings, act, state):
    settings.REFUND_SECOND_PERSON_ABOVE = 100
    refund, second = request_refund(payment.pk, None, "a mistake of ours", staff), builders.make_superuser()

    shown = rehearse(payment.pk, lambda payment: act(refund.pk, second))

    assert shown.after.refunds[refund.merchant_refund_id][1] == state
    assert shown.after.booking[0] == ("CANCELLED" if act is approve_refund else "CONFIRMED")
    assert [each.email for each in shown.message_previews] == ["alice@example.com"] * (
        2 if act is approve_refund else 0
    )


# --- Moves by staff -------------------------------------------------------------------------------


def test_a_move_for_the_customer_keeps_their_terms_and_needs_no_notice(payment, service, staff):
    near = builders.make_slot(service, days=0, hour=0, capacity=1)
    Slot.objects.filter(pk=near.pk).update(starts_at=timezone.now() + timezone.timedelta(hours=12))
    near.refresh_from_db()
    first = booking().starts_at
    with pytest.raises(Refusal, match="too near"):
        move_by_staff(booking(), near, "the priest is ill", staff)

    move_by_staff(booking(), near, "they travel", staff, for_customer=True)

    moved = booking()
    assert (moved.starts_at, moved.terms_from, moved.free_until) == (near.starts_at, first, None)
    assert StateChange.objects.get(rule="moved_for_customer").detail.startswith(f"by user {staff.pk}: from ")


def test_the_temple_moves_a_booking_of_a_puja_without_slots(alice, service, staff):
    package = builders.make_package(service)
    made = make_payment(builders.make_checkout(builders.make_cart(alice, package, builders.in_days(4))))
    apply_status(made.attempts.get().pk, completed(), "worker")

    move_by_staff(booking(), builders.in_days(6, 11), "the priest is ill", staff)

    assert booking().starts_at == builders.in_days(6, 11)
    assert Notification.objects.get(kind="moved").facts["because"] == "the priest is ill"
