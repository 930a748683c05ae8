"""People who wait for a place of a full time."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class WaitingEntry(models.Model):
    """One person waits for one time. An offered place is counted among the held ones of its slot until it is taken,
    given up, or passed on."""

    class State(models.TextChoices):
        WAITING = "WAITING"
        OFFERED = "OFFERED", "a place is held for them"
        TAKEN = "TAKEN", "they have checked out with it"
        LEFT = "LEFT", "they wait no more"
        PASSED = "PASSED", "not taken in time, or the time is closed or too near"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="waiting_entries")
    slot = models.ForeignKey("booking.Slot", models.PROTECT, related_name="waiting_entries")
    package = models.ForeignKey("booking.Package", models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    offered_until = models.DateTimeField(null=True, blank=True)
    # A place, withdrawn ones too: two may end at the same moment.
    offers = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    network = models.CharField(
        max_length=32, blank=True, default="", editable=False
    )  # digest of where they joined
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "waiting entries"
        indexes = [
            models.Index(fields=["slot"], condition=Q(state="WAITING"), name="waiting_for_slot"),
            models.Index(fields=["network"], condition=~Q(network=""), name="waiting_of_network"),
            models.Index(
                fields=["offered_until"], condition=Q(state="OFFERED"), name="waiting_offers_to_end"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "slot"],
                condition=Q(state__in=("WAITING", "OFFERED")),
                name="waiting_once_for_a_slot",
            ),
            models.CheckConstraint(
                condition=~Q(state="OFFERED") | Q(offered_until__isnull=False),
                name="waiting_offer_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return f"Waiting entry {self.pk} ({self.state})"
