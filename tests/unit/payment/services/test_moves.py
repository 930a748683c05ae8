"""The temple's change never costs the customer: what a mail promises is what a cancellation does."""

from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from booking.models import Booking, Package, PujaService, Slot
from booking.services import NoticeTooShort, SlotGone, complete, move
from core.errors import Conflict, Refusal
from notifications.messages import write
from notifications.models import Notification
from payment.models import Offer, Payment, Refund
from payment.serializers.sentences import message
from payment.services.notification_delivery import attach
from payment.services.offers import choose, close_offer, decline, slots_to_choose
from payment.services.outcomes import AlreadyChosen, OfferClosed, apply_status
from payment.services.refunds.requests import cancel_booking, request_refund
from payment.services.slot_closure import Outcome, move_all, refund_all
from payment.states import Fulfilment
from tests.harness import builders
from tests.harness.races import at_once, while_uncommitted
from tests.unit.payment.builders import completed, make_payment
from worker.jobs import run_due

pytestmark = [pytest.mark.slow, pytest.mark.proof(every=7), pytest.mark.django_db(transaction=True)]

HOUR = timedelta(hours=1)
REASON = "the river has risen"


@pytest.fixture(autouse=True)
def no_refund_without_a_move(settings):
    """48 hours ahead all goes back, later nothing."""
    settings.REFUND_POLICY = [(48, 100)]


def book(who, package, slot) -> Payment:
    payment = make_payment(builders.make_checkout(builders.make_cart(who, package, slot.starts_at)))
    return apply_status(payment.attempts.get().pk, completed(), "worker")


@pytest.fixture
def paid(alice, package, slot) -> Payment:
    Slot.objects.filter(pk=slot.pk).update(starts_at=builders.in_days(5))
    slot.refresh_from_db()
    return book(alice, package, slot)


def slot_in(service, hours: float, **fields) -> Slot:
    return Slot.objects.create(
        service=service, starts_at=timezone.now() + hours * HOUR, **{"capacity": 1} | fields
    )


def booking() -> Booking:
    return Booking.objects.get()


def cancel() -> int:
    refund = cancel_booking(booking(), "it does not suit me")
    return refund.amount_paise if refund else 0


def outcomes(closing) -> list[Outcome]:
    return [each.outcome for each in closing.cleared]


def mails(kind: str) -> list[Notification]:
    return list(Notification.objects.filter(kind=kind).order_by("pk"))


# --- Everything back until the new start ---------------------------------------------------------


@pytest.mark.parametrize("hours", [25, 30, 47, 49, 24 * 20])
def test_a_moved_booking_is_cancelled_with_everything_back_until_its_new_start(paid, slot, service, hours):
    assert outcomes(move_all(slot, REASON, builders.make_superuser(), slot_in(service, hours))) == [
        Outcome.MOVED
    ]
    assert cancel() == 110_000


def test_also_in_the_last_minute_before_its_new_start(paid, slot, service):
    move_all(slot, REASON, builders.make_superuser(), slot_in(service, 30))
    near = timezone.now() + timedelta(minutes=1)
    Booking.objects.update(starts_at=near, free_until=near)
    assert cancel() == 110_000


def test_once_it_has_begun_it_is_begun(paid, slot, service):
    move_all(slot, REASON, builders.make_superuser(), slot_in(service, 30))
    past = timezone.now() - timedelta(minutes=1)
    Booking.objects.update(starts_at=past, free_until=past)
    with pytest.raises(Refusal) as refused:
        cancel()
    assert refused.value.code == "too_late"


def test_who_was_not_moved_is_refunded_by_the_policy(paid):
    Booking.objects.update(starts_at=timezone.now() + 30 * HOUR)
    assert cancel() == 0


@pytest.mark.parametrize("moved_in_full", [True, False])
@pytest.mark.parametrize("policy", [[(48, 100)], [(20, 100)], [(48, 50)], [(24, 100), (0, 50)], [(0, 0)]])
@pytest.mark.parametrize("hours", [25, 47, 60, 24 * 9])
def test_what_the_mail_promises_is_what_a_cancellation_does(
    paid, slot, service, settings, moved_in_full, policy, hours
):
    settings.REFUND_POLICY, settings.MOVED_REFUND_IN_FULL = policy, moved_in_full
    move_all(slot, REASON, builders.make_superuser(), slot_in(service, hours))

    promised = mails("moved")[0].facts["free_until"]
    text = write(mails("moved")[0]).text

    assert ("all of your money goes back" in text) == bool(promised)
    if promised:
        assert datetime.fromisoformat(promised) > timezone.now()
    assert (cancel() == 110_000) == bool(promised)


