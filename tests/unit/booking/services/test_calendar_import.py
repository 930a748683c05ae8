"""A calendar file closes what its events say, and says of every other event why it closes nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from booking.models import ClosedPeriod
from booking.services.calendar_import import MOST_EVENTS, UnreadableCalendar, read_periods
from booking.services.openings import close_periods
from tests.harness import builders


def calendar(*events: str) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"]
    for number, event in enumerate(events):
        lines += [
            "BEGIN:VEVENT",
            f"UID:{number}@temple",
            "DTSTAMP:20260101T000000Z",
            *event.split("\n"),
            "END:VEVENT",
        ]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def india(*parts: int) -> datetime:
    return timezone.make_aware(datetime(*parts))


@pytest.mark.parametrize(
    ("event", "begins", "ends"),
    [
        ("DTSTART;VALUE=DATE:20990115", india(2099, 1, 15), india(2099, 1, 16)),
        ("DTSTART;VALUE=DATE:20990115\nDTEND;VALUE=DATE:20990118", india(2099, 1, 15), india(2099, 1, 18)),
        ("DTSTART:20990115T043000Z\nDTEND:20990115T063000Z", india(2099, 1, 15, 10), india(2099, 1, 15, 12)),
        (
            "DTSTART;TZID=America/New_York:20990115T120000\nDURATION:PT90M",
            datetime(2099, 1, 15, 17, tzinfo=UTC),
            datetime(2099, 1, 15, 18, 30, tzinfo=UTC),
        ),
        (
            "DTSTART:20990115T100000\nDTEND:20990115T103015",
            india(2099, 1, 15, 10),
            india(2099, 1, 15, 10, 31),
        ),
        ("DTSTART;VALUE=DATE:20990115\nDURATION:P2D", india(2099, 1, 15), india(2099, 1, 17)),
    ],
    ids=[
        "day",
        "three days",
        "utc",
        "another zone, duration",
        "without a zone, seconds",
        "two days' duration",
    ],
)
def test_an_event_closes_its_time_as_its_calendar_means_it(event, begins, ends):
    found = read_periods(calendar(f"SUMMARY:Maha Shivaratri\n{event}"))
    assert [(each.begins, each.ends, each.reason) for each in found.periods] == [
        (begins, ends, "Maha Shivaratri")
    ]
    assert found.left_out == []


@pytest.mark.parametrize(
    ("event", "because"),
    [
        ("DTSTART;VALUE=DATE:20990115\nRRULE:FREQ=YEARLY", "It repeats"),
        ("DTSTART;VALUE=DATE:20990115\nRDATE;VALUE=DATE:20990120", "It repeats"),
        ("DTSTART;VALUE=DATE:20990115\nRECURRENCE-ID;VALUE=DATE:20990114", "It repeats"),
        ("DTSTART;VALUE=DATE:20990115\nSTATUS:CANCELLED", "It is cancelled"),
        ("DTSTART;VALUE=DATE:20200115", "It is over"),
        ("DTSTART:20990115T100000Z\nDTEND:20990115T090000Z", "It ends before"),
        ("DTSTART:20990115T100000Z", "It ends before"),
        ("DTSTART:20990115T100000Z\nDTEND;VALUE=DATE:20990116", "Its time cannot be read"),
        ("DTSTART:tomorrow", "Its time cannot be read"),
        ("DTSTART;VALUE=DATE:20990115\nDTSTART;VALUE=DATE:20990116", "Its time cannot be read"),
        ("LOCATION:nowhere", "Its time cannot be read"),
        ("DTSTART;TZID=Nowhere/Land:20990115T120000\nDURATION:PT1H", "Its time zone is not known"),
    ],
)
def test_what_is_not_read_rightly_closes_nothing_and_is_named(event, because):
    found = read_periods(calendar(f"SUMMARY:Fair\n{event}"))
    assert found.periods == []
    assert because in str(found.left_out[0].because)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"hello", b"\xff\xfe\x00", b"BEGIN:VCALENDAR", b"BEGIN:VEVENT\r\nEND:VEVENT\r\n", b"x" * (512 * 1024 + 1),
        calendar(*["DTSTART;VALUE=DATE:20990115"] * (MOST_EVENTS + 1)),
    ],
    ids=["empty", "no calendar", "no text", "cut off", "an event alone", "too large", "too many"],
)  # fmt: skip
def test_what_is_no_calendar_is_refused_as_a_whole(content):
    with pytest.raises(UnreadableCalendar):
        read_periods(content)


@pytest.mark.django_db(transaction=True)
def test_the_same_file_twice_closes_once(service):
    day = (timezone.localtime() + timedelta(days=3)).strftime("%Y%m%d")
    content = calendar(f"SUMMARY:Eclipse\nDTSTART;VALUE=DATE:{day}")
    slot = builders.make_slot(service, 3)
    for made in (1, 0):
        assert len(close_periods(read_periods(content).periods, None).made) == made
    slot.refresh_from_db()
    assert (slot.is_suspended, ClosedPeriod.objects.get().reason) == (True, "Eclipse")
