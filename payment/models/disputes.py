"""A buyer asks his bank for the money back."""

from django.conf import settings
from django.db import models

from payment.models.inbox import WebhookEvent
from payment.models.payments import PaymentAttempt


class Dispute(models.Model):
    """As PhonePe last told it. There is nothing to ask about disputes: the webhook is the only source.

    What a webhook's signature covers is entered in the ledger at once; else a person confirms it first.
    """

    class Status(models.TextChoices):
        CREATED = "CREATED", "the buyer has complained"
        UNDER_REVIEW = "UNDER_REVIEW", "with the bank"
        ACTION_REQUIRED = "ACTION_REQUIRED", "evidence is wanted from us"
        WON = "WON", "the money stays"
        LOST = "LOST", "the money is taken"

    dispute_id = models.CharField(max_length=63, unique=True)
    attempt = models.ForeignKey(PaymentAttempt, models.PROTECT, related_name="disputes")
    event = models.ForeignKey(WebhookEvent, models.PROTECT, related_name="+", help_text="the last news")
    status = models.CharField(max_length=16, choices=Status)
    amount_paise = models.PositiveBigIntegerField(default=0)
    is_proven = models.BooleanField(
        default=False, help_text="the last news was signed, or confirmed by staff"
    )
    told_at = models.DateTimeField(
        help_text="PhonePe's own time of the last news: older news changes nothing"
    )
    due_at = models.DateTimeField(null=True, blank=True, help_text="until when PhonePe wants our evidence")
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.dispute_id
