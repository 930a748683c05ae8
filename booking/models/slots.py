"""Start times with places."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models, transaction
from django.db.models import F, Q

from booking.fields import SENSIBLE_MOMENT, MinuteField, StartsOnTheMinute
from booking.models.catalogue import MOST, PujaService
from booking.models.opening import OpeningTimes
from core.dates import spell_moment

ON_SALE = Q(is_open=True, is_suspended=False)


class Slot(models.Model):
    """A start time with places. A service without any slots can start whenever we are open."""

    service = models.ForeignKey(PujaService, on_delete=models.PROTECT, related_name="slots")
    starts_at = MinuteField(validators=SENSIBLE_MOMENT)
    capacity = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1), MOST])
    held = models.PositiveSmallIntegerField(default=0, editable=False)
    booked = models.PositiveSmallIntegerField(default=0, editable=False)
    is_open = models.BooleanField(default=True)
    # A column, so that the UPDATE that takes a place sees it in the row that it locks.
    is_suspended = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="in a closed period, or outside the opening hours",
    )

    class Meta:
        ordering = ("starts_at", "id")
        indexes = [models.Index(fields=["starts_at"], name="slot_starts")]
        constraints = [
            models.UniqueConstraint(fields=["service", "starts_at"], name="one_slot_per_start"),
            models.CheckConstraint(
                condition=Q(is_open=False) | Q(StartsOnTheMinute("starts_at")),
                name="open_slot_starts_on_the_minute",
                violation_error_message="A slot starts on a whole minute, for example 10:30.",
            ),
            models.CheckConstraint(condition=Q(capacity__gte=1), name="slot_has_a_place"),
            models.CheckConstraint(condition=Q(held__gte=0), name="slot_held_not_negative"),
            models.CheckConstraint(condition=Q(booked__gte=0), name="slot_booked_not_negative"),
            models.CheckConstraint(
                condition=Q(capacity__gte=F("held") + F("booked")), name="slot_never_over_capacity"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service}, {spell_moment(self.starts_at)}"

    @transaction.atomic
    def save(self, *args: Any, **options: Any) -> None:
        """Under the lock of its puja, under which opening hours and closed periods are changed too."""
        if options.get("update_fields") is None:
            list(PujaService.objects.select_for_update(no_key=True).filter(pk=self.service_id).only("pk"))
            times = OpeningTimes.around(self.starts_at)
            self.is_suspended = not times.allow_slot(self.service_id, self.starts_at)
        super().save(*args, **options)

    @property
    def is_on_sale(self) -> bool:
        return self.is_open and not self.is_suspended

    @property
    def available(self) -> int:
        return self.capacity - self.held - self.booked

    def clean(self) -> None:
        self._refuse_to_move_people()
        if self.capacity is not None and self.available < 0:
            occupied = self.held + self.booked
            raise ValidationError({"capacity": f"{occupied} places are taken: it cannot be less."})

    def _refuse_to_move_people(self) -> None:
        """A slot somebody has paid for, or pays for now, keeps its puja and its time."""
        before = Slot.objects.filter(pk=self.pk, holds__isnull=False).first()
        if before and (before.service_id, before.starts_at) != (self.service_id, self.starts_at):
            raise ValidationError("People have booked this time: close it, and open another one.")
