"""A customer moves or cancels a booking by a link: what they are told is what happens, and no link works twice."""

import re
from datetime import timedelta

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from booking.models import Booking, Checkout, EarlierStart, Slot
from booking.services import move
from core.dates import spell_moment
from core.errors import InvalidField, Refusal
from notifications.models import Notification
from payment.models import LedgerEntry, Payment, Refund, StateChange
from payment.serializers.sentences import cancellation_sentence
from payment.services.booking_changes import (
    NotMovable,
    cancellation_now,
    find_move_problem,
    move_booking,
    times_to_move,
)
from payment.services.links import CHANGE, change_url, status_url
from payment.services.notification_delivery import attach
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import cancel_booking
from payment.services.slot_closure import move_all
from tests.harness import builders
from tests.harness.races import at_once
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def policy(settings):
    settings.REFUND_POLICY = [(72, 100), (48, 50)]
    settings.CUSTOMER_MOVES, settings.CUSTOMER_MOVE_HOURS = 2, 24


@pytest.fixture
def slot(service):
    return builders.make_slot(service, days=5, capacity=1)


@pytest.fixture
def later(service):
    return builders.make_slot(service, days=9, capacity=1)


@pytest.fixture
def booking(alice, package, slot) -> Booking:
    book(alice, package, slot)
    return Booking.objects.get()


def book(who, package, slot) -> Payment:
    payment = make_payment(builders.make_checkout(builders.make_cart(who, package, slot.starts_at)))
    return apply_status(payment.attempts.get().pk, completed(), "worker")


def path(url: str) -> str:
    return url.removeprefix("http://testserver")


def token(booking: Booking) -> str:
    return path(change_url(booking)).split("/")[2]


def api_of(booking: Booking, action: str = "") -> str:
    return f"/api/booking/changes/{token(booking)}/{action}"


def counts(*slots: Slot) -> list[tuple[int, int]]:
    return [Slot.objects.values_list("held", "booked").get(pk=slot.pk) for slot in slots]


def starts_in(booking: Booking, hours: float) -> None:
    Booking.objects.filter(pk=booking.pk).update(starts_at=timezone.now() + hours * HOUR)
    booking.refresh_from_db()


# --- What would go back now -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "paise", "lower_in"), [(100, 110_000, 28), (60, 55_000, 12), (47, 0, None), (0.1, 0, None)]
)
def test_what_is_told_is_what_a_cancellation_gives_back(booking, hours, paise, lower_in):
    starts_in(booking, hours)
    told = cancellation_now(booking)

    assert (told.refund_paise, told.paid_paise) == (paise, 110_000)
    expected = None if lower_in is None else timezone.now() + lower_in * HOUR
    assert told.until == expected or abs(told.until - expected) < timedelta(minutes=1)
    refund = cancel_booking(booking, "test")
    assert (refund.amount_paise if refund else 0) == paise


def test_after_the_moment_that_is_told_less_goes_back(booking, settings):
    starts_in(booking, 100)
    until = cancellation_now(booking).until
    ahead = booking.starts_at - until
    starts_in(booking, ahead / HOUR - 0.001)

    assert cancellation_now(booking).refund_paise == 55_000


def test_the_sentence_has_the_rupees_and_the_moment_in_both_languages(booking):
    starts_in(booking, 60)
    sentence = cancellation_sentence(cancellation_now(booking))

    with override("en"):
        assert "₹550.00 of ₹1,100.00" in str(sentence)
    with override("hi"):
        assert "₹550.00" in str(sentence)
    assert str(cancellation_sentence(None)) == "This booking cannot be cancelled any more."


@pytest.mark.parametrize("status", ["CANCELLED", "COMPLETED"])
def test_what_is_over_cannot_be_cancelled(booking, status):
    booking.status = status
    assert cancellation_now(booking) is None


def test_who_was_moved_by_the_temple_is_told_of_everything(booking, slot, service, staff):
    builders.make_slot(service, days=2, hour=9)
    move_all(slot, "the river has risen", staff)
    booking.refresh_from_db()

    assert cancellation_now(booking).refund_paise == 110_000


# --- Move -----------------------------------------------------------------------------------------


