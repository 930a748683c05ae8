"""Money that staff take or give back themselves, the closing of a day's cash, and links by which a booking is paid."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from booking.models import Checkout
from core.texts import plain_line
from payment.models.ledger import LedgerEntry

LONGEST_LINK = timedelta(days=7)


class CashClosing(models.Model):
    """The cash of one person, counted: all that they took and gave back since their last closing.

    A difference needs a reason; one above CASH_DIFFERENCE_ABOVE needs a second person, too.
    """

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="cash_closings", help_text="whose cash it is"
    )
    day = models.DateField()
    expected_paise = models.BigIntegerField(help_text="the sum of their entries in the ledger")
    counted_paise = models.BigIntegerField()
    reason = models.CharField(max_length=200, blank=True, validators=[plain_line])
    needs_second_person = models.BooleanField(default=False)
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(auto_now_add=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="cash_closing_difference_has_a_reason",
                condition=Q(counted_paise=F("expected_paise")) | ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="cash_closing_is_counted", condition=Q(counted_paise__gte=0) | Q(expected_paise__lt=0)
            ),
            models.CheckConstraint(
                name="cash_closing_needs_two_people",
                condition=Q(confirmed_by=None, confirmed_at=None)
                | Q(needs_second_person=True, confirmed_by__isnull=False, confirmed_at__isnull=False)
                & ~Q(confirmed_by=F("closed_by"))
                & ~Q(confirmed_by=F("person")),
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                name="cash_closing_unconfirmed",
                condition=Q(needs_second_person=True, confirmed_by=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person}, {self.day}"

    @property
    def difference_paise(self) -> int:
        return self.counted_paise - self.expected_paise


class ManualEntry(models.Model):
    """Who took or gave back the money of a ledger entry, and how. PhonePe knows nothing of it.

    `key` is of the form that was sent: the same form twice is one entry.
    """

    class Means(models.TextChoices):
        CASH = "CASH", _("cash")
        TRANSFER = "TRANSFER", _("bank transfer")

    entry = models.OneToOneField(LedgerEntry, models.PROTECT, related_name="by_hand")
    means = models.CharField(max_length=8, choices=Means)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="manual_entries", help_text="who had the money"
    )
    reference = models.CharField(
        max_length=64, blank=True, validators=[plain_line], help_text="UTR of a transfer, number of a slip"
    )
    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    closing = models.ForeignKey(
        CashClosing, models.PROTECT, null=True, blank=True, related_name="entries", help_text="of cash"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "manual entries"
        constraints = [
            models.CheckConstraint(
                name="manual_transfer_has_a_reference", condition=~Q(means="TRANSFER") | ~Q(reference="")
            ),
            models.UniqueConstraint(
                fields=["reference"],
                name="manual_transfer_is_entered_once",
                condition=Q(means="TRANSFER"),
                violation_error_message="This transfer has been entered already.",
            ),
            models.CheckConstraint(
                name="manual_only_cash_is_closed", condition=Q(means="CASH") | Q(closing=None)
            ),
        ]
        indexes = [
            models.Index(fields=["person"], name="manual_cash_open", condition=Q(means="CASH", closing=None)),
        ]

    def __str__(self) -> str:
        return f"{self.means} {self.reference}".strip()


class PayLink(models.Model):
    """A booking that staff made for somebody who pays it by a signed link, until it ends.

    Its checkout keeps the place until then, also when an order of it at PhonePe has ended unpaid.
    """

    checkout = models.OneToOneField(Checkout, models.PROTECT, related_name="pay_link")
    key = models.UUIDField(
        unique=True, editable=False, help_text="of the form: the same form twice is one link"
    )
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    buyer_gstin = models.CharField("GSTIN of the buyer", max_length=15, blank=True, default="")
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, help_text="it opens nothing any more")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="pay_link_ends_within_a_week",
                condition=Q(expires_at__lte=F("created_at") + LONGEST_LINK + timedelta(minutes=5)),
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="pay_link_open", condition=Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return f"Pay link {self.pk}"
