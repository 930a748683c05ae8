"""Closed periods from a calendar file (.ics): each event is read whole, or named with the reason why it is not."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from icalendar import Calendar

from booking.fields import FIRST_MOMENT, LAST_MOMENT
from booking.services.openings import Period
from core.errors import Refusal
from core.language import Text
from core.texts import one_line, safe_line

LARGEST_FILE = 512 * 1024
MOST_EVENTS = 300
LONGEST_REASON = 200
REPEATS = ("RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID")


class UnreadableCalendar(Refusal):
    default_code = "calendar_unreadable"
    default_detail = _("This file cannot be read as a calendar (.ics).")


@dataclass(frozen=True)
class LeftOut:
    """An event that closes nothing, and why."""

    title: str
    because: Text


@dataclass(frozen=True)
class CalendarPeriods:
    periods: list[Period]
    left_out: list[LeftOut]


def read_periods(content: bytes, service: int | None = None) -> CalendarPeriods:
    """The periods of the events to come. Raises UnreadableCalendar, for the whole file."""
    if len(content) > LARGEST_FILE:
        raise UnreadableCalendar(_("This file is too large: 512 KB at most."))
    try:
        calendars = Calendar.from_ical(content, multiple=True)
        events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise UnreadableCalendar from error
    if not calendars or any(calendar.name != "VCALENDAR" for calendar in calendars):
        raise UnreadableCalendar
    if len(events) > MOST_EVENTS:
        raise UnreadableCalendar(_("This file has more than 300 events. Export a shorter time."))
    periods = CalendarPeriods([], [])
    for event in events:
        title = one_line(safe_line(str(event.get("SUMMARY", ""))))[:LONGEST_REASON]
        period = _read(event, service, title)
        if isinstance(period, Period):
            periods.periods.append(period)
        else:
            periods.left_out.append(LeftOut(title, period))
    return periods


def _read(event: Any, service: int | None, title: str) -> Period | Text:
    """Its period, or why it has none."""
    if any(name in event for name in REPEATS):
        return _("It repeats. Enter each of its days by hand.")
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return _("It is cancelled.")
    try:
        times = [event[name] for name in ("DTSTART", "DTEND") if name in event]
        if any("TZID" in each.params and getattr(each.dt, "tzinfo", None) is None for each in times):
            return _("Its time zone is not known.")
        begins, ends = _moment(event["DTSTART"].dt), _moment(_end(event))
    except (KeyError, AttributeError, ValueError, TypeError, OverflowError):
        return _("Its time cannot be read.")
    ends = ends.replace(second=0, microsecond=0) + timedelta(minutes=bool(ends.second or ends.microsecond))
    begins = begins.replace(second=0, microsecond=0)
    if not FIRST_MOMENT <= begins < ends <= LAST_MOMENT:
        return _("It ends before it begins, or takes no time.")
    if ends <= timezone.now():
        return _("It is over.")
    return Period(begins, ends, service, title)


def _end(event: Any) -> date | datetime:
    if "DTEND" in event:
        ends: date | datetime = event["DTEND"].dt
        if isinstance(ends, datetime) is not isinstance(event["DTSTART"].dt, datetime):
            raise ValueError("a date and a time")
        return ends
    begins: date | datetime = event["DTSTART"].dt
    if "DURATION" in event:
        return begins + timedelta(seconds=event["DURATION"].dt.total_seconds())
    return begins if isinstance(begins, datetime) else begins + timedelta(days=1)


def _moment(value: date | datetime) -> datetime:
    """A date begins at our midnight. A time without a zone is one of ours."""
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    return timezone.make_aware(value) if timezone.is_naive(value) else value