def test_a_move_takes_the_new_place_and_gives_the_old_one_back(booking, slot, later):
    before = booking.starts_at
    move_booking(booking, later.pk)

    assert (booking.starts_at, booking.own_moves, booking.moves) == (later.starts_at, 1, 0)
    assert counts(slot, later) == [(0, 0), (0, 1)]
    assert EarlierStart.objects.get().starts_at == before
    change = StateChange.objects.get(rule="moved_by_customer")
    assert (change.subject, change.before, change.after) == ("booking", "CONFIRMED", "CONFIRMED")
    assert Notification.objects.filter(kind="moved_by_customer").count() == 1
    assert not Refund.objects.exists()
    assert LedgerEntry.objects.count() == 1


def test_the_price_stays_whatever_the_package_costs_now(booking, later):
    package = booking.checkout.package
    type(package).objects.update(price_paise=999_900)
    move_booking(booking, later.pk)

    assert booking.checkout.total_paise == booking.checkout.payment.amount_paise == 110_000


def test_the_same_choice_twice_is_one_move(booking, later):
    move_booking(booking, later.pk)
    move_booking(booking, later.pk)

    assert booking.own_moves == 1
    assert Notification.objects.filter(kind="moved_by_customer").count() == 1


def test_nobody_gains_by_moving_before_they_cancel(booking, later):
    """Sixty hours ahead half goes back, after a move to next week too; and less when the first start comes near."""
    starts_in(booking, 60)
    move_booking(booking, later.pk)
    assert cancellation_now(booking).refund_paise == 55_000

    Booking.objects.update(terms_from=timezone.now() + 47 * HOUR)
    booking.refresh_from_db()
    assert cancellation_now(booking).refund_paise == 0
    assert cancel_booking(booking, "test") is None


def test_after_a_move_by_the_temple_the_policy_counts_anew(booking, later, service, staff):
    starts_in(booking, 60)
    move_booking(booking, later.pk)
    builders.make_slot(service, days=20)
    move_all(later, "the river has risen", staff)
    booking.refresh_from_db()

    assert booking.terms_from is None
    assert cancellation_now(booking).refund_paise == 110_000


def test_a_full_closed_or_foreign_time_changes_nothing(booking, slot, later):
    other = builders.make_slot(builders.make_service(), days=7)
    Slot.objects.filter(pk=later.pk).update(booked=1)
    closed = builders.make_slot(slot.service, days=6, is_open=False)
    for wanted, code in ((later, "slot_gone"), (closed, "slot_gone"), (other, "no_such_time")):
        with pytest.raises(Refusal) as refused:
            move_booking(booking, wanted.pk)
        assert refused.value.code == code

    booking.refresh_from_db()
    assert (booking.starts_at, booking.own_moves) == (slot.starts_at, 0)
    assert counts(slot, later) == [(0, 1), (0, 1)]


def test_moves_are_bounded_in_number_and_in_time(booking, service, later, settings):
    starts_in(booking, 23)
    assert find_move_problem(booking).code == "move_too_late"
    starts_in(booking, 25)
    move_booking(booking, later.pk)
    move_booking(booking, builders.make_slot(service, days=10).pk)
    with pytest.raises(NotMovable) as refused:
        move_booking(booking, builders.make_slot(service, days=11).pk)
    assert refused.value.code == "moves_used_up"

    Booking.objects.update(own_moves=0)
    booking.refresh_from_db()
    settings.CUSTOMER_MOVES = 0
    assert find_move_problem(booking).code == "moves_used_up"


def test_who_is_asked_to_choose_or_has_cancelled_does_not_move(booking, later):
    Booking.objects.update(choose_until=timezone.now() + HOUR)
    booking.refresh_from_db()
    assert find_move_problem(booking).code == "choose_first"

    cancel_booking(booking, "test")
    booking.refresh_from_db()
    assert find_move_problem(booking).code == "not_confirmed"


def test_a_puja_without_slots_moves_within_the_opening_hours(alice, slotless_service):
    package = slotless_service.packages.get()
    book(alice, package, Slot(starts_at=builders.in_days(5)))
    booking = Booking.objects.get()
    wanted = builders.in_days(6, hour=11)

    with pytest.raises(InvalidField) as refused:
        move_booking(booking, starts_at=builders.in_days(6, hour=3))
    assert "selected_time" in refused.value.detail
    move_booking(booking, starts_at=wanted)

    booking.refresh_from_db()
    assert booking.starts_at == wanted


