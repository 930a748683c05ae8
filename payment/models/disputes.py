"""A buyer asks their bank for the money back."""

from datetime import datetime, timezone

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from payment.models.inbox import WebhookEvent
from payment.models.payments import PaymentAttempt

UNTIMED = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Dispute(models.Model):
    """The state after all of its updates. PhonePe has no status request for disputes: webhooks are the only source.

    A signed webhook is entered in the ledger at once; for others staff must confirm the dispute first.
    """

    class Status(models.TextChoices):
        """In the order of finality: of two updates with the same time the later word here counts."""

        UNKNOWN = "UNKNOWN", _("PhonePe used a word that we do not know")
        CREATED = "CREATED", _("the buyer has complained")
        UNDER_REVIEW = "UNDER_REVIEW", _("with the bank")
        ACTION_REQUIRED = "ACTION_REQUIRED", _("PhonePe wants evidence from us")
        WON = "WON", _("the money stays")
        LOST = "LOST", _("the money is taken")

    dispute_id = models.CharField(max_length=63, unique=True)
    attempt = models.ForeignKey(PaymentAttempt, models.PROTECT, related_name="disputes")
    event = models.ForeignKey(WebhookEvent, models.PROTECT, related_name="+", help_text="the last event")
    status = models.CharField(max_length=16, choices=Status)
    amount_paise = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="empty: not known; then all that was paid is disputed"
    )
    is_proven = models.BooleanField(
        default=False, help_text="the last update was signed, or confirmed by staff"
    )
    told_at = models.DateTimeField(
        help_text="PhonePe's own time of the last update: older updates change nothing"
    )
    due_at = models.DateTimeField(null=True, blank=True, help_text="until when PhonePe wants our evidence")
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"],
                name="dispute_undecided",
                condition=~Q(is_proven=True, status__in=("WON", "LOST")),
            )
        ]

    def __str__(self) -> str:
        return self.dispute_id


class DisputeUpdate(models.Model):
    """One event about a dispute, or what staff have entered about it. Rows are added, never changed.

    The dispute is the sum of its updates, in whatever order they arrived.
    """

    dispute = models.ForeignKey(Dispute, models.PROTECT, related_name="updates")
    event = models.OneToOneField(
        WebhookEvent, models.PROTECT, null=True, blank=True, related_name="dispute_update"
    )
    status = models.CharField(max_length=16, choices=Dispute.Status)
    amount_paise = models.PositiveBigIntegerField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True, help_text="PhonePe's own time; empty: not readable")
    due_at = models.DateTimeField(null=True, blank=True)
    is_proven = models.BooleanField(default=False)
    said_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="dispute_update_has_a_source", condition=~Q(event=None) | ~Q(said_by=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dispute_id} {self.status}"

    @property
    def rank(self) -> tuple[datetime, int, bool, int]:
        """A higher rank is newer. An update without a readable time or status is older than all others."""
        is_readable = self.told_at is not None and self.status != Dispute.Status.UNKNOWN
        told_at = self.told_at if self.told_at and is_readable else UNTIMED
        finality = Dispute.Status.values.index(self.status)
        return told_at, finality, self.is_proven, self.amount_paise or 0
