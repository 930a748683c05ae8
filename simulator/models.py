"""The simulator's database: merchants, orders, attempts, refunds, webhooks and faults.

Amounts are whole paise. Only `transitions`, `refunds` and `webhook_deliveries` change their state.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q


class State(models.TextChoices):
    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class Merchant(models.Model):
    class Generation(models.TextChoices):
        V1 = "v1"
        V2 = "v2"

    class Scheme(models.TextChoices):
        """How a V2 webhook is authenticated: SHA-256 of user and password, or HMAC of the body."""

        SHA = "sha"
        HMAC = "hmac"

    generation = models.CharField(max_length=2, choices=Generation.choices)
    merchant_id = models.CharField(max_length=38)
    name = models.CharField(max_length=80)
    salt_key = models.CharField(max_length=80, blank=True)
    salt_index = models.PositiveSmallIntegerField(default=1)
    client_id = models.CharField(max_length=80, null=True, blank=True, unique=True)
    client_secret = models.CharField(max_length=80, blank=True)
    client_version = models.PositiveSmallIntegerField(default=1)
    webhook_url = models.CharField(
        max_length=500, blank=True, help_text="Empty: this site's own webhook address"
    )
    webhook_scheme = models.CharField(max_length=4, choices=Scheme.choices, default=Scheme.SHA)
    webhook_username = models.CharField(max_length=20, blank=True)
    webhook_password = models.CharField(max_length=20, blank=True)
    webhook_secret = models.CharField(max_length=80, blank=True)
    webhook_key_id = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["generation", "merchant_id"], name="simulator_one_merchant"),
        ]

    def __str__(self) -> str:
        return f"{self.merchant_id} ({self.generation})"

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> "Merchant":
        """With the site's current keys: they follow its SECRET_KEY, whatever the row was created with."""
        merchant = super().from_db(db, field_names, values)
        keys = getattr(settings, "SIMULATOR_CREDENTIALS", {}).get(merchant.__dict__.get("generation"), {})
        if keys.get("merchant_id") == merchant.__dict__.get("merchant_id"):
            for name in keys.keys() & set(field_names):
                setattr(merchant, name, keys[name])
        return merchant


class Token(models.Model):
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="tokens")
    value = models.CharField(max_length=80, unique=True)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"token of {self.merchant_id} until {self.expires_at}"


