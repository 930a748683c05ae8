"""What stands on a receipt and on a credit note. It knows no model of payments; `receipt_pdf` draws them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from django.conf import settings
from django.utils.translation import gettext as _

from core.dates import spell_date
from core.gstin import STATES, UNION_TERRITORIES
from core.language import Text, supported_language
from core.money import grouped

Rows = list[tuple[str, str]]  # labels with their values

# What lays out the text and writes the PDF.
LIBRARIES = tuple(f"{name} {version(name)}" for name in ("fpdf2", "fonttools", "uharfbuzz"))


@dataclass(frozen=True)
class Reversal:
    """Money of this receipt that went back: by a refund of ours, or taken by the buyer's bank."""

    at: datetime
    amount_paise: int
    reference: str


@dataclass(frozen=True)
class TaxLines:
    """The goods and services tax in an amount, in paise."""

    gstin: str
    buyer_gstin: str
    sac: str
    place_of_supply: str
    basis_points: int
    taxable_paise: int
    cgst_paise: int
    sgst_paise: int
    igst_paise: int

    def heading_rows(self) -> Rows:
        state = STATES.get(self.place_of_supply, "")
        return [
            (_("GSTIN"), self.gstin),
            (_("GSTIN of the buyer"), self.buyer_gstin),
            (_("Place of supply"), f"{state} ({self.place_of_supply})"),
            (_("Service code (SAC)"), self.sac),
        ]

    def amount_rows(self) -> Rows:
        """They add up to the amount. Within a state two halves, one of them called UTGST in some territories."""
        rows = [(_("Taxable value"), f"₹{grouped(self.taxable_paise)}")]
        if self.place_of_supply != self.gstin[:2]:
            return [*rows, (f"IGST {_percent(self.basis_points)}", f"₹{grouped(self.igst_paise)}")]
        local = "UTGST" if self.gstin[:2] in UNION_TERRITORIES else "SGST"
        return [
            *rows,
            (f"CGST {_percent(self.basis_points / 2)}", f"₹{grouped(self.cgst_paise)}"),
            (f"{local} {_percent(self.basis_points / 2)}", f"₹{grouped(self.sgst_paise)}"),
        ]


@dataclass(frozen=True)
class CreditNoteDocument:
    """What stands on a credit note. Amounts in paise; empty text is left out."""

    number: str
    issued_at: datetime
    simulated: bool
    receipt_number: str
    received_at: datetime | None
    payer: str
    address: str
    item: str
    total_paise: int
    reference: str
    payment_reference: str
    utr: str
    tax: TaxLines | None = None


@dataclass(frozen=True)
class ReceiptDocument:
    """What stands on a receipt. Amounts in paise; empty text is left out. Raises ValueError if they do not add up.

    `difference_paise` is what came above (below: negative) what was agreed, which staff have accepted.
    """

    number: str
    received_at: datetime
    simulated: bool
    payer: str
    address: str
    item: str
    starts_at: datetime | None
    price_paise: int
    discount_paise: int
    total_paise: int
    reference: str
    transaction: str
    utr: str
    difference_paise: int = 0
    is_cancelled: bool = False
    reversals: tuple[Reversal, ...] = ()
    tax: TaxLines | None = None
    is_donation: bool = False
    purpose: str = ""
    pan: str = ""  # masked
    notes: tuple[str, ...] = ()  # what the tax office wants on the receipt of a donation
    paid_by: Text = "PhonePe"

    def __post_init__(self) -> None:
        if self.price_paise - self.discount_paise + self.difference_paise != self.total_paise:
            raise ValueError(f"the amounts of receipt {self.number} do not add up")

    @property
    def left_paise(self) -> int:
        return self.total_paise - sum(each.amount_paise for each in self.reversals)

    def price_rows(self) -> Rows:
        """What was bought, and what changes its price; labels in the active language."""
        return [
            (self.item or _("Donation (dakshina)"), f"₹{grouped(self.price_paise)}"),
            (_("Discount"), _signed(-self.discount_paise)),
            (_("Difference to the agreed amount"), _signed(self.difference_paise)),
        ]

    def reversal_rows(self) -> Rows:
        """What went back, and what is left: nobody who is shown the receipt later must be misled."""
        # Translators: {reference} is the number of a refund, or of a dispute at the buyer's bank.
        text = _("Returned on {day} ({reference})")
        rows = [
            (text.format(day=spell_date(each.at), reference=each.reference), _signed(-each.amount_paise))
            for each in self.reversals
        ]
        return [*rows, (_("Left after what was returned"), f"₹{grouped(self.left_paise)}")]


def digest(receipt: ReceiptDocument, language: str) -> str:
    """Of all that a PDF is drawn from: what is on the receipt, who issues it, our code with its fonts and translations,
    and the libraries."""
    drawn_from = (receipt, supported_language(language), settings.RECEIPT_ISSUER, settings.BUILD, LIBRARIES)
    return hashlib.sha256(repr(drawn_from).encode()).hexdigest()


def _percent(basis_points: float) -> str:
    """1800 is "18 %", 1250 is "12.5 %"."""
    return f"{basis_points / 100:g} %"


def _signed(paise: int) -> str:
    """Empty for nothing."""
    if not paise:
        return ""
    return f"{'–' if paise < 0 else '+'} ₹{grouped(abs(paise))}"