@pytest.mark.parametrize("who", ["the customer", "the temple"])
def test_a_booking_from_before_its_puja_had_slots_gives_its_new_place_back(alice, slotless_service, who):
    start = (timezone.localtime() + timedelta(days=5)).replace(hour=10, minute=0, second=0, microsecond=0)
    cart = builders.make_cart(alice, builders.make_package(slotless_service), start)
    apply_status(make_payment(builders.make_checkout(cart)).attempts.get().pk, completed(), "worker")
    booking = Booking.objects.get()
    slot = builders.make_slot(slotless_service, days=8, capacity=1)
    if who == "the customer":
        move_booking(booking, slot.pk)
    else:
        assert move(booking, slot, "the priest is ill")
    slot.refresh_from_db()
    assert (slot.held, slot.booked, booking.checkout.hold.state) == (0, 1, "TAKEN")

    other = builders.make_slot(slotless_service, days=9, capacity=1)
    move_booking(booking, other.pk)
    assert Slot.objects.get(pk=slot.pk).booked == 0
    cancel_booking(booking, "test")
    assert Slot.objects.get(pk=other.pk).booked == 0


def test_the_times_to_choose_from_are_free_and_another(booking, slot, later, service):
    builders.make_slot(service, days=8, capacity=1, booked=1)
    builders.make_slot(service, days=8, hour=12, is_open=False)

    assert times_to_move(booking) == [later]


# --- The link -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_who_only_opens_the_link_changes_nothing(booking, later, method):
    """A program that looks through mails follows every link."""
    rows = list(Booking.objects.values())
    for url in (path(change_url(booking)), api_of(booking)):
        getattr(Client(), method)(url)

    assert list(Booking.objects.values()) == rows
    assert Client().get(api_of(booking, "cancel/")).status_code == 405
    assert not Refund.objects.exists()


def test_the_page_shows_what_goes_back_and_cancels_by_a_button(booking):
    ready = "<p>Please have flowers and a lamp ready.</p>"
    type(booking.checkout.puja_service).objects.update(preparation=ready)
    page = Client().get(path(change_url(booking))).content.decode()
    assert "₹1,100.00" in page
    assert ready in page

    answer = Client().post(path(change_url(booking)), {"action": "cancel"})

    assert answer.status_code == 303
    booking.refresh_from_db()
    assert booking.status == "CANCELLED"
    assert Refund.objects.get().amount_paise == 110_000
    assert "This booking is cancelled." in Client().get(answer.url).content.decode()


@pytest.mark.parametrize("wanted", ["action=cancel", "slot={slot}", "starts_at=2030-01-01T10:00", "slot=x"])
def test_what_the_page_asks_to_confirm_changes_nothing_yet(booking, later, wanted):
    rows = list(Booking.objects.values())
    page = Client().get(
        path(change_url(booking)), query_params=dict([wanted.format(slot=later.pk).split("=")])
    )

    assert page.status_code == 200
    assert list(Booking.objects.values()) == rows
    assert not Refund.objects.exists()


def test_each_time_and_the_cancellation_are_asked_about_before_they_are_done(booking, later):
    url = path(change_url(booking))
    listed = Client().get(url).content.decode()
    assert "<button" not in listed  # nothing is moved or cancelled by one tap
    assert f'href="?slot={later.pk}"' in listed
    assert 'href="?action=cancel"' in listed

    moving = Client().get(url, {"slot": later.pk}).content.decode()
    assert spell_moment(later.starts_at) in moving
    assert f'name="slot" value="{later.pk}"' in moving
    assert 'value="cancel"' not in moving
    cancelling = Client().get(url, {"action": "cancel"}).content.decode()
    assert "If you cancel now, all of it goes back to you: ₹1,100.00." in cancelling
    assert 'name="slot"' not in cancelling


