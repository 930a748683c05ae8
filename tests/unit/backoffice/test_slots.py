"""The pages about times: everything is shown before it is done, and a reload does nothing twice."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from booking.models import ClosedPeriod, OpeningHours, Slot
from booking.services import book
from booking.services.openings import Period, close_periods
from tests.harness import builders

pytestmark = pytest.mark.django_db(transaction=True)
GRID, SERIES, CLOSED = reverse("desk:slots"), reverse("desk:slot-series"), reverse("desk:closed-days")
FILE, HOURS = reverse("desk:closed-days-file"), reverse("desk:opening-hours")


def day(days: int) -> str:
    return (timezone.localdate() + timedelta(days=days)).isoformat()


@pytest.fixture
def coordinator(desk):
    return desk("Coordinator")


@pytest.fixture
def december(service):
    """Every day of two weeks, at eight and at half past six."""
    return {
        "service": service.pk,
        "weekdays": list(range(1, 8)),
        "times": "8, 18:30",
        "capacity": 4,
        "first": day(1),
        "last": day(14),
    }


def test_the_preview_of_a_series_makes_nothing_and_its_button_makes_it_once(coordinator, december):
    page = coordinator.get(SERIES, december)
    assert "Add 28 times" in page.text
    assert not Slot.objects.exists()
    for _ in range(2):
        assert coordinator.post(SERIES, dict(page.context["values"]) | december).status_code == 302
    assert Slot.objects.filter(capacity=4, is_suspended=False).count() == 28


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"times": "8am"}, "Write times as 08:30"),
        ({"times": "25:00"}, "Write times as 08:30"),
        ({"last": day(-1)}, "The last day comes before the first one"),
        ({"last": day(900)}, "At most two years ahead"),
        ({"capacity": 0}, "greater than or equal to 1"),
        ({"capacity": 40_000}, "less than or equal to 32767"),
        ({"weekdays": [9]}, "not one of the available choices"),
        ({"service": 0}, "not one of the available choices"),
        ({"last": day(700), "times": ",".join(f"{hour}:00" for hour in range(24))}, "At most 2000 times"),
    ],
)
def test_a_series_that_cannot_be_meant_is_named_and_not_made(coordinator, december, change, error):
    for ask in (coordinator.get, coordinator.post):
        answer = ask(SERIES, december | change)
        assert answer.status_code == 200
        assert error in answer.text
    assert not Slot.objects.exists()


def test_closing_days_shows_who_has_booked_and_leaves_them(coordinator, alice, package, slot):
    booking = book(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    asked = {"first": day(3), "last": day(4), "reason": "Eclipse"}
    page = coordinator.get(CLOSED, asked).text
    assert booking.book_id in page
    assert not ClosedPeriod.objects.exists()
    after = coordinator.post(CLOSED, asked, follow=True).text
    assert "1 booking still takes place in them" in after
    assert booking.book_id in after
    period = ClosedPeriod.objects.get()
    assert (period.begins, period.ends) == (builders.in_days(3, 0), builders.in_days(5, 0))
    assert (period.created_by.groups.get().name, period.reason) == ("Coordinator", "Eclipse")
    booking.refresh_from_db()
    assert booking.status == "CONFIRMED"


def test_hours_of_several_days_for_some_pujas(coordinator, service):
    other = builders.make_service()
    asked = {"first": day(3), "last": day(4), "since": "12:00", "until": "16:00"}
    coordinator.post(CLOSED, asked | {"services": [service.pk, other.pk]})
    rows = ClosedPeriod.objects.order_by("service", "begins")
    assert [(row.service_id, row.begins, row.ends) for row in rows] == [
        (each.pk, builders.in_days(days, 12), builders.in_days(days, 16))
        for each in (service, other)
        for days in (3, 4)
    ]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"last": day(2)}, "The last day comes before"),
        ({"first": day(-9), "last": day(-8)}, "This date has passed"),
        ({"last": day(500)}, "At most a year at once"),
        ({"since": "10:00"}, "Give both times"),
        ({"since": "10:00", "until": "09:00"}, "must end after"),
        ({"services": [0]}, "not one of the available choices"),
        ({"reason": "see https://evil.example"}, "reason"),
    ],
)
def test_days_that_cannot_be_meant_are_not_closed(coordinator, change, error):
    answer = coordinator.post(CLOSED, {"first": day(3), "last": day(4)} | change)
    assert (answer.status_code, ClosedPeriod.objects.count()) == (200, 0)
    assert error in answer.text


def test_a_calendar_file_is_shown_before_it_closes_anything(coordinator, service):
    events = [
        f"SUMMARY:Eclipse\r\nDTSTART;VALUE=DATE:{day(3).replace('-', '')}",
        f"SUMMARY:Weekly cleaning\r\nDTSTART;VALUE=DATE:{day(4).replace('-', '')}\r\nRRULE:FREQ=WEEKLY",
    ]
    body = "".join(f"BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\n" for event in events)
    content = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{body}END:VCALENDAR\r\n".encode()
    page = coordinator.post(FILE, {"file": SimpleUploadedFile("days.ics", content)})
    assert "Weekly cleaning: It repeats" in page.text
    assert not ClosedPeriod.objects.exists()
    assert coordinator.post(FILE, dict(page.context["hidden"])).status_code == 302
    assert ClosedPeriod.objects.get().reason == "Eclipse"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"no calendar", b"x" * 600_000])
def test_a_file_that_is_no_calendar_is_refused_on_the_page(coordinator, content):
    answer = coordinator.post(FILE, {"file": SimpleUploadedFile("days.ics", content)})
    assert answer.status_code == 200
    assert "errorlist" in answer.text
    assert coordinator.post(FILE, {"periods": "made up"}, follow=True).status_code == 200
    assert not ClosedPeriod.objects.exists()


def test_days_open_again_by_a_click_that_asks_first(coordinator, slot):
    period = close_periods([Period(builders.in_days(3, 0), builders.in_days(4, 0))], None).made[0]
    address = reverse("desk:open-days", args=[period.pk])
    assert coordinator.get(address).status_code == 200
    assert ClosedPeriod.objects.exists()
    assert "1 time is sold" in coordinator.post(address, follow=True).text
    assert Slot.objects.get(pk=slot.pk).is_on_sale
    assert "open already" in coordinator.post(address, follow=True).text  # a second click


def test_hours_are_read_as_they_are_written_and_shown_again(coordinator, service):
    week = {f"hours_{number}": "" for number in range(1, 8)}
    coordinator.post(HOURS, week | {"hours_1": "16:00 – 21:00, 6-12", "closed_2": "on"})
    assert list(OpeningHours.objects.values_list("weekday", "opens__hour", "closes__hour")) == [
        (1, 6, 12),
        (1, 16, 21),
        (2, None, None),
    ]
    page = coordinator.get(HOURS).text
    assert 'value="06:00-12:00, 16:00-21:00"' in page
    assert 'name="closed_2"' in page
    coordinator.post(f"{HOURS}?service={service.pk}", week | {"hours_2": "08:00-09:00"})
    assert OpeningHours.objects.get(service=service).weekday == 2
    coordinator.post(HOURS, week)
    assert OpeningHours.objects.get().service == service


@pytest.mark.parametrize("text", ["6", "6-5", "6-12, 11-13", "6-25", "six to nine"])
def test_hours_that_cannot_be_meant_are_not_saved(coordinator, text):
    answer = coordinator.post(HOURS, {"hours_1": text})
    assert answer.status_code == 200
    assert "errorlist" in answer.text
    assert not OpeningHours.objects.exists()


def test_the_week_shows_each_time_with_its_fill(coordinator, slot, service):
    slot.booked = 1
    slot.save()
    close_periods([Period(builders.in_days(3, 0), builders.in_days(4, 0), reason="Eclipse")], None)
    asked = {"day": timezone.localdate(slot.starts_at).isoformat()}
    for more in ({}, {"only": "day"}, {"service": service.pk}):
        page = coordinator.get(GRID, asked | more).text
        assert "1/2" in page
        assert "not sold" in page
        assert "Eclipse" in page
    other = builders.make_service()
    assert "1/2" not in coordinator.get(GRID, asked | {"service": other.pk}).text


@pytest.mark.parametrize(
    "asked", [{"day": "9999-12-31"}, {"day": "x"}, {"day": "0001-01-01"}, {"only": "day"}]
)
def test_a_made_up_day_is_today(coordinator, asked):
    assert coordinator.get(GRID, asked).status_code == 200


@pytest.mark.parametrize("service", ["0", "x", "9" * 30, "²"])
def test_a_puja_that_there_is_not_is_not_found(coordinator, service):
    assert coordinator.get(GRID, {"service": service}).status_code == 404


def test_the_pages_read_as_many_statements_for_a_hundred_times_as_for_ten(
    coordinator, service, alice, package
):
    counts = []
    for hours in (10, 100):
        start = builders.in_days(1, 0)
        Slot.objects.bulk_create(
            [
                Slot(service=service, starts_at=start + timedelta(minutes=number * (1 + hours)))
                for number in range(1, hours)
            ],
            ignore_conflicts=True,
        )
        ClosedPeriod.objects.create(
            begins=start + timedelta(days=hours), ends=start + timedelta(days=hours + 1)
        )
        with CaptureQueriesContext(
            connection,
        ) as queries:
            for page in (GRID, CLOSED, HOURS, SERIES):
                assert coordinator.get(page).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 4 * 10
