"""Checkouts that were paid for."""

import secrets
from datetime import date, datetime, time

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.models.checkouts import Checkout
from core.dates import spell_moment
from core.texts import plain_line, plain_text

# Without I, L, O, U, 0 and 1: people read these aloud on the phone.
BOOK_ID_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"


def make_book_id() -> str:
    """Unguessable, about 40 bits. A clash fails on the unique column, and the booking is tried again."""
    return "BK-" + "".join(secrets.choice(BOOK_ID_LETTERS) for _ in range(8))


class Booking(models.Model):
    class Status(models.TextChoices):
        CONFIRMED = "CONFIRMED", _("Confirmed")
        COMPLETED = "COMPLETED", _("Completed")
        CANCELLED = "CANCELLED", _("Cancelled")

    book_id = models.CharField(max_length=11, unique=True, default=make_book_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="bookings")
    checkout = models.OneToOneField(Checkout, on_delete=models.PROTECT, related_name="booking")
    starts_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status, default=Status.CONFIRMED)
    cancellation_reason = models.CharField(max_length=500, blank=True, validators=[plain_text])
    cancelled_at = models.DateTimeField(null=True, blank=True)
    rejected = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="the temple cancels it, and all of the money goes back",
    )
    moved_because = models.CharField(max_length=200, blank=True, validators=[plain_line])  # by the temple
    moves = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="how often the temple has moved it"
    )
    next_reminder_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when its customer is reminded; empty: not any more"
    )
    own_moves = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text="how often its customer has moved it"
    )
    terms_from = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="its customer moved it away from this start: the refund policy still counts from it",
    )
    free_until = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="the temple moved it: whoever cancels before gets everything back, as they were told",
    )
    choose_until = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="its time was called off: until then its customer chooses another one, or gets everything back",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-id",)
        indexes = [
            models.Index(
                fields=["next_reminder_at"],
                condition=Q(next_reminder_at__isnull=False),
                name="booking_reminders_due",
            ),
            models.Index(fields=["starts_at"], name="booking_starts"),
            # Few of many: the lists of staff that ask for them would look at every booking.
            models.Index(fields=["id"], name="booking_rejected", condition=Q(rejected=True)),
            models.Index(fields=["id"], name="booking_to_choose", condition=Q(choose_until__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.book_id

    @property
    def changes(self) -> int:
        """How often it was moved. Signed links and calendars know by it that they are old."""
        return self.moves + self.own_moves

    @property
    def policy_start(self) -> datetime:
        """The start that the refund policy counts from: nobody gains by moving a booking before they cancel it."""
        return min(self.terms_from or self.starts_at, self.starts_at)

    @property
    def selected_date(self) -> date:
        return timezone.localtime(self.starts_at).date()

    @property
    def selected_time(self) -> time:
        return timezone.localtime(self.starts_at).time()


class EarlierStart(models.Model):
    """A start that a booking had until it was moved. Money that comes late for it is paid twice."""

    booking = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="earlier_starts")
    starts_at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["booking", "starts_at"], name="one_row_per_earlier_start"),
        ]

    def __str__(self) -> str:
        return f"{self.booking}, {spell_moment(self.starts_at)}"
