"""Priests: what they can do, when they are free, and the bookings that they hold."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.phones import PhoneField, readable_phone
from booking.constraints import NoOverlap
from booking.fields import SENSIBLE_MOMENT, LineField, MinuteField, MinuteOfDayField
from booking.models.bookings import Booking
from booking.models.catalogue import IN_HINDI, Package, PujaService
from booking.models.opening import OpeningHours
from core.dates import spell_moment
from core.texts import plain_line, visible_line


class Priest(models.Model):
    user = models.OneToOneField(
        User,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="priest",
        help_text="their login to the desk: they see their own days there",
    )
    name = LineField(max_length=100)
    name_hi = LineField(max_length=100, **IN_HINDI)
    email = models.EmailField(
        blank=True, validators=[visible_line], help_text=_("is told of new, moved and cancelled bookings")
    )
    phone = PhoneField(null=True, blank=True, validators=[readable_phone])
    language = models.CharField(max_length=2, choices=User.Language, default=User.Language.HINDI)
    services = models.ManyToManyField(PujaService, blank=True, related_name="priests")
    is_active = models.BooleanField(default=True)
    feed_digest = models.CharField(max_length=64, null=True, unique=True, editable=False)
    form = models.UUIDField(
        unique=True, null=True, editable=False, help_text="that was sent: the same form twice is one priest"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "id")
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="priest_has_a_name")]

    def __str__(self) -> str:
        return self.name


class PriestLanguage(models.Model):
    """A language in which a priest performs pujas."""

    priest = models.ForeignKey(Priest, models.CASCADE, related_name="languages")
    language = models.CharField(max_length=10, choices=Package.Language)

    class Meta:
        ordering = ("language", "id")
        constraints = [
            models.UniqueConstraint(fields=["priest", "language"], name="priest_speaks_a_language_once")
        ]

    def __str__(self) -> str:
        return f"{self.priest}: {self.get_language_display()}"


class PriestHours(models.Model):
    """A span of a weekday in which a priest is free for pujas. A priest without any is free at all times."""

    priest = models.ForeignKey(Priest, models.CASCADE, related_name="hours")
    weekday = models.PositiveSmallIntegerField(choices=OpeningHours.Weekday)
    begins = MinuteOfDayField()
    ends = MinuteOfDayField()

    class Meta:
        ordering = ("weekday", "begins", "id")
        verbose_name_plural = "priest hours"
        constraints = [
            models.UniqueConstraint(fields=["priest", "weekday", "begins"], name="priest_hours_once"),
            models.CheckConstraint(condition=Q(weekday__range=(1, 7)), name="priest_hours_of_a_weekday"),
            models.CheckConstraint(
                condition=Q(begins__lt=F("ends")), name="priest_hours_end_after_they_begin"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.priest}, {self.get_weekday_display()}"


class PriestLeave(models.Model):
    priest = models.ForeignKey(Priest, models.CASCADE, related_name="leaves")
    begins = MinuteField(validators=SENSIBLE_MOMENT)
    ends = MinuteField(validators=SENSIBLE_MOMENT)
    reason = models.CharField(max_length=200, blank=True, validators=[plain_line])

    class Meta:
        ordering = ("begins", "id")
        constraints = [
            models.CheckConstraint(
                condition=Q(begins__lt=F("ends")), name="priest_leave_ends_after_it_begins"
            )
        ]

    def __str__(self) -> str:
        return f"{self.priest}, {spell_moment(self.begins)}"


class Assignment(models.Model):
    """A priest performs a booking from `begins` to `ends`. A freed one is kept: who was to come stays known."""

    class News(models.TextChoices):
        """What its priest has not been told yet."""

        NONE = "", "nothing"
        NEW = "NEW", "it is theirs"
        MOVED = "MOVED", "it has another time"
        FREED = "FREED", "it is not theirs any more"

    booking = models.ForeignKey(Booking, models.PROTECT, related_name="assignments")
    priest = models.ForeignKey(Priest, models.PROTECT, related_name="assignments")
    begins = models.DateTimeField()
    ends = models.DateTimeField()
    freed_at = models.DateTimeField(null=True, blank=True, help_text="empty: the priest performs it")
    freed_because = models.CharField(max_length=200, blank=True, validators=[plain_line])
    news = models.CharField(max_length=5, choices=News, default=News.NONE, blank=True, editable=False)
    changes = models.PositiveSmallIntegerField(default=0, editable=False, help_text="counts what was told")
    assigned_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("begins", "id")
        indexes = [
            models.Index(fields=["priest", "begins"], name="assignments_of_priest"),
            models.Index(fields=["begins"], name="assignments_of_a_day"),
            models.Index(fields=["booking"], condition=~Q(news=""), name="assignments_untold"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(begins__lt=F("ends")), name="assignment_ends_after_it_begins"),
            models.UniqueConstraint(
                fields=["booking", "priest"], condition=Q(freed_at=None), name="priest_once_for_a_booking"
            ),
            NoOverlap(
                name="priest_never_twice_at_once",
                owner="priest",
                begins="begins",
                ends="ends",
                ended="freed_at",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.priest}: {self.booking}"