def test_a_time_that_has_gone_meanwhile_is_not_asked_about(booking, later):
    Slot.objects.filter(pk=later.pk).update(held=later.capacity)
    page = Client().get(path(change_url(booking)), {"slot": later.pk}).content.decode()

    assert "This time is no longer available." in page
    assert "<button" not in page


def test_a_cancelled_booking_says_what_goes_back_and_what_has_gone_back(booking):
    url = path(change_url(booking))
    Client().post(url, {"action": "cancel"})
    assert "₹1,100.00 goes back to you." in Client().get(url).content.decode()
    Refund.objects.update(state="COMPLETED")
    assert "₹1,100.00 has gone back to you." in Client().get(url).content.decode()


def test_the_page_moves_by_a_button_and_leads_on_to_its_new_link(booking, later):
    old = path(change_url(booking))
    answer = Client().post(old, {"slot": later.pk})

    booking.refresh_from_db()
    assert booking.starts_at == later.starts_at
    assert (answer.status_code, answer.url) == (303, change_url(booking))


def test_a_used_link_shows_neither_the_new_time_nor_a_link(booking, later, service):
    old, another = path(change_url(booking)), builders.make_slot(service, days=10)
    move_booking(booking, later.pk)
    tried = [Client().get(old), Client().post(old, {"action": "cancel"})]
    tried += [Client().post(old, {"slot": slot.pk}) for slot in (another, later)]

    for answer in tried:
        page = answer.content.decode()
        assert answer.status_code == 409
        assert "This link has been used." in page
        assert booking.book_id not in page
        assert "/booking/" not in page
        assert "/calendar/" not in page
        assert spell_moment(later.starts_at) not in page
    booking.refresh_from_db()
    assert (booking.status, booking.own_moves) == ("CONFIRMED", 1)


def test_who_holds_the_change_link_is_not_told_the_home_address(api, alice, booking):
    Checkout.objects.update(puja_type="HOME")
    shared = Client().get(api_of(booking)).json()["calendar_url"]
    page = Client().get(path(change_url(booking))).content.decode()
    own = api(alice).get(f"/api/booking/bookings/{booking.pk}/changes/").json()["calendar_url"]

    home = booking.checkout.agreed_address.address_line1
    assert home in Client().get(path(own)).content.decode()
    for link in (shared, *re.findall(r'href="([^"]+/calendar/[^"]+)"', page)):
        answer = Client().get(path(link))
        assert answer.status_code == 200
        assert home not in answer.content.decode()


