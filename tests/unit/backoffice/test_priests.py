"""The pages about priests: who performs what, and a priest's own day, which is nobody else's."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from booking.models import Assignment, Checkout, Priest, PriestLeave, Slot
from payment.services.priests import assign_priest
from tests.harness import builders
from tests.unit.backoffice.sold import book

pytestmark = pytest.mark.django_db(transaction=True)
PRIESTS, ADD, DAY, MINE = (
    reverse(f"desk:{name}") for name in ("priests", "add-priest", "day-sheet", "my-day")
)


@pytest.fixture
def coordinator(desk):
    return desk("Coordinator")


@pytest.fixture
def priest(service):
    made = Priest.objects.create(name="Pandit Ravi", email="ravi@example.com")
    made.services.add(service)
    return made


@pytest.fixture
def booking(alice, package, slot):
    made = book(alice, package, slot.starts_at)
    Checkout.objects.update(devotee_names="Asha, Ravi", gotra="Kashyap", wishes="For peace")
    return made


def day_of(booking) -> str:
    return timezone.localdate(booking.starts_at).isoformat()


def details(service, **more) -> dict:
    return {
        "name": "Pandit Hari",
        "email": "hari@example.com",
        "phone": "98765 43210",
        "language": "hi",
        "is_active": "on",
        "services": [service.pk],
        "languages": ["HINDI", "SANSKRIT"],
        "days": [1, 3],
        "free_from": "06:00",
        "free_until": "14:00",
        **more,
    }


def test_a_priest_is_added_and_changed_on_one_page(coordinator, service):
    coordinator.post(ADD, details(service))
    made = Priest.objects.get()
    assert [each.title for each in made.services.all()] == [service.title]
    assert [each.language for each in made.languages.all()] == ["HINDI", "SANSKRIT"]
    assert [(span.weekday, span.begins.hour) for span in made.hours.all()] == [(1, 6), (3, 6)]
    address = reverse("desk:priest", args=[made.pk])
    page = coordinator.get(address).text
    assert 'value="06:00"' in page
    coordinator.post(address, details(service, languages=["HINDI"], days=[], free_from="", free_until=""))
    assert (made.languages.count(), made.hours.count()) == (1, 0)


def test_a_form_of_an_older_release_adds_another_priest(coordinator, service):
    """Without the field by which a double click is known."""
    first = Priest.objects.create(name="Pandit Ram")
    coordinator.post(ADD, details(service))
    coordinator.post(ADD, details(service, name="Pandit Shiv"))
    assert {*Priest.objects.values_list("name", flat=True)} == {first.name, "Pandit Hari", "Pandit Shiv"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"name": ""}, "required"),
        ({"email": "x"}, "valid email"),
        ({"phone": "12"}, "errorlist"),
        ({"free_until": ""}, "Give both times"),
        ({"free_until": "05:00"}, "must end after"),
        ({"services": [0]}, "not one of the available choices"),
        ({"login": "nobody@example.com"}, "No account of staff in the group Priest"),
    ],
)
def test_what_cannot_be_meant_is_named_and_not_stored(coordinator, service, change, error):
    answer = coordinator.post(ADD, details(service, **change))
    assert (answer.status_code, Priest.objects.count()) == (200, 0)
    assert error in answer.text


def test_a_booking_gets_its_priest_in_two_clicks_and_is_off_the_list(coordinator, booking, priest):
    assert booking.book_id in coordinator.get(PRIESTS).text
    address = reverse("desk:assign-priest", args=[booking.book_id])
    assert "knows the puja" in coordinator.get(address).text
    assert not Assignment.objects.exists()
    coordinator.post(address, {"priest": priest.pk})
    assert Assignment.objects.get().priest == priest
    assert booking.book_id not in coordinator.get(PRIESTS).text


def test_a_priest_who_is_busy_is_not_offered_and_a_click_all_the_same_is_refused(
    coordinator, booking, priest, package, staff
):
    other = book(builders.make_user(), package, booking.starts_at)
    assign_priest(other, priest, staff)
    address = reverse("desk:assign-priest", args=[booking.book_id])
    page = coordinator.get(address).text
    assert "has another puja" in page
    assert f'value="{priest.pk}"' not in page
    assert "performs another puja" in coordinator.post(address, {"priest": priest.pk}, follow=True).text
    for wrong in ("0", "x", "9" * 30):
        assert coordinator.post(address, {"priest": wrong}).status_code == 404


def test_a_booking_is_taken_away_with_a_reason(coordinator, booking, priest, staff):
    assignment = assign_priest(booking, priest, staff)
    address = reverse("desk:unassign-priest", args=[assignment.pk])
    assert coordinator.get(address).status_code == 200
    assert "required" in coordinator.post(address, {"reason": ""}).text
    coordinator.post(address, {"reason": "ill"})
    assignment.refresh_from_db()
    assert (assignment.freed_at is None, assignment.freed_because) == (False, "ill")


def test_leave_names_what_is_theirs_and_can_be_ended(coordinator, booking, priest, staff):
    assign_priest(booking, priest, staff)
    address = reverse("desk:priest-leave", args=[priest.pk])
    asked = {"first": day_of(booking), "last": day_of(booking), "reason": "wedding"}
    assert "1 booking is theirs" in coordinator.post(address, asked, follow=True).text
    assert "on leave" in coordinator.get(reverse("desk:priest", args=[priest.pk])).text
    coordinator.post(address, {"end": PriestLeave.objects.get().pk, "sure": "1"})
    assert not PriestLeave.objects.exists()


def test_the_address_of_a_calendar_is_shown_once_and_renewed(coordinator, priest):
    address = reverse("desk:priest-feed", args=[priest.pk])
    first, second = (coordinator.post(address, {"sure": "1"}).context["url"] for _ in range(2))
    assert (Client().get(first).status_code, Client().get(second).status_code) == (404, 200)
    assert second not in coordinator.get(address).text
    coordinator.post(address, {"end": "1", "sure": "1"})
    assert Client().get(second).status_code == 404


def test_the_day_sheet_says_what_the_priest_must_know(coordinator, booking, priest, staff, alice):
    assign_priest(booking, priest, staff)
    for asked in ({}, {"priest": priest.pk}):
        page = coordinator.get(DAY, {"day": day_of(booking), **asked}).text
        for word in ("Asha, Ravi", "Kashyap", "For peace", booking.book_id):
            assert word in page
    other = Priest.objects.create(name="Pandit Hari")
    assert booking.book_id not in coordinator.get(DAY, {"day": day_of(booking), "priest": other.pk}).text


def test_a_priest_sees_their_own_day_and_no_other_page(booking, priest, staff, package):
    login = builders.make_staff("Priest")
    client = Client()
    client.force_login(login)
    assert "No priest is linked" in client.get(MINE).text
    Priest.objects.filter(pk=priest.pk).update(user=login)
    assign_priest(booking, priest, staff)
    stranger = book(builders.make_user(), package, booking.starts_at + timedelta(hours=4))
    assign_priest(stranger, Priest.objects.create(name="Pandit Hari"), staff)
    page = client.get(MINE, {"day": day_of(booking), "priest": "2"}).text
    assert booking.book_id in page
    assert stranger.book_id not in page
    assign = reverse("desk:assign-priest", args=[booking.book_id])
    for closed in (PRIESTS, DAY, ADD, assign, reverse("desk:priest-feed", args=[priest.pk])):
        assert client.get(closed).status_code == 403


def test_support_sees_priests_and_changes_nothing(desk, booking, priest):
    support = desk("Support")
    page = support.get(PRIESTS).text
    assert booking.book_id in page
    for hidden in (ADD, reverse("desk:assign-priest", args=[booking.book_id])):
        assert hidden not in page
        assert support.get(hidden).status_code == 403


def test_the_pages_read_as_many_statements_for_many_priests_and_bookings(
    coordinator, booking, priest, service, package, staff
):
    counts = []
    Slot.objects.update(capacity=50)
    assign_priest(booking, priest, staff)
    addresses = (
        PRIESTS,
        f"{DAY}?day={day_of(booking)}",
        reverse("desk:priest", args=[priest.pk]),
        reverse("desk:assign-priest", args=[booking.book_id]),
    )
    for number in (1, 4):
        for each in range(number):
            Priest.objects.create(name=f"Pandit {number} {each}").services.add(service)
            start = booking.starts_at + timedelta(hours=2 * (number + each))
            extra = book(builders.make_user(), package, start)
            if each % 2 == 0:
                assign_priest(extra, priest, staff)
        with CaptureQueriesContext(connection) as queries:
            for address in addresses:
                assert coordinator.get(address).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 12 * len(addresses)
