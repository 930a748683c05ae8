"""When pujas may begin: hours of each weekday, and periods in which the temple is closed."""

from dataclasses import dataclass
from datetime import date, datetime, time

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.fields import SENSIBLE_MOMENT, MinuteField, MinuteOfDayField
from booking.models.catalogue import PujaService
from core.dates import spell_moment
from core.texts import plain_line


class OpeningHours(models.Model):
    """One span of a weekday in which pujas begin; of one puja, or of all that have no hours of their own that day.

    A row without times says that nothing begins on that weekday. Without any row, OPENING_HOUR and CLOSING_HOUR count
    for pujas without slots, and slots are sold as they were made.
    """

    class Weekday(models.IntegerChoices):
        MONDAY = 1, _("Monday")
        TUESDAY = 2, _("Tuesday")
        WEDNESDAY = 3, _("Wednesday")
        THURSDAY = 4, _("Thursday")
        FRIDAY = 5, _("Friday")
        SATURDAY = 6, _("Saturday")
        SUNDAY = 7, _("Sunday")

    service = models.ForeignKey(
        PujaService, models.CASCADE, null=True, blank=True, related_name="opening_hours"
    )
    weekday = models.PositiveSmallIntegerField(choices=Weekday)
    opens = MinuteOfDayField(null=True, blank=True)
    closes = MinuteOfDayField(null=True, blank=True, help_text="a puja may still begin at this minute")

    class Meta:
        ordering = ("weekday", "opens", "id")
        verbose_name_plural = "opening hours"
        constraints = [
            models.CheckConstraint(condition=Q(weekday__range=(1, 7)), name="opening_hours_of_a_weekday"),
            models.CheckConstraint(
                condition=Q(opens=None, closes=None)
                | Q(opens__isnull=False, closes__isnull=False, opens__lte=F("closes")),
                name="opening_hours_end_after_they_begin",
                violation_error_message="The hours must end after they begin.",
            ),
            models.UniqueConstraint(fields=["service", "weekday", "opens"], name="opening_hours_once"),
            models.UniqueConstraint(
                fields=["weekday", "opens"], condition=Q(service=None), name="common_opening_hours_once"
            ),
        ]

    def __str__(self) -> str:
        hours = f"{self.opens:%H:%M}–{self.closes:%H:%M}" if self.opens and self.closes else "closed"
        return f"{self.get_weekday_display()}, {hours}"


class ClosedPeriodQuerySet(models.QuerySet["ClosedPeriod"]):
    def of(self, service: int | F) -> "ClosedPeriodQuerySet":
        """Those of all pujas among them."""
        return self.filter(Q(service=None) | Q(service=service))

    def covering(self, starts_at: datetime | F) -> "ClosedPeriodQuerySet":
        return self.filter(begins__lte=starts_at, ends__gt=starts_at)


class ClosedPeriod(models.Model):
    """No puja begins from `begins` until before `ends`: this one, or none at all."""

    service = models.ForeignKey(
        PujaService, models.CASCADE, null=True, blank=True, related_name="closed_periods"
    )
    begins = MinuteField(validators=SENSIBLE_MOMENT)
    ends = MinuteField(validators=SENSIBLE_MOMENT)
    reason = models.CharField(max_length=200, blank=True, validators=[plain_line], help_text="for staff")
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ClosedPeriodQuerySet.as_manager()

    class Meta:
        ordering = ("begins", "id")
        indexes = [models.Index(fields=["ends"], name="closed_period_ends")]
        constraints = [
            models.CheckConstraint(
                condition=Q(begins__lt=F("ends")),
                name="closed_period_ends_after_it_begins",
                violation_error_message="The period must end after it begins.",
            ),
            models.UniqueConstraint(fields=["service", "begins", "ends"], name="one_row_per_closed_period"),
            models.UniqueConstraint(
                fields=["begins", "ends"], condition=Q(service=None), name="one_row_per_common_closed_period"
            ),
        ]

    def __str__(self) -> str:
        return f"{spell_moment(self.begins)} – {spell_moment(self.ends)}"


Span = tuple[time, time]


@dataclass(frozen=True)
class OpeningTimes:
    """Hours and closed periods that count between two moments: two queries, whatever is asked of it then."""

    hours: dict[tuple[int | None, int], list[Span]]
    closed: list[tuple[int | None, datetime, datetime]]

    @classmethod
    def around(cls, since: datetime, until: datetime | None = None) -> "OpeningTimes":
        hours: dict[tuple[int | None, int], list[Span]] = {}
        for service, weekday, opens, closes in OpeningHours.objects.values_list(
            "service", "weekday", "opens", "closes"
        ):
            spans = hours.setdefault((service, weekday), [])
            if opens is not None and closes is not None:
                spans.append((opens, closes))
        last = until or since
        closed = ClosedPeriod.objects.filter(begins__lte=last, ends__gt=since)
        return cls(hours, list(closed.values_list("service", "begins", "ends")))

    def spans(self, service: int, day: date) -> list[Span] | None:
        """The hours that somebody has set for this weekday: of the puja, else of all. None: nobody has."""
        weekday = day.isoweekday()
        return self.hours.get((service, weekday), self.hours.get((None, weekday)))

    def is_closed(self, service: int, starts_at: datetime) -> bool:
        return any(of in (None, service) and begins <= starts_at < ends for of, begins, ends in self.closed)

    def allow_slot(self, service: int, starts_at: datetime) -> bool:
        """A slot was made on purpose: only hours that somebody has set bound it."""
        start = timezone.localtime(starts_at)
        spans = self.spans(service, start.date())
        return self._is_within(spans, start) and not self.is_closed(service, starts_at)

    def allow_start(self, service: int, starts_at: datetime) -> bool:
        """Of a puja without slots."""
        start = timezone.localtime(starts_at)
        return self._is_within(self.open_spans(service, start.date()), start) and not self.is_closed(
            service, starts_at
        )

    def open_spans(self, service: int, day: date) -> list[Span]:
        """Of a puja without slots, where OPENING_HOUR and CLOSING_HOUR count until hours are set."""
        spans = self.spans(service, day)
        return [(time(settings.OPENING_HOUR), time(settings.CLOSING_HOUR))] if spans is None else spans

    @staticmethod
    def _is_within(spans: list[Span] | None, start: datetime) -> bool:
        return spans is None or any(opens <= start.time() <= closes for opens, closes in spans)