def test_a_refund_request_stands_when_the_setting_changes_afterwards(paid, slot, service, settings):
    move_all(slot, REASON, builders.make_superuser(), slot_in(service, 30))
    settings.MOVED_REFUND_IN_FULL = False
    assert cancel() == 110_000


@pytest.mark.parametrize("language", ["en", "hi"])
def test_the_letters_can_be_written(paid, slot, service, language, settings):
    """Each while what it tells is true."""

    def letter(kind):
        (notice,) = mails(kind)
        notice.language = language
        link = attach(notice).link
        return link, write(notice, link).text

    near = slot_in(service, 10)
    move_all(slot, REASON, builders.make_superuser())
    link, text = letter("called_off")
    assert "/offer/" in link
    assert link in text

    settings.MOVED_REFUND_IN_FULL = False
    choose(paid, near.pk)
    link, text = letter("moved")
    assert "/pay/" in link
    assert link in text


# --- No move within the notice without asking ----------------------------------------------------


@pytest.mark.parametrize("hours", [117 / 3600, 1, 23.9])
def test_no_service_moves_anybody_to_a_start_within_the_notice(paid, slot, service, hours):
    before = booking().starts_at
    with pytest.raises(NoticeTooShort), transaction.atomic():
        move(booking(), slot_in(service, hours), REASON)
    assert (booking().starts_at, booking().moves) == (before, 0)


@pytest.mark.parametrize("hours", [2, 23])
def test_to_a_near_time_a_booking_is_offered_by_link_whoever_chose_it(paid, slot, service, hours):
    near = slot_in(service, hours)

    assert outcomes(move_all(slot, REASON, builders.make_superuser(), near)) == [Outcome.OFFERED]

    offer = Offer.objects.get()
    assert (offer.because, offer.state) == (Offer.Because.CALLED_OFF, Offer.State.OPEN)
    assert booking().status == Booking.Status.CONFIRMED
    assert booking().choose_until == offer.expires_at <= near.starts_at
    assert [notice.facts["offered"] for notice in mails("called_off")] == [
        [timezone.localtime(near.starts_at).isoformat()]
    ]
    assert not mails("moved")
    assert "call off your time" in message(Payment.objects.get())
    assert paid.changes.filter(rule="called_off_by_temple").exists()


def test_without_a_chosen_time_each_goes_to_the_nearest_with_notice(paid, slot, service):
    slot_in(service, 10)
    far = slot_in(service, 26)
    assert outcomes(move_all(slot, REASON, builders.make_superuser())) == [Outcome.MOVED]
    assert booking().starts_at == far.starts_at


def test_called_again_it_asks_nobody_twice(paid, slot, service):
    slot_in(service, 10)
    for _ in range(3):
        assert outcomes(move_all(slot, REASON, builders.make_superuser())) == [Outcome.OFFERED]
    slot_in(service, 40)
    assert outcomes(move_all(slot, REASON, builders.make_superuser())) == [Outcome.OFFERED]
    assert len(mails("called_off")) == Offer.objects.count() == 1


def test_with_no_free_time_at_all_nothing_is_called_off(paid, slot):
    assert outcomes(move_all(slot, REASON, builders.make_superuser())) == [Outcome.NO_ROOM]
    assert booking().choose_until is None


def test_the_chosen_time_is_booked_once_and_may_still_be_cancelled_in_full(paid, slot, service):
    near, other = slot_in(service, 10), slot_in(service, 12)
    move_all(slot, REASON, builders.make_superuser())

    choose(paid, near.pk)
    choose(paid, near.pk)

    assert (booking().starts_at, booking().choose_until) == (near.starts_at, None)
    assert Offer.objects.get().state == Offer.State.TAKEN
    assert [Slot.objects.get(pk=each.pk).booked for each in (slot, near, other)] == [0, 1, 0]
    assert len(mails("moved")) == 1
    assert cancel() == 110_000


