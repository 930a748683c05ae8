"""What servers of the business are told: events, the addresses that get them, and each delivery."""

import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.texts import plain_line
from payment.models.payments import Payment


def make_event_id() -> str:
    return f"evt_{secrets.token_hex(12)}"


class ServerEvent(models.Model):
    """A fact, written in the transaction of the fact. It is sent to each endpoint that wants its type.

    `data` holds ids, sums and states, and nothing that names a person: a server that may know more asks for it.
    """

    class Type(models.TextChoices):
        PAYMENT_PAID = "payment.paid", _("the agreed amount came")
        PAYMENT_FAILED = "payment.failed", _("it ended unpaid; money may still come late")
        BOOKING_CONFIRMED = "booking.confirmed", _("a payment became a booking")
        BOOKING_MOVED = "booking.moved", _("a booking has another start")
        BOOKING_CALLED_OFF = "booking.called_off", _("the temple called its time off: its customer chooses")
        BOOKING_CANCELLED = "booking.cancelled", _("a booking is cancelled")
        BOOKING_COMPLETED = "booking.completed", _("the puja has taken place")
        REFUND_CREATED = "refund.created", _("money is going back")
        REFUND_COMPLETED = "refund.completed", _("PhonePe has credited a refund")
        ENDPOINT_TEST = "endpoint.test", _("sent by staff, to try an endpoint")

    event_id = models.CharField(max_length=28, default=make_event_id, editable=False)
    type = models.CharField(max_length=24, choices=Type)
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, blank=True, related_name="server_events")
    data = models.JSONField(default=dict)
    is_distributed = models.BooleanField(
        default=False, help_text="each endpoint that wants it has a delivery"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["event_id"], name="server_event_id")]
        indexes = [
            models.Index(fields=["id"], name="server_event_to_do", condition=Q(is_distributed=False)),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class WebhookEndpoint(models.Model):
    """An address of a server of the business. Its secrets are encrypted (`payment.services.webhook_endpoints`)."""

    url = models.URLField(max_length=500)
    description = models.CharField(max_length=80, blank=True, validators=[plain_line])
    types = models.JSONField(default=list, blank=True, help_text="of the events that it gets; empty: all")
    secret = models.TextField(editable=False, help_text="encrypted")
    former_secret = models.TextField(
        editable=False, blank=True, help_text="encrypted: signs beside the new one"
    )
    former_until = models.DateTimeField(null=True, blank=True, editable=False)
    is_enabled = models.BooleanField(default=True)
    disabled_because = models.CharField(max_length=200, blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    first_event = models.BigIntegerField(
        default=0, editable=False, help_text="primary key: it gets no event that is older"
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["first_event"], name="webhook_endpoint_on", condition=Q(is_enabled=True)),
        ]

    def __str__(self) -> str:
        return self.description or self.url


class WebhookDelivery(models.Model):
    """One event for one endpoint, sent at least once: every try has the same `webhook-id`."""

    class State(models.TextChoices):
        WAITING = "WAITING"
        DELIVERED = "DELIVERED"
        GIVEN_UP = "GIVEN_UP"

    event = models.ForeignKey(ServerEvent, models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(WebhookEndpoint, models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    next_check_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    checks = models.PositiveIntegerField(default=0, help_text="tries, counted when they begin")
    tries = models.JSONField(
        default=list, help_text="the last ones: when, what was answered, how long it took"
    )
    created_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(fields=["event", "endpoint"], name="webhook_delivery_once_per_endpoint"),
            models.CheckConstraint(
                name="webhook_delivery_waits_for_a_moment",
                condition=~Q(state="WAITING") | Q(next_check_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"],
                name="webhook_delivery_due",
                condition=Q(next_check_at__isnull=False),
            ),
            models.Index(
                fields=["endpoint", "state"],
                name="webhook_delivery_waiting",
                condition=Q(state="WAITING"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.endpoint_id}"
