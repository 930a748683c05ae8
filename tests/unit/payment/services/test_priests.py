"""Priests and customers hear who performs a puja; whatever becomes of the booking, its priest is told."""

import pytest
from django.urls import reverse
from django.utils import timezone

from booking.models import Assignment, Booking, Priest
from notifications.models import Notification
from notifications.sending import send
from payment.models import StateChange
from payment.services.booking_changes import move_booking
from payment.services.notification_delivery import attach, reason_to_drop
from payment.services.offers import choose
from payment.services.priests import assign_priest, unassign_priest
from payment.services.refunds.requests import cancel_booking
from payment.services.slot_closure import move_all, refund_all
from tests.harness import builders
from tests.unit.backoffice.sold import book

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = ("priest_assigned", "priest_moved", "priest_freed")


@pytest.fixture
def priest(db):
    return Priest.objects.create(
        name="Pandit Ravi", name_hi="पंडित रवि", email="ravi@example.com", language="hi"
    )


@pytest.fixture
def booking(alice, package, slot):
    return book(alice, package, slot.starts_at)


def told(email: str = "ravi@example.com") -> list[str]:
    return list(
        Notification.objects.filter(email=email, kind__in=KINDS).order_by("pk").values_list("kind", flat=True)
    )


def test_priest_and_customer_hear_of_it_once_and_the_case_says_who_did_it(booking, priest, staff, alice):
    for _ in range(2):
        assign_priest(booking, priest, staff)
    assert told() == ["priest_assigned"]
    assert Notification.objects.get(kind="priest_assigned").language == "hi"
    known = Notification.objects.get(kind="priest_known")
    assert (known.user, known.facts["priest"], known.facts["priest_hi"]) == (alice, "Pandit Ravi", "पंडित रवि")
    change = StateChange.objects.get(rule="priest_assigned")
    assert f"by user {staff.pk}" in change.detail


def reach(way, booking, slot, service, staff):
    """Ends or moves the booking on this way."""
    if way == "customer cancels":
        cancel_booking(booking, "ill")
    elif way == "staff refund it":
        cancel_booking(booking, "ill", by=staff, in_full=True)
    elif way == "the time is closed and refunded":
        refund_all(slot, "eclipse", staff)
    elif way == "the time is called off":
        near = builders.make_slot(service, days=0, hour=23)
        type(near).objects.filter(pk=near.pk).update(starts_at=timezone.now() + timezone.timedelta(hours=3))
        move_all(slot, "eclipse", staff)
    elif way == "staff take it away":
        unassign_priest(booking.assignments.get(), "ill", staff)


@pytest.mark.parametrize(
    "way",
    [
        "customer cancels",
        "staff refund it",
        "the time is closed and refunded",
        "the time is called off",
        "staff take it away",
    ],
)
def test_a_priest_is_freed_and_told_whatever_ends_the_booking(booking, priest, staff, slot, service, way):
    assign_priest(booking, priest, staff)
    reach(way, booking, slot, service, staff)
    row = Assignment.objects.get()
    assert (row.freed_at is None, row.news) == (False, "")
    assert told() == ["priest_assigned", "priest_freed"]


@pytest.mark.parametrize("way", ["customer", "temple"])
def test_a_priest_who_keeps_a_moved_booking_hears_the_new_time(booking, priest, staff, slot, service, way):
    assign_priest(booking, priest, staff)
    new = builders.make_slot(service, days=6)
    if way == "customer":
        move_booking(Booking.objects.get(pk=booking.pk), new.pk)
    else:
        move_all(slot, "eclipse", staff, to=new)
    assert told() == ["priest_assigned", "priest_moved"]
    facts = Notification.objects.get(kind="priest_moved").facts
    assert facts["starts_at"] == timezone.localtime(new.starts_at).isoformat()
    assert facts["moved_from"] == timezone.localtime(slot.starts_at).isoformat()


def test_what_has_changed_again_is_not_sent(booking, priest, staff, service):
    assign_priest(booking, priest, staff)
    first = Notification.objects.get(kind="priest_assigned")
    known = Notification.objects.get(kind="priest_known")
    assert reason_to_drop(first) == reason_to_drop(known) == ""
    assert attach(first).link.endswith(reverse("desk:my-day"))
    move_booking(Booking.objects.get(pk=booking.pk), builders.make_slot(service, days=6).pk)
    assert reason_to_drop(first) != ""
    unassign_priest(booking.assignments.get(), "ill", staff)
    freed = Notification.objects.get(kind="priest_freed")
    assert (reason_to_drop(freed), reason_to_drop(known)) == ("", "this priest does not come")
    assign_priest(Booking.objects.get(pk=booking.pk), priest, staff)
    assert reason_to_drop(freed) == "it is theirs again"


def test_a_priest_gets_more_mails_a_day_than_a_stranger_may(booking, priest, staff, settings, mailoutbox):
    settings.MAILS_PER_ADDRESS = 0
    assign_priest(booking, priest, staff)
    notification = Notification.objects.get(kind="priest_assigned")
    send(notification, attach)
    assert [mail.to for mail in mailoutbox] == [["ravi@example.com"]]
    assert booking.book_id in mailoutbox[0].body


def test_a_priest_without_an_address_is_told_nothing_and_assigned_all_the_same(booking, staff):
    silent = Priest.objects.create(name="Pandit Hari")
    assert assign_priest(booking, silent, staff).news in ("", "NEW")
    assert told("") == []


def test_their_calendar_reads_what_they_perform_by_a_secret_address(client, booking, priest, staff):
    from booking.services.priests import close_feed, open_feed  # noqa: PLC0415

    assign_priest(booking, priest, staff)
    address = reverse("priest-feed-file", args=[open_feed(priest)])
    answer = client.get(address)
    assert answer["Content-Type"].startswith("text/calendar")
    assert booking.book_id in answer.text
    cancel_booking(booking, "ill")
    assert booking.book_id not in client.get(address).text
    close_feed(priest)
    assert client.get(address).status_code == 404
    assert client.get(reverse("priest-feed-file", args=["made-up"])).status_code == 404


def test_an_offer_that_is_taken_leaves_the_priest_free(booking, priest, staff, slot, service):
    assign_priest(booking, priest, staff)
    reach("the time is called off", booking, slot, service, staff)
    other = builders.make_slot(service, days=6)
    choose(booking.checkout.payment, other.pk)
    assert not Assignment.objects.filter(freed_at=None).exists()
