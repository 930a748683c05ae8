"""Forms of the pages about times: what staff type, read into what the services take."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backoffice.forms import PujaField
from booking.models import PujaService
from booking.models.opening import Span
from booking.services.openings import Period
from booking.services.slot_series import FURTHEST_DAY, SlotSeries
from core.dates import weekday_names
from core.language import localized
from core.texts import plain_line

MOST_CAPACITY = 32_767
MOST_TIMES = 48
MOST_DAYS_CLOSED = 366
CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?")
DATE_WIDGET = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
TIME_WIDGET = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


def weekdays() -> Iterator[tuple[int, str]]:
    """(1, "Monday") and so on, in the language of the reader."""
    sunday, *others = weekday_names()
    yield from enumerate((name for name, _short in (*others, sunday)), 1)


def services() -> list[tuple[str, str]]:
    return [(f"{puja.pk}", localized(puja, "title")) for puja in PujaService.objects.order_by("title")]


def read_clock(text: str) -> time:
    """8, 08:30. Raises ValidationError."""
    if not (match := CLOCK.fullmatch(text.strip())):
        raise ValidationError(_("Write times as 08:30."))
    try:
        return time(int(match[1]), int(match[2] or 0))
    except ValueError as error:
        raise ValidationError(_("Write times as 08:30.")) from error


class TimesField(forms.CharField):
    """Start times, with commas between them."""

    def clean(self, value: Any) -> tuple[time, ...]:
        parts = [part for part in re.split(r"[,;\s]+", super().clean(value)) if part]
        if len(parts) > MOST_TIMES:
            raise ValidationError(_("These are too many times for one day."))
        return tuple(sorted({read_clock(part) for part in parts}))


class SeriesForm(forms.Form):
    service = PujaField(
        PujaService.objects.order_by("title"), label=_("Puja"), widget=forms.Select, empty_label=None
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=_("Weekdays"), choices=weekdays, coerce=int, widget=forms.CheckboxSelectMultiple
    )
    times = TimesField(label=_("Start times"), max_length=400, help_text=_("For example 08:00, 10:30, 18:00"))
    capacity = forms.IntegerField(
        label=_("Places for each time"), min_value=1, max_value=MOST_CAPACITY, initial=1
    )
    first = forms.DateField(label=_("From"), widget=DATE_WIDGET)
    last = forms.DateField(label=_("To, this day included"), widget=DATE_WIDGET)

    def clean(self) -> dict[str, Any]:
        first, last = self.cleaned_data.get("first"), self.cleaned_data.get("last")
        if first and last:
            if last < first:
                self.add_error("last", _("The last day comes before the first one."))
            elif last > timezone.localdate() + FURTHEST_DAY:
                self.add_error("last", _("At most two years ahead."))
            elif first < timezone.localdate() - timedelta(days=1):
                self.add_error("first", _("This date has passed."))
        return self.cleaned_data

    def series(self) -> SlotSeries:
        chosen = self.cleaned_data
        return SlotSeries(
            chosen["service"],
            frozenset(chosen["weekdays"]),
            chosen["times"],
            chosen["capacity"],
            chosen["first"],
            chosen["last"],
        )


class ClosingForm(forms.Form):
    """Days, or hours of each of them; of all pujas, or of some."""

    first = forms.DateField(label=_("From"), widget=DATE_WIDGET)
    last = forms.DateField(label=_("To, this day included"), widget=DATE_WIDGET)
    since = forms.TimeField(
        label=_("From this time only (empty: the whole day)"), required=False, widget=TIME_WIDGET
    )
    until = forms.TimeField(label=_("Until before this time"), required=False, widget=TIME_WIDGET)
    services = forms.MultipleChoiceField(
        label=_("Pujas"),
        choices=services,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen: all pujas, also those without slots."),
    )
    reason = forms.CharField(
        label=_("Reason, for staff"), required=False, max_length=200, validators=[plain_line]
    )

    def clean(self) -> dict[str, Any]:
        chosen = self.cleaned_data
        first, last = chosen.get("first"), chosen.get("last")
        if first and last:
            if last < first:
                self.add_error("last", _("The last day comes before the first one."))
            elif last < timezone.localdate():
                self.add_error("last", _("This date has passed."))
            elif (last - first).days >= MOST_DAYS_CLOSED or last > timezone.localdate() + FURTHEST_DAY:
                self.add_error("last", _("At most a year at once, and two years ahead."))
        since, until = chosen.get("since"), chosen.get("until")
        if (since is None) is not (until is None):
            self.add_error("until", _("Give both times, or none."))
        elif since is not None and until is not None and until <= since:
            self.add_error("until", _("The hours must end after they begin."))
        return chosen

    def periods(self) -> list[Period]:
        """One for whole days together; one for each day where hours are given."""
        chosen = self.cleaned_data
        first, last, since, until = (chosen[name] for name in ("first", "last", "since", "until"))
        if since is None:
            spans = [(_at(first, time.min), _at(last + timedelta(days=1), time.min))]
        else:
            days = (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
            spans = [(_at(day, since), _at(day, until)) for day in days]
        of: list[int | None] = [int(key) for key in chosen["services"]]
        return [
            Period(begins, ends, service, chosen["reason"])
            for service in of or [None]
            for begins, ends in spans
        ]


class HoursForm(forms.Form):
    """A line of text for each weekday: "06:00-12:00, 16:00-21:00", empty for none of their own, or closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number, name in weekdays():
            self.fields[f"hours_{number}"] = forms.CharField(label=name, required=False, max_length=100)
            self.fields[f"closed_{number}"] = forms.BooleanField(label=_("closed"), required=False)

    def rows(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        return [(self[f"hours_{number}"], self[f"closed_{number}"]) for number in range(1, 8)]

    def clean(self) -> dict[str, Any]:
        for number in range(1, 8):
            text = self.cleaned_data.get(f"hours_{number}", "")
            try:
                self.cleaned_data[f"spans_{number}"] = (
                    [] if self.cleaned_data.get(f"closed_{number}") else _spans(text)
                )
            except ValidationError as error:
                self.add_error(f"hours_{number}", error)
        return self.cleaned_data

    def week(self) -> dict[int, list[Span] | None]:
        return {number: self.cleaned_data[f"spans_{number}"] for number in range(1, 8)}


class CalendarForm(forms.Form):
    file = forms.FileField(label=_("Calendar file (.ics)"), allow_empty_file=False)


def _spans(text: str) -> list[Span] | None:
    """None for an empty text. Raises ValidationError."""
    spans = []
    for part in filter(str.strip, text.split(",")):
        ends = re.split(r"\s*[-–]\s*", part.strip())
        if len(ends) != 2:
            raise ValidationError(_("Write hours as 06:00-12:00, 16:00-21:00."))
        spans.append((read_clock(ends[0]), read_clock(ends[1])))
    return sorted(spans) or None


def _at(day: date, moment: time) -> datetime:
    return timezone.make_aware(datetime.combine(day, moment))
