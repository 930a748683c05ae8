"""A receipt as PDF, in its reader's language. It knows no model of payments."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from fpdf.errors import FPDFException

from core.language import supported_language
from core.money import grouped
from notifications.font_fallback import REPLACEMENT
from notifications.formatting import INDIA, format_day, format_moment
from notifications.messages import Unwritable
from notifications.pdf_document import ACCENT, INK, QUIET, PdfDocument, Rows

logger = logging.getLogger(__name__)

# How many of the characters that no font has are listed at the end of the receipt.
MOST_LISTED = 10
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
            (text.format(day=format_day(each.at), reference=each.reference), _signed(-each.amount_paise))
            for each in self.returned
        ]
        return [*rows, (_("Left after what was returned"), f"₹{grouped(self.left_paise)}")]


def digest(receipt: ReceiptDocument, language: str) -> str:
    """Of all that `render` draws from: what is on the receipt, who issues it, our code with its fonts and translations,
    and the libraries."""
    drawn_from = (receipt, supported_language(language), settings.RECEIPT_ISSUER, settings.BUILD, LIBRARIES)
    return hashlib.sha256(repr(drawn_from).encode()).hexdigest()


def render(receipt: ReceiptDocument, language: str) -> bytes:
    """The PDF in this language, else in English; the same receipt gives the same bytes. Raises Unwritable."""
    language = supported_language(language)
    try:
        with timezone.override(INDIA), translation.override(language), PdfDocument() as pdf:
            pdf.set_lang(language)
            return _draw(pdf, receipt)
    except FPDFException as error:
        raise Unwritable(f"the receipt {receipt.number} cannot be drawn: {error}") from error


def _draw(pdf: PdfDocument, receipt: ReceiptDocument) -> bytes:
    issuer, *issuer_lines = settings.RECEIPT_ISSUER
    starts_at = format_moment(receipt.starts_at) if receipt.starts_at else ""
    if starts_at and receipt.is_cancelled:
        # Translators: the time of a puja whose booking is cancelled.
        starts_at = _("{moment} (cancelled)").format(moment=starts_at)

    pdf.set_creation_date(receipt.received_at)
    pdf.set_title(f"{_('Receipt')} {receipt.number}")
    pdf.add_line(issuer, 16, "B", ACCENT)
    for line in issuer_lines:
        pdf.add_line(line, 10, "", QUIET)
    pdf.ln(8)
    pdf.add_line(_("Receipt"), 22, "B", INK)
    if receipt.simulated:
        pdf.add_line(_("SIMULATION: no money has moved. This is not a receipt."), 12, "B", ACCENT)
    pdf.ln(4)
    pdf.add_rows(
        [
            (_("Receipt number"), receipt.number),
            (_("Date of payment"), format_day(receipt.received_at)),
            (_("Received from"), receipt.payer),
            (_("Address"), receipt.address),
            (_("Time of the puja"), starts_at),
        ]
    )
    pdf.add_rows(receipt.price_rows(), is_amounts=True)
    pdf.add_rows([(_("Received"), f"₹{grouped(receipt.total_paise)}")], is_amounts=True, style="B")
    if receipt.returned:
        pdf.add_rows(receipt.returned_rows(), is_amounts=True)
    pdf.add_rows(
        [
            (_("Paid by"), "PhonePe"),
            (_("Payment reference"), receipt.reference),
            (_("PhonePe reference"), receipt.transaction),
            (_("Bank reference (UTR)"), receipt.utr),
        ]
    )
    pdf.ln(4)
    pdf.add_line(_("Made by a computer; valid without a signature."), 9, "", QUIET)
    if pdf.missing_characters:  # reported by code point: the log names nobody
        codes = [f"U+{ord(char):04X}" for char in pdf.missing_characters]
        logger.warning(
            "a receipt has characters that no font has",
            extra={"receipt": receipt.number, "characters": codes},
        )
        listed = ", ".join(codes[:MOST_LISTED]) + (" …" if len(codes) > MOST_LISTED else "")
        # Translators: {codes} is a list like "U+1F600, U+738B", {sign} is printed in place of each of them.
        text = _("Characters that cannot be printed here, shown as {sign}: {codes}")
        pdf.add_line(text.format(sign=REPLACEMENT, codes=listed), 9, "", QUIET)
    return pdf.to_bytes()


def _signed(paise: int) -> str:
    """Empty for nothing."""
    if not paise:
        return ""
    return f"{'–' if paise < 0 else '+'} ₹{grouped(abs(paise))}"