@pytest.mark.parametrize(
    "ends",
    [
        lambda payment, staff: decline(payment.pk, "offer_declined", by=None),
        lambda payment, staff: cancel_booking(booking(), "no, thank you"),
        lambda payment, staff: request_refund(payment.pk, None, "said no by phone", staff),
        lambda payment, staff: refund_all(Slot.objects.order_by("pk").first(), REASON, staff),
        lambda payment, staff: Offer.objects.update(expires_at=timezone.now()) and run_due(["offers"]),
    ],
    ids=["declined", "cancelled", "refunded by staff", "slot refunded", "not chosen in time"],
)
def test_who_does_not_choose_gets_everything_back(paid, slot, service, staff, settings, ends):
    settings.REFUND_SECOND_PERSON_ABOVE = 50_000
    near = slot_in(service, 10)
    move_all(slot, REASON, builders.make_superuser())
    Booking.objects.update(starts_at=timezone.now() - HOUR)  # also when the time called off has passed

    ends(paid, staff)

    assert (booking().status, booking().choose_until) == (Booking.Status.CANCELLED, None)
    assert Refund.objects.get().amount_paise == 110_000
    assert Offer.objects.get().state == Offer.State.CLOSED
    assert [notice.facts["refund_paise"] for notice in mails("cancelled")] == [110_000]
    assert slots_to_choose(Payment.objects.get()) == []
    with pytest.raises(OfferClosed):
        choose(paid, near.pk)
    close_offer(paid.pk, "offer_expired", by=None)
    assert Refund.objects.count() == 1


def test_a_time_that_was_called_off_is_not_completed(paid, slot, service):
    slot_in(service, 10)
    move_all(slot, REASON, builders.make_superuser())
    Booking.objects.update(starts_at=timezone.now() - HOUR)
    assert not complete(booking())


def test_an_offer_of_late_money_and_one_of_the_temple_may_follow_each_other(alice, package, service, slot):
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    second = slot_in(service, 60)
    Slot.objects.filter(pk=slot.pk).update(starts_at=timezone.now() - HOUR)
    apply_status(payment.attempts.get().pk, completed(), "worker")
    choose(payment, second.pk)
    near = slot_in(service, 10)

    assert outcomes(move_all(second, REASON, builders.make_superuser())) == [Outcome.OFFERED]
    choose(payment, near.pk)

    assert booking().starts_at == near.starts_at
    assert sorted(Offer.objects.values_list("because", "state")) == [
        ("CALLED_OFF", "TAKEN"),
        ("LATE", "TAKEN"),
    ]


# --- Every move is told --------------------------------------------------------------------------


def test_every_move_is_told_also_to_a_time_that_was_known_before(paid, slot, service):
    """There and back, and there again."""
    here, there = slot_in(service, 60), slot_in(service, 80)
    told = []
    for source, target in ((slot, here), (here, there), (there, here), (here, there)):
        Slot.objects.update(is_open=True)
        assert outcomes(move_all(source, REASON, builders.make_superuser(), target)) == [Outcome.MOVED]
        told.append(target.starts_at)
    assert [datetime.fromisoformat(notice.facts["starts_at"]) for notice in mails("moved")] == told
    assert booking().moves == len(told)


# --- The same choice twice is one, another one is told ------------------------------------------


@pytest.fixture(params=["LATE", "CALLED_OFF"])
def chosen(request, alice, package, service, slot):
    """A payment whose customer has chosen the first of two times."""
    first, second = slot_in(service, 10), slot_in(service, 12)
    if request.param == "LATE":
        payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
        Slot.objects.filter(pk=slot.pk).update(starts_at=timezone.now() - HOUR)
        apply_status(payment.attempts.get().pk, completed(), "worker")
    else:
        payment = book(alice, package, slot)
        move_all(slot, REASON, builders.make_superuser())
    choose(payment, first.pk)
    return payment, first, second


