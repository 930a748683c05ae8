"""A receipt or a credit note as PDF, in its reader's language.

Imported where one is drawn, not at the start: fpdf2 takes a quarter of a second.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

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
from notifications.receipt import CreditNoteDocument, ReceiptDocument

logger = logging.getLogger(__name__)

# How many of the characters that no font has are listed at the end of the receipt.
MOST_LISTED = 10


def render(receipt: ReceiptDocument, language: str) -> bytes:
    """The PDF in this language, else in English; the same receipt gives the same bytes. Raises Unwritable."""
    return _render(_draw, receipt, language)


def render_credit_note(note: CreditNoteDocument, language: str) -> bytes:
    """As `render`."""
    return _render(_draw_credit_note, note, language)


def _render(draw: Callable[[PdfDocument, Any], None], paper: Any, language: str) -> bytes:
    language = supported_language(language)
    try:
        with timezone.override(INDIA), translation.override(language):
            pdf = PdfDocument()
            pdf.set_lang(language)
            draw(pdf, paper)
            _end(pdf, paper.number)
            return pdf.to_bytes()
    except FPDFException as error:
        raise Unwritable(f"the paper {paper.number} cannot be drawn: {error}") from error


def _draw(pdf: PdfDocument, receipt: ReceiptDocument) -> None:
    starts_at = spell_moment(receipt.starts_at) if receipt.starts_at else ""
    if starts_at and receipt.is_cancelled:
        # Translators: the time of a puja whose booking is cancelled.
        starts_at = _("{moment} (cancelled)").format(moment=starts_at)
    simulation = _("SIMULATION: no money has moved. This is not a receipt.") if receipt.simulated else ""
    title = _("Receipt for a donation") if receipt.is_donation else _("Receipt")
    _begin(pdf, title, receipt.number, receipt.received_at, simulation)
    pdf.add_rows(
        [
            (_("Receipt number"), receipt.number),
            (_("Date of payment"), spell_date(receipt.received_at)),
            (_("Received from"), receipt.payer),
            (_("Address"), receipt.address),
            (_("PAN of the donor"), receipt.pan),
            (_("Purpose"), receipt.purpose),
            (_("Time of the puja"), starts_at),
            *(receipt.tax.heading_rows() if receipt.tax else []),
        ]
    )
    pdf.add_rows(receipt.price_rows(), is_amounts=True)
    pdf.add_rows([(_("Received"), f"₹{grouped(receipt.total_paise)}")], is_amounts=True, style="B")
    if receipt.tax:
        pdf.add_rows(receipt.tax.amount_rows(), is_amounts=True)
    if receipt.reversals:
        pdf.add_rows(receipt.reversal_rows(), is_amounts=True)
    pdf.add_rows(
        [
            (_("Paid by"), str(receipt.paid_by)),
            (_("Payment reference"), receipt.reference),
            (_("PhonePe reference"), receipt.transaction),
            (_("Bank reference (UTR)"), receipt.utr),
        ]
    )
    if receipt.notes:
        pdf.ln(4)
    for note in receipt.notes:
        pdf.add_line(note, 9, "", QUIET)


def _draw_credit_note(pdf: PdfDocument, note: CreditNoteDocument) -> None:
    simulation = _("SIMULATION: no money has moved. This is not a credit note.") if note.simulated else ""
    _begin(pdf, _("Credit note"), note.number, note.issued_at, simulation)
    pdf.add_rows(
        [
            (_("Credit note number"), note.number),
            (_("Date"), spell_date(note.issued_at)),
            (_("For the receipt"), note.receipt_number),
            (_("Date of the receipt"), spell_date(note.received_at) if note.received_at else ""),
            (_("Returned to"), note.payer),
            (_("Address"), note.address),
            *(note.tax.heading_rows() if note.tax else []),
        ]
    )
    pdf.add_rows(
        [
            (note.item or _("Donation (dakshina)"), f"₹{grouped(note.total_paise)}"),
            *(note.tax.amount_rows() if note.tax else []),
        ],
        is_amounts=True,
    )
    pdf.add_rows([(_("Returned"), f"₹{grouped(note.total_paise)}")], is_amounts=True, style="B")
    pdf.add_rows(
        [
            (_("Refund"), note.reference),
            (_("Payment reference"), note.payment_reference),
            (_("Bank reference (UTR)"), note.utr),
        ]
    )


def _begin(pdf: PdfDocument, title: str, number: str, dated: datetime, simulation: str) -> None:
    """Who issues it, and what it is."""
    issuer, *issuer_lines = settings.RECEIPT_ISSUER
    pdf.set_creation_date(dated)
    pdf.set_title(f"{title} {number}")
    pdf.add_line(issuer, 16, "B", ACCENT)
    for line in issuer_lines:
        pdf.add_line(line, 10, "", QUIET)
    pdf.ln(8)
    pdf.add_line(title, 22, "B", INK)
    if simulation:
        pdf.add_line(simulation, 12, "B", ACCENT)
    pdf.ln(4)


def _end(pdf: PdfDocument, number: str) -> None:
    """That it needs no signature, and which of its characters could not be printed."""
    pdf.ln(4)
    pdf.add_line(_("Made by a computer; valid without a signature."), 9, "", QUIET)
    if not pdf.missing_characters:
        return
    # Reported by code point: the log names nobody.
    codes = [f"U+{ord(char):04X}" for char in pdf.missing_characters]
    logger.warning(
        "a receipt has characters that no font has", extra={"receipt": number, "characters": codes}
    )
    listed = ", ".join(codes[:MOST_LISTED]) + (" …" if len(codes) > MOST_LISTED else "")
    # Translators: {codes} is a list like "U+1F600, U+738B", {sign} is printed in place of each of them.
    text = _("Characters that cannot be printed here, shown as {sign}: {codes}")
    pdf.add_line(text.format(sign=REPLACEMENT, codes=listed), 9, "", QUIET)
