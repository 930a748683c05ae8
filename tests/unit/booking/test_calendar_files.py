"""A booking as a calendar file, read back by a library that is not ours; and the feed of all bookings."""

from datetime import datetime, timedelta, timezone

import pytest
from django.test import Client
from icalendar import Calendar
from rest_framework.throttling import SimpleRateThrottle

from accounts.codes import digits, issue, log_in
from accounts.models import OneTimeCode, Session
from accounts.services import set_password
from accounts.session_ends import end_all
from booking.calendar_files import calendar_file
from booking.models import Booking, CalendarFeed, Checkout
from booking.services.calendar_feeds import open_feed, owner_of
from notifications.models import Notification
from notifications.sending import send
from payment.services.booking_changes import move_booking
from payment.services.links import calendar_url
from payment.services.notification_delivery import attach
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import cancel_booking
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

FEED = "/api/booking/calendar-feed/"


@pytest.fixture
def booking(alice, package, slot) -> Booking:
    return book(alice, package, slot)


def book(who, package, slot) -> Booking:
    payment = make_payment(builders.make_checkout(builders.make_cart(who, package, slot.starts_at)))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    return Booking.objects.get(checkout=payment.checkout)


def read(content: bytes) -> list:
    return list(Calendar.from_ical(content).walk("VEVENT"))


def event(booking: Booking, language: str = "en"):
    booking.refresh_from_db()
    return read(calendar_file([booking], language))[0]


def test_it_names_puja_place_and_time(booking):
    found = event(booking)

    assert found["SUMMARY"] == booking.checkout.puja_title
    assert found["LOCATION"] == "12 Temple Road, Patna, Bihar, 800001"
    assert found.decoded("DTSTART") == booking.starts_at
    assert found.decoded("DTEND") - found.decoded("DTSTART") == timedelta(minutes=90)
    assert (found["STATUS"], found["SEQUENCE"]) == ("CONFIRMED", 0)
    assert found["UID"] == f"{booking.book_id}@testserver"


def test_lines_end_and_are_folded_as_the_standard_says(booking):
    title = "श्री सत्यनारायण व्रत कथा; महापूजा, हवन \\ आरती " * 3
    Checkout.objects.update(puja_title=title[:150], puja_title_hi="")
    content = calendar_file(Booking.objects.select_related("checkout"), "en")

    lines = content.split(b"\r\n")
    assert lines[-1] == b""
    assert max(map(len, lines)) <= 75
    assert b"\n" not in b"".join(lines)
    for line in lines:
        line.decode()  # no character is cut
    assert read(content)[0]["SUMMARY"] == title[:150].strip()


def test_what_a_customer_wrote_begins_no_other_property(booking):
    Checkout.objects.update(address_line2="Flat 4\r\nATTENDEE:mailto:all@example.com")
    content = calendar_file(Booking.objects.select_related("checkout"), "en")

    assert b"\nATTENDEE" not in content
    assert "ATTENDEE" not in read(content)[0]


def test_in_hindi_it_has_the_names_in_hindi(booking):
    Checkout.objects.update(puja_title_hi="गृह प्रवेश", package_location_hi="पटना", puja_type="TEMPLE")
    found = event(Booking.objects.select_related("checkout").get(), "hi")

    assert (found["SUMMARY"], found["LOCATION"]) == ("गृह प्रवेश", "पटना")


def test_a_calendar_takes_each_change_as_one_of_the_same_event(booking, service):
    first = event(booking)
    move_booking(booking, builders.make_slot(service, days=6).pk)
    moved = event(booking)
    cancel_booking(booking, "test")
    cancelled = event(booking)

    assert first["UID"] == moved["UID"] == cancelled["UID"]
    assert [each["SEQUENCE"] for each in (first, moved, cancelled)] == [0, 1, 2]
    assert (moved.decoded("DTSTART"), cancelled["STATUS"]) == (booking.starts_at, "CANCELLED")


def test_a_time_that_was_called_off_is_tentative(booking):
    Booking.objects.update(choose_until=datetime.now(timezone.utc))
    assert event(booking)["STATUS"] == "TENTATIVE"