def test_another_choice_after_the_first_is_told_what_stands(chosen):
    payment, first, second = chosen
    for again in (lambda: choose(payment, second.pk), lambda: decline(payment.pk, "offer_declined", by=None)):
        with pytest.raises(AlreadyChosen) as refused:
            again()
        assert refused.value.extra["starts_at"] == timezone.localtime(first.starts_at).isoformat()
    assert choose(payment, first.pk).pk == payment.pk
    assert (booking().starts_at, Refund.objects.count()) == (first.starts_at, 0)
    assert Payment.objects.get(pk=payment.pk).fulfilment == Fulfilment.BOOKED


# --- Whatever else the temple changes -----------------------------------------------------------


def test_a_slot_with_people_keeps_its_puja_and_its_time(paid, slot, service):
    slot.refresh_from_db()
    other = builders.make_service("Another puja")
    for name, value in (("starts_at", slot.starts_at + 3 * HOUR), ("service", other)):
        changed = Slot.objects.get(pk=slot.pk)
        setattr(changed, name, value)
        with pytest.raises(ValidationError):
            changed.full_clean()
    slot.capacity += 1
    slot.full_clean()


def test_nobody_is_moved_to_another_puja(paid, slot):
    foreign = slot_in(builders.make_service("Another puja"), 60)
    with pytest.raises(SlotGone), transaction.atomic():
        move(booking(), foreign, REASON)
    assert booking().starts_at == slot.starts_at


def test_what_was_bought_reads_as_it_was_whatever_the_catalogue_says_by_now(paid, api, alice):
    wire = api(alice).get(f"/api/booking/bookings/{booking().pk}/").json()
    PujaService.objects.update(title="Renamed", duration_minutes=5, is_active=False)
    Package.objects.update(location="Elsewhere", price_paise=100, priest_count=9, is_active=False)
    assert api(alice).get(f"/api/booking/bookings/{booking().pk}/").json() == wire
    assert cancel() == 110_000


# --- At the same moment -------------------------------------------------------------------------


def test_a_cancellation_that_waits_for_a_move_gives_everything_back(paid, slot, service):
    target = slot_in(service, 30)
    refund = while_uncommitted(
        lambda: move_all(slot, REASON, builders.make_superuser(), target),
        lambda: cancel_booking(booking(), "ill"),
    )
    assert refund.amount_paise == 110_000
    assert booking().status == Booking.Status.CANCELLED
    assert [Slot.objects.get(pk=each.pk).booked for each in (slot, target)] == [0, 0]


def test_a_move_that_waits_for_a_cancellation_finds_nobody(paid, slot, service):
    target = slot_in(service, 30)
    cleared = while_uncommitted(
        lambda: cancel_booking(booking(), "ill"),
        lambda: move_all(slot, REASON, builders.make_superuser(), target),
    )
    assert outcomes(cleared) in ([Outcome.ENDED], [])
    assert not mails("moved")
    assert Slot.objects.get(pk=target.pk).booked == 0


def test_of_a_choice_and_a_cancellation_at_once_one_counts(paid, slot, service):
    near = slot_in(service, 10)
    move_all(slot, REASON, builders.make_superuser())
    result = while_uncommitted(
        lambda: cancel_booking(booking(), "ill"), lambda: choose(Payment.objects.get(), near.pk)
    )
    assert isinstance(result, Conflict)
    assert (booking().status, Refund.objects.count()) == (Booking.Status.CANCELLED, 1)
    assert Slot.objects.get(pk=near.pk).booked == 0


def test_two_who_change_places_with_each_other_again_and_again_never_stop_each_other(paid, package, slot):
    """Each leaves the slot that the other wants: in two orders the database would end one of them."""
    other = builders.make_slot(slot.service, days=6, capacity=3)
    Slot.objects.filter(pk=slot.pk).update(capacity=3)
    theirs = book(builders.make_user(), package, other)

    def to_and_fro(payment: Payment, *slots: Slot) -> int:
        mine = Booking.objects.select_related("checkout__cart").get(checkout__payment=payment)
        return sum(moved(mine, target) for target in slots * 12)

    def moved(mine: Booking, target: Slot) -> bool:
        with transaction.atomic():
            return move(mine, target, REASON)

    answers = at_once(lambda: to_and_fro(paid, other, slot), lambda: to_and_fro(theirs, slot, other))

    assert answers == [24, 24]
    assert [Slot.objects.get(pk=each.pk).booked for each in (slot, other)] == [1, 1]
