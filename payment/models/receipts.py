"""Receipts for received money and credit notes for refunds, numbered without gaps in each financial year."""

import re
from datetime import datetime

from django.db import models
from django.db.models import F, Q

from notifications.formatting import INDIA
from payment.models.payments import Payment
from payment.models.refunds import Refund

# The largest that fits into sixteen characters, the limit of rule 46(b) of India's GST rules for a serial number.
LAST_NUMBER = 99_999_999
# A year is written with two digits: those of two centuries would be the same.
FIRST_YEAR, LAST_YEAR = 2000, 2099
SERIAL_NUMBER = re.compile(r"([A-Z]{3})[/-]?([0-9]{2})-?[0-9]{2}[/-]([0-9]{1,8})", re.ASCII)


def financial_year(moment: datetime) -> int:
    """India's year begins on 1 April at midnight in India: 31 March 2027 belongs to 2026."""
    day = moment.astimezone(INDIA)
    return day.year if day.month >= 4 else day.year - 1


def serial_number(series: str, year: int, number: int) -> str:
    """At most sixteen characters, never two alike: OKP/26-27/000123, OKP/2627/1000000, OKP2627/10000000."""
    first, second = f"{year % 100:02}", f"{(year + 1) % 100:02}"
    if number <= 999_999:
        return f"{series}/{first}-{second}/{number:06}"
    if number <= 9_999_999:
        return f"{series}/{first}{second}/{number}"
    return f"{series}{first}{second}/{number}"


def read_serial_number(text: str) -> tuple[str, int, int] | None:
    """Series, year and number of a serial number as people write it; None for any other text."""
    match = SERIAL_NUMBER.fullmatch(text.strip().upper())
    return (match[1], 2000 + int(match[2]), int(match[3])) if match else None


def tax_constraints(paper: str) -> list[models.CheckConstraint]:
    """Of a `TaxedPaper`: within a state CGST and SGST, which are equal; between states IGST; else nothing."""
    no_igst = Q(igst_paise=0, cgst_paise=F("sgst_paise"))
    taxed = no_igst | Q(cgst_paise=0, sgst_paise=0)
    return [
        models.CheckConstraint(
            name=f"{paper}_tax_is_of_one_kind",
            condition=taxed
            & Q(cgst_paise__gte=0, sgst_paise__gte=0, igst_paise__gte=0)
            & Q(total_paise__gte=F("cgst_paise") + F("sgst_paise") + F("igst_paise")),
        ),
        models.CheckConstraint(
            name=f"{paper}_tax_needs_a_gstin",
            condition=~Q(gstin="") & ~Q(sac="") & ~Q(place_of_supply="")
            | Q(gstin="", sac="", place_of_supply="", buyer_gstin="", gst_basis_points=0)
            & Q(cgst_paise=0, sgst_paise=0, igst_paise=0),
        ),
    ]


class TaxedPaper(models.Model):
    """The goods and services tax in `total_paise`, as it was when the paper was made. All empty: none."""

    gstin = models.CharField("our GSTIN", max_length=15, blank=True, default="", db_default="")
    buyer_gstin = models.CharField("GSTIN of the buyer", max_length=15, blank=True, default="", db_default="")
    sac = models.CharField(
        "SAC", max_length=8, blank=True, default="", db_default="", help_text="the code of the service"
    )
    place_of_supply = models.CharField(
        max_length=2, blank=True, default="", db_default="", help_text="code of the state"
    )
    gst_basis_points = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="1800 is 18 %")
    cgst_paise = models.BigIntegerField(default=0, db_default=0)
    sgst_paise = models.BigIntegerField(default=0, db_default=0, help_text="or UTGST")
    igst_paise = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        abstract = True

    total_paise: int

    @property
    def tax_paise(self) -> int:
        return self.cgst_paise + self.sgst_paise + self.igst_paise

    @property
    def taxable_paise(self) -> int:
        return self.total_paise - self.tax_paise


