"""A full time: who has waited longest gets the next place, held for them for a while, and nobody else gets it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Booking, Checkout, Slot, SlotHold, WaitingEntry
from booking.services import forget_networks
from booking.services.openings import Period, close_periods, set_hours
from booking.services.places import SlotFull, close, free_slots, lead_time, page_life
from booking.services.waiting_list import (
    MOST_AT_ONCE,
    MOST_OFFERS,
    NOTICE,
    NotWaited,
    OfferOver,
    accept,
    end_offer,
    join,
    leave,
    offer_place,
)
from notifications.messages import write
from notifications.models import Notification
from payment.services.booking_changes import move_booking
from payment.services.notification_delivery import reason_to_drop
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import cancel_booking
from tests.harness import builders, invariants
from tests.harness.races import at_once
from tests.unit.payment.builders import completed, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/booking/waiting/"


@pytest.fixture
def charlie(charlie):
    charlie.email_confirmed_at = timezone.now()
    charlie.save()
    return charlie


@pytest.fixture
def slot(service):
    return builders.make_slot(service, capacity=1)


@pytest.fixture
def sold(package, slot) -> Booking:
    """The only place of the slot."""
    checkout = builders.make_checkout(builders.make_cart(builders.make_user(), package, slot.starts_at))
    apply_status(make_payment(checkout).attempts.get().pk, completed(), "worker")
    return Booking.objects.get(checkout=checkout)


@pytest.fixture(autouse=True)
def places_add_up():
    yield
    law = invariants.LAWS["held and booked places are those of the holds"]
    assert invariants.query(law) == []


def work() -> None:
    run_due(["waiting_offers", "waiting"])


def confirmed():
    return builders.make_user(email_confirmed_at=timezone.now())


def states() -> list[str]:
    return list(WaitingEntry.objects.order_by("pk").values_list("state", flat=True))


def numbers(slot: Slot) -> tuple[int, int]:
    return Slot.objects.values_list("held", "booked").get(pk=slot.pk)


def test_who_has_waited_longest_is_offered_the_place_that_becomes_free(alice, charlie, package, slot, sold):
    join(charlie, slot.pk, package.pk)
    join(alice, slot.pk, package.pk)
    work()
    assert states() == ["WAITING", "WAITING"]

    cancel_booking(sold, "test")
    work()
    work()

    assert states() == ["OFFERED", "WAITING"]
    assert numbers(slot) == (1, 0)


def test_they_are_told_until_when_the_place_is_kept(alice, package, slot, sold, settings):
    settings.WAITING_OFFER_MINUTES = 30
    entry = join(alice, slot.pk, package.pk)
    cancel_booking(sold, "test")
    work()
    told = Notification.objects.get(kind="waiting_offer")

    entry.refresh_from_db()
    assert told.facts["until"] == timezone.localtime(entry.offered_until).isoformat()
    assert abs(entry.offered_until - timezone.now() - timedelta(minutes=30)) < timedelta(minutes=1)
    assert reason_to_drop(told) == ""
    leave(entry)
    assert reason_to_drop(told) == "the place is not kept any more"


def offer_then_reopen(person, package, slot, sold):
    """They wait and get an offer; then staff close the time and open it again."""
    join(person, slot.pk, package.pk)
    cancel_booking(sold, "test")
    work()
    close(slot)
    Slot.objects.filter(pk=slot.pk).update(is_open=True)
    work()


def test_an_offer_that_is_made_again_is_told_with_its_new_end_only(alice, package, slot, sold):
    offer_then_reopen(alice, package, slot, sold)
    old, new = Notification.objects.filter(kind="waiting_offer").order_by("pk")

    assert states() == ["OFFERED"]
    assert (reason_to_drop(old), reason_to_drop(new)) == ("the place is not kept any more", "")


def test_an_offer_that_is_made_again_until_the_same_moment_is_a_message_of_its_own(
    alice, package, slot, sold
):
    """So near the start that both end with the last moment at which the place can be sold."""
    soon = timezone.now() + NOTICE + timedelta(minutes=5)
    Slot.objects.filter(pk=slot.pk).update(starts_at=soon.replace(second=0, microsecond=0))
    offer_then_reopen(alice, package, slot, sold)
    old, new = Notification.objects.filter(kind="waiting_offer").order_by("pk")

    assert old.facts["until"] == new.facts["until"]
    assert (reason_to_drop(old), reason_to_drop(new)) == ("the place is not kept any more", "")


def test_nobody_else_gets_it_before_or_after_the_offer(alice, charlie, package, slot, sold):
    join(alice, slot.pk, package.pk)
    cancel_booking(sold, "test")
    assert not free_slots(package.puja_service_id, timezone.now()).exists()
    with pytest.raises(SlotFull):
        builders.make_checkout(builders.make_cart(charlie, package, slot.starts_at))
    work()
    with pytest.raises(SlotFull):
        builders.make_cart(builders.make_user(), package, slot.starts_at)


def test_the_offered_place_becomes_their_booking(alice, package, slot, sold):
    entry = join(alice, slot.pk, package.pk)
    cancel_booking(sold, "test")
    work()
    cart = accept(entry)
    assert numbers(slot) == (1, 0)

    checkout = builders.make_checkout(cart)
    assert (states(), numbers(slot)) == (["TAKEN"], (1, 0))
    assert SlotHold.objects.get(checkout=checkout).state == "HELD"
    payment = make_payment(checkout)
    apply_status(payment.attempts.get().pk, completed(), "worker")
    assert numbers(slot) == (0, 1)
    work()
    assert states() == ["TAKEN"]


def test_who_does_not_pay_leaves_the_place_to_the_next_one(alice, charlie, package, slot, sold):
    first, _second = join(alice, slot.pk, package.pk), join(charlie, slot.pk, package.pk)
    cancel_booking(sold, "test")
    work()
    WaitingEntry.objects.filter(pk=first.pk).update(offered_until=timezone.now() - timedelta(seconds=1))
    work()

    assert states() == ["PASSED", "OFFERED"]
    assert numbers(slot) == (1, 0)
    with pytest.raises(OfferOver):
        accept(first)


def test_a_hold_that_ends_unpaid_is_passed_on_too(alice, charlie, package, slot):
    checkout = builders.make_checkout(builders.make_cart(charlie, package, slot.starts_at))
    make_payment(checkout, state="FAILED")
    join(alice, slot.pk, package.pk)
    SlotHold.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    run_due(["holds"])
    work()

    assert states() == ["OFFERED"]
    assert Checkout.objects.get().pk == checkout.pk


@pytest.mark.parametrize("offered", [False, True])
def test_who_leaves_waits_no_more_and_gives_the_place_back(alice, package, slot, sold, offered):
    entry = join(alice, slot.pk, package.pk)
    if offered:
        cancel_booking(sold, "test")
        work()
    leave(entry)
    leave(entry)

    assert states() == ["LEFT"]
    assert numbers(slot) == ((0, 0) if offered else (0, 1))


def close_by_hand(slot: Slot) -> None:
    close(slot)


def close_the_day(slot: Slot) -> None:
    day = timedelta(days=1)
    close_periods([Period(slot.starts_at - day, slot.starts_at + day, slot.service_id, "flood")], None)


def open_at_no_hour(slot: Slot) -> None:
    set_hours(slot.service_id, {day: [] for day in range(1, 8)})


def untick_open(slot: Slot) -> None:
    """As the admin and SQL do."""
    Slot.objects.filter(pk=slot.pk).update(is_open=False)


@pytest.mark.parametrize(
    ("how", "offered"),
    [
        *((how, False) for how in (close_by_hand, close_the_day, open_at_no_hour, untick_open)),
        *((how, True) for how in (close_by_hand, close_the_day, open_at_no_hour)),
    ],
)
def test_closing_a_time_ends_its_list_and_tells_everybody_on_it(
    alice, charlie, package, slot, sold, how, offered
):
    join(alice, slot.pk, package.pk)
    join(charlie, slot.pk, package.pk)
    if offered:
        cancel_booking(sold, "test")
        work()
        assert states() == ["OFFERED", "WAITING"]
    how(slot)
    work()

    assert states() == ["PASSED", "PASSED"]
    assert numbers(slot) == ((0, 0) if offered else (0, 1))
    told = Notification.objects.filter(kind="waiting_over")
    assert {each.user for each in told} == {alice, charlie}
    for text in (write(each).text for each in told):
        assert "This time is closed now, and nobody can book it any more." in text
        assert package.puja_service.title in text


def test_a_time_that_is_opened_again_at_once_keeps_its_list(alice, package, slot, sold):
    offer_then_reopen(alice, package, slot, sold)

    assert states() == ["OFFERED"]
    assert numbers(slot) == (1, 0)
    assert not Notification.objects.filter(kind="waiting_over").exists()


def test_a_place_that_becomes_free_too_late_is_offered_to_nobody(alice, package, slot, sold):
    join(alice, slot.pk, package.pk)
    cancel_booking(sold, "test")
    Slot.objects.filter(pk=slot.pk).update(
        starts_at=(timezone.now() + timedelta(minutes=30)).replace(second=0, microsecond=0)
    )
    work()

    assert states() == ["PASSED"]
    assert not Notification.objects.filter(kind="waiting_offer").exists()


def test_one_waits_once_for_a_full_time_and_for_few_of_them(alice, package, slot, sold, service):
    assert join(alice, slot.pk, package.pk) == join(alice, slot.pk, package.pk)
    free = builders.make_slot(service, days=5)
    full = [builders.make_slot(service, days=6 + day, capacity=1) for day in range(MOST_AT_ONCE)]
    Slot.objects.filter(pk__in=[each.pk for each in full]).update(is_open=True, capacity=1)
    with pytest.raises(NotWaited) as refused:
        join(alice, free.pk, package.pk)
    assert refused.value.code == "time_free"

    for each in full:
        checkout = builders.make_checkout(builders.make_cart(builders.make_user(), package, each.starts_at))
        assert checkout.hold.state == "HELD"
    for each in full[:-1]:
        join(alice, each.pk, package.pk)
    with pytest.raises(NotWaited) as refused:
        join(alice, full[-1].pk, package.pk)
    assert refused.value.code == "waiting_too_often"


def test_by_the_api(api, alice, charlie, package, slot, sold):
    made = api(alice).post(URL, {"slot": slot.pk, "package_id": package.pk})
    assert made.status_code == 201
    entry = f"{URL}{made.json()['id']}/"
    assert api(charlie).post(f"{entry}accept/").status_code == 404
    assert api(alice).post(f"{entry}accept/").json()["code"] == "waiting_over"

    cancel_booking(sold, "test")
    work()
    listed = api(alice).get(URL).json()
    assert [(each["state"], each["slot"]) for each in listed] == [("OFFERED", slot.pk)]
    cart = api(alice).post(f"{entry}accept/")
    assert cart.status_code == 200
    assert cart.json()["total_price"] == "1100.00"
    assert api(alice).delete(entry).status_code == 204
    assert api(alice).get(URL).json() == []
    assert api(alice).post(URL, {"slot": 0, "package_id": "x"}).status_code == 400


@pytest.fixture
def pair(package, service) -> tuple[Slot, list[Booking]]:
    """A full time with two places, and their bookings."""
    slot = builders.make_slot(service, days=6, capacity=2)
    for _ in range(2):
        checkout = builders.make_checkout(builders.make_cart(builders.make_user(), package, slot.starts_at))
        apply_status(make_payment(checkout).attempts.get().pk, completed(), "worker")
    return slot, list(Booking.objects.all())


def test_who_accepts_their_offer_takes_that_place_though_another_is_free(alice, charlie, package, pair):
    slot, sold = pair
    entry = join(alice, slot.pk, package.pk)
    cancel_booking(sold[0], "test")
    work()
    cancel_booking(sold[1], "test")
    checkout = builders.make_checkout(accept(entry))
    assert (states(), numbers(slot)) == (["TAKEN"], (1, 0))

    apply_status(make_payment(checkout).attempts.get().pk, completed(), "worker")
    assert numbers(slot) == (0, 1)
    assert builders.make_checkout(builders.make_cart(charlie, package, slot.starts_at)).hold.state == "HELD"


def test_who_moves_a_booking_to_the_offered_time_takes_the_offered_place(alice, package, pair, service):
    slot, sold = pair
    before = builders.make_slot(service, days=9)
    checkout = builders.make_checkout(builders.make_cart(alice, package, before.starts_at))
    apply_status(make_payment(checkout).attempts.get().pk, completed(), "worker")
    join(alice, slot.pk, package.pk)
    cancel_booking(sold[0], "test")
    work()
    move_booking(checkout.booking, slot.pk)
    assert (states(), numbers(slot), numbers(before)) == (["TAKEN"], (0, 2), (0, 0))


def test_a_list_ends_when_its_time_cannot_be_bought_any_more(alice, charlie, package, slot, sold):
    join(alice, slot.pk, package.pk)
    join(charlie, slot.pk, package.pk)
    assert run_due(["late_waiting"]) == 0
    near = (timezone.now() + timedelta(minutes=5)).replace(second=0, microsecond=0)
    Slot.objects.filter(pk=slot.pk).update(starts_at=near)

    assert run_due(["late_waiting"]) == 1
    assert states() == ["PASSED", "PASSED"]
    assert run_due(["late_waiting"]) == 0
    told = Notification.objects.filter(kind="waiting_over")
    assert {each.user for each in told} == {each for each in (alice, charlie) if each.email_confirmed_at}


def test_times_that_are_over_keep_nobody_from_waiting_for_another(alice, package, service):
    full = [builders.make_slot(service, days=6 + day, capacity=1) for day in range(MOST_AT_ONCE + 1)]
    Slot.objects.filter(pk__in=[each.pk for each in full]).update(held=1)
    for each in full[:-1]:
        join(alice, each.pk, package.pk)
    Slot.objects.filter(pk=full[0].pk).update(starts_at=timezone.now() - timedelta(days=1))
    assert join(alice, full[-1].pk, package.pk).state == "WAITING"
    Slot.objects.update(held=0)


def test_only_who_has_shown_that_mail_reaches_them_waits(alice, package, slot, sold):
    type(alice).objects.update(email_confirmed_at=None)
    alice.refresh_from_db()
    with pytest.raises(NotWaited) as refused:
        join(alice, slot.pk, package.pk)
    assert refused.value.code == "email_not_confirmed"


def test_few_new_customers_of_one_network_wait_and_it_is_forgotten(alice, package, slot, sold, settings):
    settings.HOLDS_PER_NETWORK = 1
    here = "203.0.113.7"
    first = [join(confirmed(), slot.pk, package.pk, here) for _ in range(3)]
    with pytest.raises(NotWaited) as refused:
        join(confirmed(), slot.pk, package.pk, here)
    assert refused.value.code == "waiting_too_often"
    type(alice).objects.update(email_confirmed_at=timezone.now())
    sold.user.refresh_from_db()
    assert join(sold.user, slot.pk, package.pk, here).state == "WAITING"  # has a booking
    assert join(confirmed(), slot.pk, package.pk, "198.51.100.9").state == "WAITING"
    assert join(confirmed(), slot.pk, package.pk).state == "WAITING"
    leave(first[0])
    leave(first[1])
    assert join(alice, slot.pk, package.pk, here).state == "WAITING"

    assert here not in "".join(WaitingEntry.objects.values_list("network", flat=True))
    forget_networks(timezone.now())
    assert [
        each.network == "" for each in WaitingEntry.objects.filter(pk__in=[each.pk for each in first])
    ] == [*(True, True, False)]


@pytest.mark.parametrize(("hours", "minutes"), [(200, 60), (6.5, 27), (2, 10)])
def test_the_nearer_the_start_the_shorter_is_the_offer(alice, package, slot, sold, settings, hours, minutes):
    settings.WAITING_OFFER_MINUTES, settings.BOOKING_LEAD_MINUTES = 60, 60
    entry = join(alice, slot.pk, package.pk)
    cancel_booking(sold, "test")
    sellable = timedelta(hours=hours) - page_life() - lead_time()
    Slot.objects.filter(pk=slot.pk).update(starts_at=timezone.now() + timedelta(hours=hours))
    now = timezone.now()
    offer_place(entry.pk, now)

    entry.refresh_from_db()
    length = entry.offered_until - now
    assert timedelta(minutes=9) < length <= timedelta(minutes=minutes)
    assert MOST_OFFERS * length < sellable


def test_after_three_offers_that_nobody_took_the_place_goes_to_everybody(charlie, package, slot, sold):
    for _ in range(MOST_OFFERS + 2):
        join(confirmed(), slot.pk, package.pk)
    cancel_booking(sold, "test")
    for _ in range(MOST_OFFERS):
        work()
        assert states().count("OFFERED") == 1
        WaitingEntry.objects.filter(state="OFFERED").update(
            offered_until=timezone.now() - timedelta(seconds=1)
        )
    work()

    assert set(states()) == {"PASSED"}
    assert numbers(slot) == (0, 0)
    assert builders.make_checkout(builders.make_cart(charlie, package, slot.starts_at)).hold.state == "HELD"
    told = Notification.objects.filter(kind="waiting_over")
    assert {each.facts["is_free"] for each in told} == {True}
    assert {each.user_id for each in told} == {
        each.user_id for each in WaitingEntry.objects.filter(offered_until=None)
    }
    assert len(told) == 2


def test_who_takes_an_offer_keeps_the_list_going(package, slot, sold):
    for _ in range(MOST_OFFERS + 1):
        join(confirmed(), slot.pk, package.pk)
    WaitingEntry.objects.filter(pk=WaitingEntry.objects.earliest("pk").pk).update(
        state="TAKEN", offered_until=timezone.now() + timedelta(hours=2)
    )
    cancel_booking(sold, "test")
    for _ in range(MOST_OFFERS - 1):
        work()
        WaitingEntry.objects.filter(state="OFFERED").update(
            offered_until=timezone.now() - timedelta(seconds=1)
        )
    work()
    assert states() == ["TAKEN", "PASSED", "PASSED", "OFFERED"]


# --- Races ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_place_is_offered_once_however_many_workers_look(alice, charlie, package, slot, sold):
    first, second = join(alice, slot.pk, package.pk), join(charlie, slot.pk, package.pk)
    cancel_booking(sold, "test")
    now = timezone.now()
    at_once(*(lambda pk=pk: offer_place(pk, now) for pk in (first.pk, second.pk, first.pk, second.pk)))

    assert states() == ["OFFERED", "WAITING"]
    assert numbers(slot) == (1, 0)


@pytest.mark.slow
def test_taking_against_the_end_of_the_offer_leaves_one_place(alice, package, slot, sold):
    entry = join(alice, slot.pk, package.pk)
    cancel_booking(sold, "test")
    work()
    cart = accept(entry)
    later = timezone.now() + timedelta(days=1)
    at_once(lambda: builders.make_checkout(cart), lambda: end_offer(entry.pk, later))

    held, booked = numbers(slot)
    assert (held, booked) in ((1, 0), (0, 0))
    assert held == SlotHold.objects.filter(state="HELD").count()


@pytest.mark.slow
def test_a_newcomer_against_the_offer_gets_no_place(alice, charlie, package, slot, sold):
    cart = builders.make_cart(charlie, package, builders.make_slot(package.puja_service, days=8).starts_at)
    Slot.objects.filter(pk=slot.pk).update(is_open=True)
    entry = join(alice, slot.pk, package.pk)
    cancel_booking(sold, "test")
    cart = type(cart).objects.get(pk=cart.pk)
    start = timezone.localtime(slot.starts_at)
    type(cart).objects.filter(pk=cart.pk).update(selected_date=start.date(), selected_time=start.time())
    cart.refresh_from_db()

    _offer, refusal = at_once(
        lambda: offer_place(entry.pk, timezone.now()), lambda: builders.make_checkout(cart)
    )

    assert getattr(refusal, "code", refusal) == "slot_full"
    assert states() == ["OFFERED"]


@pytest.mark.slow
def test_two_who_check_out_beside_a_free_place_take_the_offer_and_the_free_one(alice, charlie, package, pair):
    slot, sold = pair
    newcomer = builders.make_cart(charlie, package, builders.make_slot(slot.service, days=8).starts_at)
    entry = join(alice, slot.pk, package.pk)
    cancel_booking(sold[0], "test")
    work()
    cancel_booking(sold[1], "test")
    start = timezone.localtime(slot.starts_at)
    type(newcomer).objects.filter(pk=newcomer.pk).update(
        selected_date=start.date(), selected_time=start.time()
    )
    newcomer.refresh_from_db()
    cart = accept(entry)
    at_once(lambda: builders.make_checkout(cart), lambda: builders.make_checkout(newcomer))

    assert (states(), numbers(slot)) == (["TAKEN"], (2, 0))
    assert SlotHold.objects.filter(slot=slot, state="HELD").count() == 2
