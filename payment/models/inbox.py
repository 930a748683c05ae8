"""Stored requests: webhooks of PhonePe, and requests with an Idempotency-Key."""

from datetime import timedelta

from django.conf import settings
from django.db import connection, models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.clocks import moment_in
from core.databases import insert_rows, write_returning
from core.texts import plain_line
from payment.models.payments import PaymentAttempt
from payment.models.refunds import Refund


class WebhookEvent(models.Model):
    """One webhook of PhonePe, stored as it came. Only a reason to poll: the status decides, never this body."""

    class State(models.TextChoices):
        RECEIVED = "RECEIVED", _("to be polled")
        HANDLED = "HANDLED", _("PhonePe's status was at least as final")
        UNMATCHED = "UNMATCHED", _("about no order or refund of ours")
        NOTED = "NOTED", _("understood; it moves no order's money")
        NEEDS_REVIEW = "NEEDS_REVIEW", _("authentic and not understood: staff must review it")
        CLOSED = "CLOSED", _("closed by staff")

    digest = models.CharField(max_length=64, unique=True)
    scheme = models.CharField(max_length=16)
    header_names = models.TextField(blank=True)
    body = models.BinaryField()
    event = models.CharField(max_length=64, blank=True)
    merchant_order_id = models.CharField(max_length=64, blank=True)
    merchant_refund_id = models.CharField(max_length=64, blank=True)
    claimed_state = models.CharField(max_length=16, db_column="claimed_verdict")
    claimed_paise = models.BigIntegerField(null=True, blank=True)
    attempt = models.ForeignKey(PaymentAttempt, models.PROTECT, null=True, blank=True, related_name="events")
    refund = models.ForeignKey(Refund, models.PROTECT, null=True, blank=True, related_name="events")
    state = models.CharField(max_length=16, choices=State, default=State.RECEIVED)
    differs = models.CharField(
        max_length=200, blank=True, help_text="where the body contradicts PhonePe's status"
    )
    unclear = models.CharField(max_length=200, blank=True, help_text="what of it is not understood")
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    closed_because = models.CharField(
        max_length=200, blank=True, validators=[plain_line], help_text="the reason that staff gave"
    )
    deliveries = models.PositiveIntegerField(default=0)
    next_check_at = models.DateTimeField(null=True, blank=True)
    checks = models.PositiveIntegerField(default=0)
    received_at = models.DateTimeField(auto_now_add=True)
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["next_check_at"], name="event_due", condition=Q(next_check_at__isnull=False)
            ),
            models.Index(
                fields=["received_at"],
                name="event_unfinished",
                condition=Q(state__in=("RECEIVED", "UNMATCHED", "NEEDS_REVIEW")),
            ),
            # For equality and for beginnings.
            models.Index(fields=["merchant_order_id"], name="event_order", opclasses=["varchar_pattern_ops"]),
            models.Index(
                fields=["merchant_refund_id"],
                name="event_refund",
                opclasses=["varchar_pattern_ops"],
                condition=~Q(merchant_refund_id=""),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="event_not_understood_is_not_handled",
                condition=Q(unclear="") | ~Q(state__in=("HANDLED", "NOTED")),
            ),
            models.CheckConstraint(
                name="event_under_review_says_why", condition=~Q(state="NEEDS_REVIEW") | ~Q(unclear="")
            ),
            models.CheckConstraint(
                name="event_is_closed_with_a_reason",
                condition=~Q(state="CLOSED") | (~Q(closed_because="") & Q(closed_by__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.merchant_order_id or self.merchant_refund_id}"

    def insert_or_count(self) -> bool:
        """Whether it is new; else one more delivery of the stored one is counted. The database decides between copies.

        The ORM has no "ON CONFLICT … SET deliveries = deliveries + 1", and PhonePe waits for the answer.
        """
        self.deliveries = 1
        again = "ON CONFLICT (digest) DO UPDATE SET deliveries = payment_webhookevent.deliveries + 1"
        written = write_returning(insert_rows(self, conflict=f"{again} RETURNING id, deliveries"))
        assert written is not None  # noqa: S101 - new or counted
        self.pk, self.deliveries = written
        self._state.adding, self._state.db = False, connection.alias
        return self.deliveries == 1


class IdempotencyKey(models.Model):
    """One caller, route and key with the stored answer. Without an answer it is the lease of the running request."""

    caller = models.CharField(max_length=64)
    route = models.CharField(max_length=64)
    key_digest = models.CharField(max_length=64)
    body_digest = models.CharField(max_length=64)
    lease = models.UUIDField()
    lease_until = models.DateTimeField()
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["caller", "route", "key_digest"], name="idempotency_key_once"),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]

    def __str__(self) -> str:
        return f"{self.caller} {self.route}"

    def insert_or_replace(self, lease: timedelta, kept: timedelta) -> bool:
        """Leases the key for so long, by the clock that all processes share. One statement decides between requests.

        False while a row that was created within `kept` of now has it. The ORM has no
        "ON CONFLICT … DO UPDATE … WHERE", and writes moments of this machine.
        """
        columns = ("body_digest", "lease", "lease_until", "status_code", "answer", "created_at")
        replaced = ", ".join(f"{column} = excluded.{column}" for column in columns)
        spans = (lease, timedelta(), -kept, kept)
        (until, now, oldest, newest), moments = zip(*map(moment_in, spans), strict=True)
        token = self.lease if connection.features.has_native_uuid_field else self.lease.hex
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO payment_idempotencykey"  # noqa: S608 - with parameters
                " (caller, route, key_digest, body_digest, lease, lease_until, created_at)"
                f" VALUES (%s, %s, %s, %s, %s, {until}, {now})"
                f" ON CONFLICT (caller, route, key_digest) DO UPDATE SET {replaced}"
                f" WHERE payment_idempotencykey.created_at NOT BETWEEN {oldest} AND {newest} RETURNING id",
                [self.caller, self.route, self.key_digest, self.body_digest, token, *moments],
            )
            written = cursor.fetchone()
        if written is None:
            return False
        self.pk, self._state.adding, self._state.db = written[0], False, connection.alias
        return True