class Order(models.Model):
    """One requested payment. `provider_id` is V2's order id; V1 has none before the first attempt."""

    class RedirectMode(models.TextChoices):
        REDIRECT = "REDIRECT"
        POST = "POST"

    class Flow(models.TextChoices):
        """V2: the customer chooses on PhonePe's page, or in the shop (custom checkout)."""

        PAGE = "PG_CHECKOUT"
        CUSTOM = "PG"

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="orders")
    merchant_order_id = models.CharField(max_length=63)
    provider_id = models.CharField(max_length=40, blank=True)
    page_token = models.CharField(max_length=43, unique=True)
    amount_paise = models.PositiveBigIntegerField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    error_code = models.CharField(max_length=60, blank=True)
    detailed_error_code = models.CharField(max_length=60, blank=True)
    redirect_url = models.CharField(max_length=2000)
    redirect_mode = models.CharField(
        max_length=8, choices=RedirectMode.choices, default=RedirectMode.REDIRECT
    )
    callback_url = models.CharField(max_length=2000, blank=True)
    message = models.CharField(max_length=255, blank=True)
    meta_info = models.JSONField(null=True, blank=True)
    retry_disabled = models.BooleanField(default=False)
    offered = models.JSONField(default=list, help_text="Means of payment on the page; empty: all of them")
    flow = models.CharField(max_length=11, choices=Flow.choices, default=Flow.PAGE)
    mode = models.CharField(
        max_length=20, blank=True, help_text="How it is paid, when the shop has decided that"
    )
    vpa = models.CharField(max_length=80, blank=True, help_text="Of that mode, masked")
    for_app = models.BooleanField(default=False, help_text="PhonePe's mobile SDK opens it with its token")
    prefilled_phone = models.CharField(max_length=13, blank=True, help_text="Shown on the page, to log in")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    bank_answers_at = models.DateTimeField(null=True, help_text="When the money comes that is on its way")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "merchant_order_id"], name="simulator_one_order"),
            models.CheckConstraint(condition=Q(amount_paise__gte=100), name="simulator_order_of_a_rupee"),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], name="simulator_open_order", condition=Q(state=State.PENDING)
            ),
            models.Index(
                fields=["bank_answers_at"],
                name="simulator_bank_answers",
                condition=Q(bank_answers_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.merchant_order_id


class Attempt(models.Model):
    """One attempt of the customer to pay. `amount_paise` is what left their account."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="attempts")
    provider_id = models.CharField(max_length=40, unique=True)
    amount_paise = models.PositiveBigIntegerField()
    state = models.CharField(max_length=9, choices=State.choices)
    mode = models.CharField(max_length=20, default="UPI_QR")
    instrument = models.CharField(max_length=20, default="ACCOUNT")
    vpa = models.CharField(max_length=80, default="90****01@ybl", help_text="Masked")
    error_code = models.CharField(max_length=60, blank=True)
    detailed_error_code = models.CharField(max_length=60, blank=True)
    utr = models.CharField(max_length=22, blank=True)
    upi_transaction_id = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # A customer pays an order once.
            models.UniqueConstraint(
                fields=["order"], condition=Q(state=State.COMPLETED), name="simulator_paid_once"
            ),
        ]

    def __str__(self) -> str:
        return self.provider_id


class Refund(models.Model):
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="refunds")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="refunds")
    merchant_refund_id = models.CharField(max_length=63)
    provider_id = models.CharField(max_length=40, unique=True)
    amount_paise = models.PositiveBigIntegerField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    error_code = models.CharField(max_length=60, blank=True)
    detailed_error_code = models.CharField(max_length=60, blank=True)
    callback_url = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField()
    settles_at = models.DateTimeField()
    settles_as = models.CharField(max_length=9, choices=State.choices, default=State.COMPLETED)
    by_dashboard = models.BooleanField(default=False, help_text="Not asked for through the API")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "merchant_refund_id"], name="simulator_one_refund"),
            models.CheckConstraint(condition=Q(amount_paise__gte=100), name="simulator_refund_of_a_rupee"),
        ]

    def __str__(self) -> str:
        return self.merchant_refund_id


class Delivery(models.Model):
    """A webhook: the exact body, when to try next, the result of the last try."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=60)
    about = models.CharField(max_length=63, help_text="The merchant's id of the order or refund")
    url = models.CharField(max_length=2000)
    body = models.TextField()
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, help_text="Empty: nothing more will be sent")
    tries = models.PositiveSmallIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=200, blank=True)
    held = models.BooleanField(default=False, help_text="Until a later one of the same merchant has gone")
    scheme = models.CharField(
        max_length=4, blank=True, choices=Merchant.Scheme.choices, help_text="Empty: the merchant's own"
    )

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                condition=Q(delivered_at=None) | Q(due_at=None), name="simulator_delivered_is_done"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="simulator_due", condition=Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.event} about {self.about}"


class Fault(models.Model):
    """`calls_before` calls of `operation` succeed; the next `times_left` get the fault `kind`."""

    class Source(models.TextChoices):
        CONTROL = "control"
        AMOUNT = "amount"

    source = models.CharField(max_length=7, choices=Source.choices, default=Source.CONTROL)
    operation = models.CharField(max_length=20)
    kind = models.CharField(max_length=20)
    about = models.CharField(
        max_length=63, blank=True, help_text="The merchant's id of an order or refund; empty: any"
    )
    calls_before = models.PositiveIntegerField(default=0)
    times_left = models.PositiveIntegerField(default=1)
    argument = models.CharField(max_length=100, blank=True)
    carried_out = models.BooleanField(help_text="The call has its effect although the caller cannot see it")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operation", "about"],
                condition=Q(source="amount"),
                name="simulator_amount_speaks_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation}: {self.kind} × {self.times_left}"


class FaultRate(models.Model):
    """`percent` of a hundred calls of `operation` get a fault; `seed` and the number of the call decide which."""

    operation = models.CharField(max_length=20, unique=True)
    seed = models.BigIntegerField()
    percent = models.PositiveSmallIntegerField()
    calls = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "fault rates"

    def __str__(self) -> str:
        return f"{self.operation}: {self.percent} % of seed {self.seed}"


class Clock(models.Model):
    ONLY = 1

    offset = models.DurationField(default=timedelta(0))
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "clock"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="simulator_one_clock")]

    def __str__(self) -> str:
        return f"stopped at {self.stopped_at}" if self.stopped_at else f"ahead by {self.offset}"