def test_its_owner_and_whoever_has_the_signed_link_get_the_file(api, alice, charlie, booking):
    own = f"/api/booking/bookings/{booking.pk}/calendar/"
    by_link = calendar_url(booking).removeprefix("http://testserver")

    for answer in (api(alice).get(own), Client().get(by_link)):
        assert answer["Content-Type"] == "text/calendar; charset=utf-8"
        assert answer["Content-Disposition"] == f'attachment; filename="{booking.book_id}.ics"'
        assert "no-store" in answer["Cache-Control"]
        assert read(answer.content)
    assert api(charlie).get(own).status_code == 404
    assert Client().get(f"{by_link[:-2]}x/").status_code == 404


def test_the_confirmation_mail_brings_the_file_as_it_is(booking, mailoutbox):
    send(Notification.objects.get(kind="booked"), attach)

    parts = {part.get_filename(): part for part in mailoutbox[0].message().walk() if part.get_filename()}
    part = parts[f"{booking.book_id}.ics"]
    assert part.get_content_type() == "text/calendar"
    assert part.get_content_charset() == "utf-8"
    booking = Booking.objects.select_related("checkout").get()
    assert part.get_payload(decode=True) == calendar_file([booking], "en")


# --- The feed -------------------------------------------------------------------------------------


def opened(client) -> str:
    return client.post(FEED).json()["url"].removeprefix("http://testserver")


def test_the_feed_has_all_bookings_of_its_owner_alone(api, alice, charlie, package, slot, booking):
    theirs = book(charlie, package, slot)
    cancel_booking(booking, "test")
    second = book(alice, package, slot)
    answer = Client().get(opened(api(alice)))

    found = {each["UID"].partition("@")[0]: each["STATUS"] for each in read(answer.content)}
    assert found == {booking.book_id: "CANCELLED", second.book_id: "CONFIRMED"}
    assert theirs.book_id not in answer.content.decode()


def test_the_secret_is_stored_nowhere_and_shown_once(api, alice, booking):
    client = api(alice)
    secret = opened(client).split("/")[3]

    assert len(secret) >= 43
    stored = CalendarFeed.objects.get()
    assert secret not in (stored.digest, str(stored))
    assert client.get(FEED).json() | {"created_at": ""} == {"is_open": True, "created_at": "", "url": None}


def test_a_new_address_ends_the_old_one_and_so_does_its_owner(api, alice, booking):
    client = api(alice)
    first, second = opened(client), opened(client)
    assert [Client().get(each).status_code for each in (first, second)] == [404, 200]

    assert client.delete(FEED).json()["is_open"] is False
    assert Client().get(second).status_code == 404
    assert client.delete(FEED).status_code == 200


def test_an_account_that_was_closed_has_no_feed(api, alice, booking):
    url = opened(api(alice))
    type(alice).objects.filter(pk=alice.pk).update(account_status="SUSPENDED")

    assert Client().get(url).status_code == 404


def log_out_everywhere(alice):
    end_all(alice, Session.EndedBecause.EVERYWHERE)


def change_the_password(alice):
    set_password(alice, "Another-strong-pass-881", field="new_password")


def take_the_account_over(alice):
    """By a code to the address, which a stranger registered before its owner came."""
    type(alice).objects.filter(pk=alice.pk).update(email_confirmed_at=None)
    code = issue(alice, OneTimeCode.Purpose.LOGIN)
    log_in(alice.email, digits(code), "203.0.113.5")


@pytest.mark.parametrize("end", [log_out_everywhere, change_the_password, take_the_account_over])
def test_the_feed_ends_with_the_logins_of_its_person(api, alice, booking, end):
    url = opened(api(alice))
    end(alice)

    assert Client().get(url).status_code == 404
    alice.refresh_from_db()
    assert api(alice).get(FEED).json()["is_open"] is False
    assert Client().get(opened(api(alice))).status_code == 200


def test_a_feed_that_is_opened_while_the_logins_end_is_worthless(alice):
    former = type(alice).objects.get(pk=alice.pk)
    end_all(alice, Session.EndedBecause.EVERYWHERE)
    assert owner_of(open_feed(former)) is None


def test_guesses_are_counted(monkeypatch, booking):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "calendar", "2/min")
    codes = [Client().get(f"/calendar/feed/guess-{number}/").status_code for number in range(3)]

    assert codes == [404, 404, 429]


def test_the_feed_takes_as_many_queries_for_many_bookings(
    api, alice, package, slot, booking, django_assert_num_queries
):
    url = opened(api(alice))
    with django_assert_num_queries(3):
        Client().get(url)
    type(slot).objects.update(capacity=9)
    for _ in range(3):
        book(alice, package, slot)
    with django_assert_num_queries(3):
        Client().get(url)
