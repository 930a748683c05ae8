"""The outbox: messages to people, written in the transaction of their fact and sent later by the worker."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Notification(models.Model):
    """One message to one reader, sent once per `key`. It stores facts; its text is written when it is sent."""

    class Channel(models.TextChoices):
        PERSON = "PERSON", _("mail to the buyer")
        STAFF = "STAFF", _("mail to STAFF_EMAILS")
        TEXT = "TEXT", _("short message to the buyer's phone")
        HOOK = "HOOK", _("call of STAFF_WEBHOOK_URL")

    class State(models.TextChoices):
        WAITING = "WAITING", _("Waiting")
        SENT = "SENT", _("Sent")
        GIVEN_UP = "GIVEN_UP", _("Given Up")
        DROPPED = "DROPPED", _("not sent: what it says was over by then")

    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=120, unique=True, help_text="the same key is told once")
    channel = models.CharField(max_length=8, choices=Channel, default=Channel.PERSON)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="notifications"
    )
    email = models.EmailField(blank=True, help_text="empty for staff: their addresses are a setting")
    language = models.CharField(max_length=2, default="en")
    facts = models.JSONField(default=dict, help_text="amounts in paise, moments in ISO 8601, references")
    message_id = models.CharField(max_length=120, help_text="the same at every try: a repeat is recognised")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    next_check_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    checks = models.PositiveIntegerField(default=0, help_text="tries, counted when they begin")
    last_error = models.CharField(max_length=300, blank=True)
    dropped_because = models.CharField(max_length=200, blank=True, help_text="why it is not true any more")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["next_check_at"], name="notification_due", condition=Q(next_check_at__isnull=False)
            ),
            models.Index(fields=["email", "sent_at"], name="notification_sent_to"),
            models.Index(fields=["created_at"], name="notification_alerts", condition=Q(kind="alert")),
            models.Index(fields=["created_at"], name="notification_given_up", condition=Q(state="GIVEN_UP")),
        ]

    def __str__(self) -> str:
        return self.key