class Receipt(TaxedPaper):
    """Written in the transaction that takes the money, numbered a moment later, so that no payment waits for a number.

    Dated by the money, even if staff decided later. Its amounts never change.
    """

    class Series(models.TextChoices):
        MONEY = "OKP", "money"
        DONATION = "DON", "donations of the donation page"
        SIMULATION = "SIM", "simulation: no money moved"

    payment = models.OneToOneField(Payment, models.PROTECT, related_name="receipt")
    series = models.CharField(max_length=3, choices=Series)
    year = models.PositiveSmallIntegerField(help_text="the financial year that begins in it")
    number = models.PositiveIntegerField(null=True, blank=True)
    received_at = models.DateTimeField(help_text="when the money came, by PhonePe's time where it gives one")
    price_paise = models.BigIntegerField()
    discount_paise = models.BigIntegerField(default=0)
    difference_paise = models.BigIntegerField(
        default=0, help_text="what came above (below: negative) what was agreed, accepted by staff"
    )
    total_paise = models.BigIntegerField(help_text="what came")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["series", "year", "number"], name="receipt_number_once"),
            models.CheckConstraint(
                name="receipt_number_fits_sixteen_characters",
                condition=Q(number=None) | Q(number__range=(1, LAST_NUMBER)),
            ),
            models.CheckConstraint(
                name="receipt_year_has_two_digits", condition=Q(year__range=(FIRST_YEAR, LAST_YEAR))
            ),
            models.CheckConstraint(
                name="receipt_adds_up",
                condition=Q(total_paise=F("price_paise") - F("discount_paise") + F("difference_paise")),
            ),
            models.CheckConstraint(
                name="receipt_is_for_money",
                condition=Q(price_paise__gte=0, discount_paise__gte=0, total_paise__gte=1),
            ),
            *tax_constraints("receipt"),
        ]
        indexes = [
            models.Index(fields=["id"], name="receipt_unnumbered", condition=Q(number=None)),
        ]

    def __str__(self) -> str:
        return _paper_number(self)


class CreditNote(TaxedPaper):
    """The paper of a completed refund. Written in the transaction that completes it, numbered a moment later.

    Dated by the refund. Its amounts never change.
    """

    class Series(models.TextChoices):
        MONEY = "OKC", "money"
        SIMULATION = "SIC", "simulation: no money moved"

    refund = models.OneToOneField(Refund, models.PROTECT, related_name="credit_note")
    receipt = models.ForeignKey(
        Receipt,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="credit_notes",
        help_text="the receipt that it corrects; empty: money that had no receipt, as what was paid twice",
    )
    series = models.CharField(max_length=3, choices=Series)
    year = models.PositiveSmallIntegerField(help_text="the financial year that begins in it")
    number = models.PositiveIntegerField(null=True, blank=True)
    issued_at = models.DateTimeField(help_text="when the refund was completed")
    total_paise = models.BigIntegerField(help_text="what went back")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["series", "year", "number"], name="credit_note_number_once"),
            models.CheckConstraint(
                name="credit_note_number_fits_sixteen_characters",
                condition=Q(number=None) | Q(number__range=(1, LAST_NUMBER)),
            ),
            models.CheckConstraint(
                name="credit_note_year_has_two_digits", condition=Q(year__range=(FIRST_YEAR, LAST_YEAR))
            ),
            models.CheckConstraint(name="credit_note_is_for_money", condition=Q(total_paise__gte=1)),
            *tax_constraints("credit_note"),
        ]
        indexes = [
            models.Index(fields=["id"], name="credit_note_unnumbered", condition=Q(number=None)),
            models.Index(fields=["issued_at"], name="credit_note_issued"),
        ]

    def __str__(self) -> str:
        return _paper_number(self)


def _paper_number(paper: Receipt | CreditNote) -> str:
    if paper.number is None:
        return f"{paper.series}/{paper.year % 100:02}-{(paper.year + 1) % 100:02}/…"
    return serial_number(paper.series, paper.year, paper.number)


class ReceiptCounter(models.Model):
    """The last number given in a series and year, of receipts or credit notes."""

    series = models.CharField(max_length=3, choices=[*Receipt.Series.choices, *CreditNote.Series.choices])
    year = models.PositiveSmallIntegerField()
    last = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["series", "year"], name="one_counter_per_series_and_year"),
            models.CheckConstraint(
                name="receipt_counter_fits_sixteen_characters", condition=Q(last__lte=LAST_NUMBER)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.series} {self.year}: {self.last}"


class DrawnReceipt(models.Model):
    """The PDF of a receipt in one language, drawn once. Drawn again only when `digest` says that it would differ."""

    receipt = models.ForeignKey(Receipt, models.CASCADE, related_name="drawn")
    language = models.CharField(max_length=2)
    digest = models.CharField(max_length=64, blank=True, help_text="of what it was drawn from")
    content = models.BinaryField(null=True)
    drawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["receipt", "language"], name="receipt_drawn_once_per_language"),
            models.CheckConstraint(
                name="receipt_drawn_whole_or_not",
                condition=Q(digest="", content=None, drawn_at=None)
                | ~Q(digest="") & Q(content__isnull=False, drawn_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.receipt} ({self.language})"
