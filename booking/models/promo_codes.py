"""Discounts that a customer gets by typing a code."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.fields import FIRST_MOMENT, LAST_MOMENT, SENSIBLE_MOMENT
from core.texts import plain_line

CODE_LETTERS = r"^[A-Z0-9_-]+$"


class PromoCode(models.Model):
    class DiscountType(models.TextChoices):
        PERCENT = "PERCENT", _("Percent")
        FIXED = "FIXED", _("Fixed")

    class CodeType(models.TextChoices):
        PUBLIC = "PUBLIC", _("Public")
        PRIVATE = "PRIVATE", _("Private: for whoever knows it")
        FIRST_ORDER = "FIRST_ORDER", _("For the first order")
        USER_SPECIFIC = "USER_SPECIFIC", _("For the assigned people")

    code = models.CharField(
        max_length=30,
        unique=True,
        validators=[RegexValidator(CODE_LETTERS, "Capital letters, digits, - and _ only.")],
    )
    description = models.CharField(max_length=200, blank=True, validators=[plain_line])
    code_type = models.CharField(max_length=15, choices=CodeType, default=CodeType.PUBLIC)
    assigned_users = models.ManyToManyField(User, blank=True, related_name="+")
    discount_type = models.CharField(max_length=10, choices=DiscountType)
    percent = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    amount_paise = models.PositiveIntegerField(null=True, blank=True)
    min_order_paise = models.PositiveIntegerField(default=0)
    max_discount_paise = models.PositiveIntegerField(null=True, blank=True)
    starts_at = models.DateTimeField(default=timezone.now, validators=SENSIBLE_MOMENT)
    expires_at = models.DateTimeField(null=True, blank=True, validators=SENSIBLE_MOMENT)
    usage_limit = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(2_147_483_647)]
    )
    # Their sum may pass the limit: money that came late is honoured. New uses are refused by the UPDATE.
    reserved_count = models.PositiveIntegerField(default=0, editable=False)
    used_count = models.PositiveIntegerField(default=0, editable=False)
    # Sums over the checkouts of the first `summed_count` uses, so that nobody adds up a year of sales for two numbers.
    # Where it is not `used_count` (an older release counted a use), the worker adds them up again.
    summed_count = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    summed_discount_paise = models.BigIntegerField(default=0, db_default=0, editable=False)
    summed_total_paise = models.BigIntegerField(default=0, db_default=0, editable=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        ordering = ("code",)
        constraints = [
            models.CheckConstraint(
                # "Not null" is said aloud: SQL lets a check pass whose answer is unknown.
                condition=Q(discount_type="PERCENT", percent__range=(1, 100), percent__isnull=False)
                & Q(amount_paise=None)
                | Q(discount_type="FIXED", amount_paise__gte=1, amount_paise__isnull=False, percent=None),
                name="promo_discount_is_percent_or_amount",
                violation_error_message="Give the percent or the amount, as the discount type says.",
            ),
            models.CheckConstraint(
                condition=Q(starts_at__range=(FIRST_MOMENT, LAST_MOMENT))
                & (Q(expires_at=None) | Q(expires_at__range=(FIRST_MOMENT, LAST_MOMENT))),
                name="promo_dates_can_be_read",
            ),
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(code__regex=CODE_LETTERS),
                name="active_promo_code_can_be_typed",
                violation_error_message="Capital letters, digits, - and _ only.",
            ),
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(usage_limit=None) | Q(usage_limit__gte=1),
                name="active_promo_has_a_use",
                violation_error_message="Allow at least one use, or leave the limit empty.",
            ),
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(max_discount_paise=None) | Q(max_discount_paise__gte=1),
                name="active_promo_takes_something_off",
                violation_error_message="A discount of at most ₹0.00 takes nothing off.",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        """What the shop would tell every customer. No constraint: a code ends by being given an end."""
        if not self.is_active:
            return
        if self.expires_at and self.starts_at and self.expires_at <= self.starts_at:
            raise ValidationError({"expires_at": "The code must end after its start."})
        if self.percent == 100 and self.max_discount_paise is None:
            raise ValidationError(
                {"percent": "₹1.00 must be left to pay: take off less, or limit the discount."}
            )
