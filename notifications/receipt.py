"""What stands on a receipt. It knows no model of payments, and `notifications.receipt_pdf` draws it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from django.conf import settings
from django.utils.translation import gettext as _

from core.dates import spell_date
from core.language import supported_language
from core.money import grouped

Rows = list[tuple[str, str]]  # labels with their values

# What lays out the text and writes the PDF.
LIBRARIES = tuple(f"{name} {version(name)}" for name in ("fpdf2", "fonttools", "uharfbuzz"))


@dataclass(frozen=True)
class Returned:
    """Money of this receipt that went back: by a refund of ours, or taken by the buyer's bank."""

    at: datetime
    amount_paise: int
    reference: str


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
    returned: tuple[Returned, ...] = ()

    def __post_init__(self) -> None:
        if self.price_paise - self.discount_paise + self.difference_paise != self.total_paise:
            raise ValueError(f"the amounts of receipt {self.number} do not add up")

    @property
    def left_paise(self) -> int:
        return self.total_paise - sum(each.amount_paise for each in self.returned)

    def price_rows(self) -> Rows:
        """What was bought, and what changes its price; labels in the active language."""
        return [
            (self.item or _("Donation (dakshina)"), f"₹{grouped(self.price_paise)}"),
            (_("Discount"), _signed(-self.discount_paise)),
            (_("Difference to the agreed amount"), _signed(self.difference_paise)),
        ]

    def returned_rows(self) -> Rows:
        """What went back, and what is left: nobody who is shown the receipt later must be misled."""
        # Translators: {reference} is the number of a refund, or of a dispute at the buyer's bank.
        text = _("Returned on {day} ({reference})")
        rows = [
            (text.format(day=spell_date(each.at), reference=each.reference), _signed(-each.amount_paise))
            for each in self.returned
        ]
        return [*rows, (_("Left after what was returned"), f"₹{grouped(self.left_paise)}")]


def digest(receipt: ReceiptDocument, language: str) -> str:
    """Of all that a PDF is drawn from: what is on the receipt, who issues it, our code with its fonts and translations,
    and the libraries."""
    drawn_from = (receipt, supported_language(language), settings.RECEIPT_ISSUER, settings.BUILD, LIBRARIES)
    return hashlib.sha256(repr(drawn_from).encode()).hexdigest()


def _signed(paise: int) -> str:
    """Empty for nothing."""
    if not paise:
        return ""
    return f"{'–' if paise < 0 else '+'} ₹{grouped(abs(paise))}"
