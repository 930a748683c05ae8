"""A receipt as PDF, in its reader's language.

Imported where one is drawn, not at the start: fpdf2 takes a quarter of a second.
"""

import logging

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from fpdf.errors import FPDFException

from core.dates import spell_date, spell_moment
from core.language import supported_language
from core.money import grouped
from notifications.font_fallback import REPLACEMENT
from notifications.formatting import INDIA
from notifications.messages import Unwritable
from notifications.pdf_document import ACCENT, INK, QUIET, PdfDocument
from notifications.receipt import ReceiptDocument

logger = logging.getLogger(__name__)

# How many of the characters that no font has are listed at the end of the receipt.
MOST_LISTED = 10


def render(receipt: ReceiptDocument, language: str) -> bytes:
    """The PDF in this language, else in English; the same receipt gives the same bytes. Raises Unwritable."""
    language = supported_language(language)
    try:
        with timezone.override(INDIA), translation.override(language):
            return _draw(receipt, language)
    except FPDFException as error:
        raise Unwritable(f"the receipt {receipt.number} cannot be drawn: {error}") from error


def _draw(receipt: ReceiptDocument, language: str) -> bytes:
    issuer, *issuer_lines = settings.RECEIPT_ISSUER
    starts_at = spell_moment(receipt.starts_at) if receipt.starts_at else ""
    if starts_at and receipt.is_cancelled:
        # Translators: the time of a puja whose booking is cancelled.
        starts_at = _("{moment} (cancelled)").format(moment=starts_at)

    pdf = PdfDocument()
    pdf.set_lang(language)
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
            (_("Date of payment"), spell_date(receipt.received_at)),
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
