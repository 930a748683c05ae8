"""Money on its way back, and money that the buyer's bank takes back."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey
from core.texts import plain_line
from payment.models.payments import Payment, PaymentAttempt, advance
from payment.states import RefundState

OPEN_REFUND = (RefundState.CREATED, RefundState.UNKNOWN, RefundState.PENDING, RefundState.CONFIRMED)
ENDED_REFUND = (RefundState.COMPLETED, RefundState.FAILED)
UNSENT_REFUND = (RefundState.WAITING, RefundState.CREATED, RefundState.UNKNOWN)  # with an empty `sent_at`

# Read as "may become KEY from any of VALUES". The row count of the UPDATE shows which caller moved the row.
REFUND_FROM = {
    RefundState.CREATED: (RefundState.WAITING,),
    RefundState.UNKNOWN: (RefundState.CREATED,),
    RefundState.PENDING: (RefundState.CREATED, RefundState.UNKNOWN),
    RefundState.CONFIRMED: (RefundState.CREATED, RefundState.UNKNOWN, RefundState.PENDING),
    RefundState.COMPLETED: (*OPEN_REFUND, RefundState.FAILED),
    RefundState.FAILED: (RefundState.WAITING, *OPEN_REFUND),
}


class Refund(models.Model):
    """Money on its way back for one attempt. Further refunds of the same attempt wait, they are never dropped.

    One that failed is replaced by another row with another id, so what is owed is always in a row that is not FAILED.
    """

    class Origin(models.TextChoices):
        SHOP = "SHOP", _("sent by us")
        DASHBOARD = "DASHBOARD", _("made by hand in PhonePe's dashboard")
        BY_HAND = "BY_HAND", _("given back by staff")

    class Hold(models.TextChoices):
        """Why staff must act before it is sent."""

        NONE = "", _("is sent without approval")
        SECOND_PERSON = "SECOND_PERSON", _("above the limit: another person must approve it")
        FAILED_OFTEN = "FAILED_OFTEN", _("failed under several ids: staff must find out why")
        BY_HAND = "BY_HAND", _("taken by hand: staff give it back, and enter that")

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds")
    attempt = models.ForeignKey(PaymentAttempt, models.PROTECT, related_name="refunds")
    merchant_refund_id = models.CharField(max_length=63, unique=True)
    amount_paise = models.PositiveBigIntegerField()
    state = models.CharField(max_length=16, choices=RefundState, default=RefundState.WAITING)
    origin = models.CharField(max_length=16, choices=Origin, default=Origin.SHOP)
    reason = models.CharField(max_length=200, validators=[plain_line])
    replaces = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="replaced_by", help_text="that one failed"
    )

    cut_paise = models.PositiveBigIntegerField(
        default=0,
        help_text="the part that is still owed and is in no other row: its money had gone another way",
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="refunds_asked_for"
    )
    asked_by_key = models.ForeignKey(
        ApiKey,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="of the server that asked for it",
    )
    held_because = models.CharField(max_length=16, choices=Hold, default=Hold.NONE, blank=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="refunds_approved"
    )
    approved_at = models.DateTimeField(null=True, blank=True)

    expected_by = models.DateTimeField(null=True, blank=True, help_text="the date that the buyer was given")
    provider_refund_id = models.CharField(max_length=64, blank=True)
    utr = models.CharField(
        max_length=64, blank=True, help_text="the bank's reference: UTR, for cards the ARN"
    )
    code = models.CharField(max_length=64, blank=True, help_text="the last code about it")

    sent_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when it may have reached PhonePe; empty: it has not, as far as we know",
    )
    next_check_at = models.DateTimeField(null=True, blank=True)
    checks = models.PositiveIntegerField(default=0)

    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["next_check_at"], name="refund_due", condition=Q(next_check_at__isnull=False)
            ),
            models.Index(
                fields=["expected_by"],
                name="refund_open",
                condition=Q(state__in=(RefundState.WAITING, *OPEN_REFUND)),
            ),
            # Those of a month are compared with their credit notes each minute.
            models.Index(
                fields=["decided_at"], name="refund_completed", condition=Q(state=RefundState.COMPLETED)
            ),
            *(
                models.Index(fields=[column], name=name, condition=~Q(**{column: ""}))
                for column, name in (("provider_refund_id", "refund_provider"), ("utr", "refund_utr"))
            ),
        ]
        constraints = [
            # Refunds from PhonePe's dashboard are not sent by us, one after the other.
            models.UniqueConstraint(
                fields=["attempt"],
                condition=Q(state__in=OPEN_REFUND, origin="SHOP"),
                name="refund_one_open_per_attempt",
            ),
            models.CheckConstraint(name="refund_is_at_least_one_rupee", condition=Q(amount_paise__gte=100)),
            models.CheckConstraint(
                name="refund_that_is_cut_is_not_owed",  # failed, or a request that restores it
                condition=Q(cut_paise=0)
                | Q(state=RefundState.FAILED, cut_paise__lte=F("amount_paise"))
                | Q(
                    state=RefundState.WAITING,
                    held_because="SECOND_PERSON",
                    cut_paise__lte=F("amount_paise"),
                ),
            ),
            models.CheckConstraint(
                name="refund_on_hold_is_not_sent",
                condition=Q(held_because="") | Q(state__in=(RefundState.WAITING, RefundState.FAILED)),
            ),
            models.CheckConstraint(
                name="refund_open_is_looked_at",
                condition=Q(state__in=ENDED_REFUND) | ~Q(held_because="") | Q(next_check_at__isnull=False),
            ),
            models.CheckConstraint(
                name="refund_needs_two_people",
                condition=Q(approved_by=None) | Q(asked_by=None) | ~Q(approved_by=F("asked_by")),
            ),
        ]

    def __str__(self) -> str:
        return self.merchant_refund_id

    def advance(self, to: RefundState, **values: Any) -> bool:
        return advance(self, "state", to, REFUND_FROM[to], values)

    @property
    def is_requested(self) -> bool:
        """Waits for a second person: nothing of it is owed yet."""
        return self.state == RefundState.WAITING and self.held_because == self.Hold.SECOND_PERSON

    @property
    def is_with_phonepe(self) -> bool:
        """It may have arrived: it must be polled, not sent again."""
        return self.sent_at is not None
