"""A day's comparison of our accounts with PhonePe's."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q


class Reconciliation(models.Model):
    """One comparison and its result. Each day has one nightly comparison."""

    class AskedBy(models.TextChoices):
        WORKER = "worker"
        COMMAND = "command"

    AGAIN = timedelta(hours=3)  # until a comparison that PhonePe did not answer is repeated

    day = models.DateField(help_text="of our time zone")
    asked_by = models.CharField(max_length=8, choices=AskedBy)
    occasion = models.CharField(max_length=32, unique=True, null=True, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    compare_again_at = models.DateTimeField(
        null=True, blank=True, help_text="a nightly one, when PhonePe did not answer all status requests"
    )
    is_clean = models.BooleanField(default=False)
    differences = models.PositiveIntegerField(default=0)
    report = models.JSONField(default=dict, help_text="the first of the differences, amounts in paise")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["day"], condition=Q(asked_by="worker"), name="one_nightly_comparison_of_a_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} ({self.get_asked_by_display()})"


class SettlementFile(models.Model):
    """PhonePe's settlement report as somebody handed it in, so that it can be compared again. One file is one row."""

    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of its bytes")
    name = models.CharField(max_length=200)
    day = models.DateField(help_text="the day whose orders it settles")
    content = models.BinaryField(help_text="compressed")
    rows = models.PositiveIntegerField()
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.day})"