def test_a_click_that_arrives_twice_is_one_move(booking, later):
    url, body = api_of(booking, "move/"), {"slot": later.pk}
    answers = [Client().post(url, body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    booking.refresh_from_db()
    assert booking.own_moves == 1


def test_a_used_link_neither_moves_nor_cancels(booking, later, service):
    another = builders.make_slot(service, days=10)
    look, move, cancel = api_of(booking), api_of(booking, "move/"), api_of(booking, "cancel/")
    move_booking(booking, later.pk)

    answers = [Client().get(look), Client().post(move, {"slot": another.pk}), Client().post(cancel)]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(409, "link_used")}
    booking.refresh_from_db()
    assert (booking.status, booking.starts_at) == ("CONFIRMED", later.starts_at)
    assert Client().get(api_of(booking)).status_code == 200


def test_the_link_ends_with_the_puja(booking):
    url = api_of(booking)
    starts_in(booking, -0.01)

    assert Client().get(url).status_code == 404
    assert Client().post(f"{url}cancel/").status_code == 404


def test_links_of_other_purposes_open_nothing_here(booking):
    payment = booking.checkout.payment
    for forged in (
        path(status_url(payment)).split("/")[2],
        signing.dumps([booking.pk, 0], salt="booking.calendar"),
        token(booking)[:-1] + "x",
    ):
        assert Client().get(f"/api/booking/changes/{forged}/").status_code == 404
    assert Client().get(f"/pay/{token(booking)}/").status_code == 404
    assert signing.loads(token(booking), salt=CHANGE) == [booking.pk, 0]


def test_the_link_names_nobody(booking, alice):
    shown = (
        Client().get(api_of(booking)).content.decode()
        + Client().get(path(change_url(booking))).content.decode()
    )

    for secret in (alice.email, alice.last_name, alice.phone, "12 Temple Road"):
        assert secret not in shown


def test_the_answer_says_what_can_be_done(booking, later):
    told = Client().get(api_of(booking), headers={"Accept-Language": "hi"}).json()

    assert told["cancellation"]["refund"] == "1100.00"
    assert told["cancellation"]["message"].startswith(
        "If you cancel now, all of it goes back to you: ₹1,100.00."
    )
    assert [each["id"] for each in told["move"]["times"]] == [later.pk]
    assert (told["move"]["left"], told["move"]["is_possible"], told["move"]["any_time"]) == (2, True, False)


def test_its_owner_moves_it_without_a_link(api, alice, charlie, booking, later):
    url = f"/api/booking/bookings/{booking.pk}/"

    assert api(charlie).post(f"{url}move/", {"slot": later.pk}).status_code == 404
    moved = api(alice).post(f"{url}move/", {"slot": later.pk})
    assert moved.status_code == 200
    assert moved.json()["change_url"].startswith("http://testserver/booking/")
    assert "Temple+Road" in moved.json()["map_url"]
    assert api(alice).post(f"{url}move/", {}).json()["fields"].keys() == {"slot"}


def test_the_mail_about_a_move_has_the_new_link_and_the_calendar_file(booking, later):
    move_booking(booking, later.pk)
    attached = attach(Notification.objects.get(kind="moved_by_customer"))

    assert attached.change_link == change_url(booking)
    assert list(attached.files) == [f"{booking.book_id}.ics"]
    assert b"SEQUENCE:1\r\n" in attached.files[f"{booking.book_id}.ics"]


# --- Races ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_who_move_into_the_last_place_are_one(alice, charlie, package, slot, later):
    Slot.objects.filter(pk=slot.pk).update(capacity=2)
    book(alice, package, slot)
    book(charlie, package, slot)
    first, second = Booking.objects.order_by("pk")

    outcomes = at_once(lambda: try_move(first, later), lambda: try_move(second, later))

    assert sorted(getattr(outcome, "code", "moved") for outcome in outcomes) == ["moved", "slot_gone"]
    assert counts(slot, later) == [(0, 1), (0, 1)]


@pytest.mark.slow
def test_a_move_against_a_cancellation_leaves_no_place_taken_twice(booking, slot, later):
    at_once(lambda: try_move(booking, later), lambda: cancel_booking(Booking.objects.get(), "test"))

    assert counts(slot, later) == [(0, 0), (0, 0)]
    assert Refund.objects.count() == 1


@pytest.mark.slow
def test_a_move_against_the_closing_of_the_time_ends_in_one_open_time(booking, slot, later, service, staff):
    third = builders.make_slot(service, days=12, capacity=1)
    at_once(lambda: try_move(booking, later), lambda: move_all(later, "the river has risen", staff, to=third))

    booking.refresh_from_db()
    taken = [each for each in (slot, later, third) if counts(each) == [(0, 1)]]
    assert [each.starts_at for each in taken] == [booking.starts_at]
    assert booking.starts_at != later.starts_at


@pytest.mark.slow
def test_one_link_clicked_for_two_times_at_once_is_one_move(booking, later, service):
    other = builders.make_slot(service, days=11, capacity=1)
    url = api_of(booking, "move/")
    answers = at_once(
        lambda: Client().post(url, {"slot": later.pk}).status_code,
        lambda: Client().post(url, {"slot": other.pk}).status_code,
    )

    assert sorted(answers) == [200, 409]
    booking.refresh_from_db()
    assert booking.own_moves == 1


def try_move(booking: Booking, slot: Slot) -> Booking:
    return move_booking(Booking.objects.get(pk=booking.pk), slot.pk)


@pytest.mark.parametrize("typed", ["5/12/2026 10:00", "", "tomorrow", "2026-12-05T10:00+99:00"])
def test_a_time_that_cannot_be_read_is_told_on_the_page(booking, later, typed):
    answer = Client().post(path(change_url(booking)), {"starts_at": typed})

    assert 400 <= answer.status_code < 500
    assert answer.status_code != 404
    assert 'role="alert"' in answer.content.decode()
    assert Booking.objects.get(pk=booking.pk).starts_at == booking.starts_at
