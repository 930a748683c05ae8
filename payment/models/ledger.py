"""Money that moved."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.money import in_rupees
from payment.models.disputes import Dispute
from payment.models.payments import Payment, PaymentAttempt


class LedgerEntry(models.Model):
    """Money that moved, in paise: positive when received, negative when sent back. Balances are sums."""

    class Kind(models.TextChoices):
        RECEIPT = "RECEIPT", _("pays the payment")
        SURPLUS = "SURPLUS", _("came although the payment was paid")
        SUSPENSE = "SUSPENSE", _("came, but not as agreed")
        REFUND = "REFUND", _("went back")
        CHARGEBACK = "CHARGEBACK", _("was taken by the buyer's bank, or returned by it")
        CASH = "CASH", _("pays the payment, in cash")
        TRANSFER = "TRANSFER", _("pays the payment, by bank transfer to us")
        FEE = "FEE", _("was kept by PhonePe: its fee, or the tax on that")

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="ledger")
    attempt = models.ForeignKey(PaymentAttempt, models.PROTECT, related_name="ledger")
    kind = models.CharField(max_length=16, choices=Kind)
    amount_paise = models.BigIntegerField()
    reference = models.CharField(
        max_length=100, unique=True, help_text="the order, refund or dispute that moved it"
    )
    dispute = models.ForeignKey(
        Dispute,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="ledger",
        help_text="its entries add up to what the bank holds",
    )
    simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "ledger entries"
        indexes = [models.Index(fields=["id"], name="ledger_simulated", condition=Q(simulated=True))]
        constraints = [
            models.UniqueConstraint(
                fields=["payment"],
                condition=Q(kind__in=("RECEIPT", "CASH", "TRANSFER")),
                name="ledger_one_receipt_per_payment",
            ),
            models.CheckConstraint(
                name="ledger_only_a_chargeback_has_a_dispute",
                condition=Q(dispute=None) | Q(kind="CHARGEBACK"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {in_rupees(self.amount_paise)} {self.reference}"


# What pays a payment, and stands on its receipt: by PhonePe, or taken by staff.
PAYING = (LedgerEntry.Kind.RECEIPT, LedgerEntry.Kind.CASH, LedgerEntry.Kind.TRANSFER)
