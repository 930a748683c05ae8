"""Receipts for money that came, numbered without gaps in each financial year."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from payment.models.payments import Payment


def financial_year(moment: datetime) -> int:
    """India's year begins on 1 April: 31 March 2027 belongs to 2026."""
    day = timezone.localtime(moment)
    return day.year if day.month >= 4 else day.year - 1


class Receipt(models.Model):
    """Written beside the money, numbered a moment later: nobody who takes money waits for the next number."""

    class Series(models.TextChoices):
        MONEY = "OKP", "money"
        SIMULATION = "SIM", "simulation: no money moved"

    payment = models.OneToOneField(Payment, models.PROTECT, related_name="receipt")
    series = models.CharField(max_length=3, choices=Series)
    year = models.PositiveSmallIntegerField(help_text="the financial year that begins in it")
    number = models.PositiveIntegerField(null=True, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["series", "year", "number"], name="receipt_number_once"),
            models.CheckConstraint(
                name="receipt_numbers_begin_at_one", condition=Q(number=None) | Q(number__gte=1)
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="receipt_unnumbered", condition=Q(number=None)),
        ]

    def __str__(self) -> str:
        """At most sixteen characters, as tax rules ask: OKP/26-27/000123."""
        years = f"{self.year % 100:02}-{(self.year + 1) % 100:02}"
        return f"{self.series}/{years}/{self.number:06}" if self.number else f"{self.series}/{years}/…"


class ReceiptCounter(models.Model):
    """The last number given in a series and year."""

    series = models.CharField(max_length=3, choices=Receipt.Series)
    year = models.PositiveSmallIntegerField()
    last = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["series", "year"], name="one_counter_per_series_and_year"),
        ]

    def __str__(self) -> str:
        return f"{self.series} {self.year}: {self.last}"
