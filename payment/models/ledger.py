"""Money that moved, and money on its way back."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from payment.models.payments import Payment, PaymentAttempt
from payment.states import RefundState

OPEN_REFUND = (RefundState.CREATED, RefundState.UNKNOWN, RefundState.PENDING, RefundState.CONFIRMED)


class Refund(models.Model):
    """Money on its way back for one attempt. Further refunds of the same attempt wait, they are never dropped."""

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds")
    attempt = models.ForeignKey(PaymentAttempt, models.PROTECT, related_name="refunds")
    merchant_refund_id = models.CharField(max_length=38, unique=True)
    amount_paise = models.PositiveBigIntegerField()
    state = models.CharField(max_length=16, choices=RefundState, default=RefundState.WAITING)
    reason = models.CharField(max_length=200)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="refunds_asked_for"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["attempt"], condition=Q(state__in=OPEN_REFUND), name="refund_one_open_per_attempt"
            ),
            models.CheckConstraint(name="refund_is_at_least_one_rupee", condition=Q(amount_paise__gte=100)),
        ]

    def __str__(self) -> str:
        return self.merchant_refund_id


class LedgerEntry(models.Model):
    """Money that moved, in paise: in is positive, out is negative. Balances are sums."""

    class Kind(models.TextChoices):
        RECEIPT = "RECEIPT", "pays the payment"
        SURPLUS = "SURPLUS", "came although the payment was paid"
        SUSPENSE = "SUSPENSE", "came, but not as agreed"
        REFUND = "REFUND", "went back"

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="ledger")
    attempt = models.ForeignKey(PaymentAttempt, models.PROTECT, related_name="ledger")
    kind = models.CharField(max_length=16, choices=Kind)
    amount_paise = models.BigIntegerField()
    reference = models.CharField(max_length=64, unique=True, help_text="the order or refund id that moved it")
    simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(
                fields=["payment"], condition=Q(kind="RECEIPT"), name="ledger_one_receipt_per_payment"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_paise} {self.reference}"
