"""Donations of a financial year: a list with masked PANs, and the donors with their whole PAN for Form 10BD.

A donation counts in the year of its money. What of it went back, to the donor or to their bank, is not counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _
from import_export.resources import Resource

from accounts.pan_cards import KeyIsMissing, mask
from backoffice.exports import CHUNK, Export, Number, Rupees, column
from notifications.formatting import INDIA
from payment.models import PAYING, Donation, LedgerEntry, Payment, Receipt
from payment.models.receipts import financial_year
from payment.services.donations import pan_of

Kind = LedgerEntry.Kind
# The words of Form 10BD (rule 18AB) that stand in each row of its table.
PAN_CODE = "Permanent Account Number"
SECTION = "Section 80G"
KIND = "Others"
MODE = "Electronic modes including account payee cheque/draft"
UNREADABLE = "?"


def donations_of_year(year: int) -> QuerySet[Donation]:
    """That were paid, the newest receipt first, each with `left_paise`: what came and has not gone back."""
    return _paid().filter(payment__receipt__year=year)


def donations_with_pan() -> QuerySet[Donation]:
    return _paid().exclude(pan="")


def _paid() -> QuerySet[Donation]:
    series = Receipt.Series.SIMULATION if settings.PHONEPE_SIMULATION_MODE else Receipt.Series.DONATION
    # Of its own money: what came a second time, and went back, is no donation.
    pays = LedgerEntry.objects.filter(attempt=OuterRef("attempt"), kind__in=PAYING)
    entries = LedgerEntry.objects.filter(Exists(pays), payment=OuterRef("payment")).exclude(kind=Kind.FEE)
    left = entries.order_by().values("attempt").annotate(sum=Sum("amount_paise")).values("sum")
    return (
        Donation.objects.filter(payment__receipt__series=series)
        .annotate(left_paise=Coalesce(Subquery(left), 0))
        .select_related("payment__user", "payment__receipt")
        .order_by(F("payment__receipt__number").desc(nulls_first=True))
    )


def lacking_address(year: int) -> "QuerySet[Donation]":
    """Of donors with a PAN who have told no address with any donation of this year: Form 10BD wants one beside it.

    What went back whole is in no row of the form. A PAN that no key reads is nobody else's.
    """
    counted: QuerySet[Any] = donations_of_year(year).exclude(pan="")
    counted = counted.filter(left_paise__gt=0)
    lacking = {each.pk: _pan(each) for each in counted.filter(address="").iterator(CHUNK)}
    if not lacking:
        return counted.none()
    with_address = {_pan(each) for each in counted.exclude(address="").iterator(CHUNK)} - {UNREADABLE}
    keys = [key for key, pan in lacking.items() if pan not in with_address]
    return counted.filter(pk__in=keys)


@dataclass(frozen=True)
class Line:
    key: int
    receipt: Receipt
    name: str
    email: str
    pan: str  # masked
    address: str
    purpose: str
    paise: int
    left_paise: int

    @property
    def lacks_address(self) -> bool:
        return bool(self.pan) and not self.address

    @property
    def back_paise(self) -> int:
        return self.paise - self.left_paise


def line_of(donation: Donation) -> Line:
    payment, pan = donation.payment, _pan(donation)
    return Line(
        key=donation.pk,
        receipt=payment.receipt,
        name=_name(payment),
        email=_email(donation),
        pan=mask(pan) if pan and pan != UNREADABLE else pan,
        address=donation.address,
        purpose=donation.purpose,
        paise=payment.receipt.total_paise,
        left_paise=donation.left_paise,  # type: ignore[attr-defined]  # annotated
    )


def _name(payment: Payment) -> str:
    return payment.payer_reference or (payment.user.full_name if payment.user else "")


def _email(donation: Donation) -> str:
    return donation.payment.user.email if donation.payment.user else donation.email


def _pan(donation: Donation) -> str:
    try:
        return pan_of(donation)
    except KeyIsMissing:  # logged there; the others are shown
        return UNREADABLE


@dataclass(frozen=True)
class Approval:
    """The number and the date of our approval (URN), as the accountant writes them for one file. Not stored."""

    registration: str = ""
    registered_on: date | None = None


@dataclass
class Donor:
    """A row of Form 10BD: all that one person gave in a year. `address`: the newest one that was written.

    `acknowledgement` is a number of the portal, which we do not have.
    """

    pan: str
    name: str
    email: str
    address: str = ""
    paise: int = 0
    number: int = 0
    section: str = SECTION
    kind: str = KIND
    mode: str = MODE
    acknowledgement: str = ""
    registration: str = ""
    registered_on: str = ""
    receipts: list[str] = field(default_factory=list)

    @property
    def code(self) -> str:
        return PAN_CODE if self.pan not in ("", UNREADABLE) else ""

    @property
    def numbers(self) -> str:
        return ", ".join(self.receipts)


class Form10BdResource(Resource):
    """The columns of the portal's own table, by its names and in its order; the last two are for us."""

    number = column("number", "Sl. No.", Number)
    acknowledgement = column("acknowledgement", "Pre Acknowledgement Number")
    code = column("code", "ID Code")
    pan = column("pan", "Unique Identification Number")
    section = column("section", "Section Code")
    registration = column("registration", "Unique Registration Number (URN)")
    registered_on = column("registered_on", "Date of Issuance of Unique Registration Number")
    name = column("name", "Name of donor")
    address = column("address", "Address of donor")
    kind = column("kind", "Donation Type")
    mode = column("mode", "Mode of receipt")
    amount = column("paise", "Amount of donation (Indian rupees)", Rupees)
    email = column("email", "mail")
    receipts = column("numbers", "receipts")


def donors(first: date, last: date, approval: Approval) -> Iterator[Donor]:
    """Of the financial year in which `first` lies: by PAN, and, of those without one, by name and mail address."""
    year = financial_year(datetime.combine(first, time(12), INDIA))
    found: dict[tuple[str, ...], Donor] = {}
    for donation in donations_of_year(year).iterator(CHUNK):
        pan, name, email = _pan(donation), _name(donation.payment), _email(donation)
        left = donation.left_paise  # type: ignore[attr-defined]  # annotated
        if not left:
            continue
        key = (pan,) if pan and pan != UNREADABLE else (pan, name.casefold(), email.casefold())
        donor = found.setdefault(key, Donor(pan, name, email))
        donor.address = donor.address or donation.address
        donor.paise += left
        donor.receipts.append(str(donation.payment.receipt))
    rows = sorted(found.values(), key=lambda each: (not each.pan, each.name.casefold(), each.pan))
    for number, donor in enumerate(rows, start=1):
        donor.number, donor.registration = number, approval.registration
        donor.registered_on = f"{approval.registered_on:%d/%m/%Y}" if approval.registered_on else ""
        yield donor


def form_10bd(approval: Approval) -> Export:
    return Export(_("Form 10BD"), Form10BdResource, partial(donors, approval=approval))
