"""Records: every change of state, every HTTP attempt to PhonePe, every diagnosis."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _

from payment.models.payments import Payment, PaymentAttempt, unknown_code
from payment.phonepe.enums import ErrorCategory


class StateChange(models.Model):
    """A change of state with the rule that caused it, written in the same transaction."""

    payment = models.ForeignKey(Payment, models.CASCADE, related_name="changes")
    attempt = models.ForeignKey(PaymentAttempt, models.CASCADE, null=True, blank=True, related_name="changes")
    subject = models.CharField(max_length=16, help_text="payment, fulfilment, attempt or refund")
    before = models.CharField(max_length=16, blank=True)
    after = models.CharField(max_length=16)
    rule = models.CharField(max_length=64)
    detail = models.CharField(max_length=200, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.subject} {self.before} → {self.after} ({self.rule})"


class GatewayCall(models.Model):
    """One HTTP attempt to PhonePe. No secrets, no phone numbers, no bodies."""

    payment = models.ForeignKey(Payment, models.CASCADE, null=True, blank=True, related_name="calls")
    attempt = models.ForeignKey(PaymentAttempt, models.CASCADE, null=True, blank=True, related_name="calls")
    operation = models.CharField(max_length=16)
    endpoint = models.CharField(max_length=200)
    host = models.CharField(max_length=200)
    port = models.PositiveIntegerField()
    proxy = models.CharField(max_length=200, blank=True)
    stage = models.CharField(max_length=16, help_text="how far the attempt came")
    milliseconds = models.PositiveIntegerField()
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    code = models.CharField(max_length=64, blank=True)
    error_category = models.CharField(max_length=24, choices=ErrorCategory, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["started_at"], name="call_failed", condition=~Q(error_category="")),
            models.Index(fields=["started_at"], name="call_unknown_code", condition=unknown_code()),
        ]

    def __str__(self) -> str:
        came = self.http_status or self.get_error_category_display()
        return f"{self.operation} {self.host}:{self.port} {came}"


class DiagnosisRun(models.Model):
    """One diagnosis of every connection, and its result. Masked as the answer is: no secret, no personal data.

    `occasion` is unique, so that only one worker begins a scheduled run; `lease` says which one has claimed it.
    """

    class AskedBy(models.TextChoices):
        WEB = "web"
        WORKER = "worker"
        COMMAND = "command"

    asked_by = models.CharField(max_length=8, choices=AskedBy)
    occasion = models.CharField(max_length=32, unique=True, null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    started_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    success = models.BooleanField(default=False)
    verdict = models.CharField(max_length=24, blank=True)
    culprit = models.CharField(max_length=16, blank=True)
    summary = models.CharField(max_length=300, blank=True)
    took_ms = models.PositiveIntegerField(default=0)
    circumstances = models.JSONField(default=dict, help_text="what may have changed when the next run fails")
    answer = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        verdict = self.verdict or _("under way")
        return f"{verdict} ({self.get_asked_by_display()})"
