"""A receipt as PDF, in its reader's language. Knows paper, not payments."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from fpdf.errors import FPDFException

from core.language import supported_language
from core.money import grouped
from notifications.messages import Unwritable
from notifications.scripts import REPLACEMENT
from notifications.sheet import ACCENT, INK, QUIET, Rows, Sheet
from notifications.wording import INDIA, format_day, format_moment

logger = logging.getLogger(__name__)

# As many of the characters that no font has are named at the foot of the page.
MOST_NAMED = 10


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


def render(paper: ReceiptDocument, language: str) -> bytes:
    """The receipt in this language, else in English; the same paper, the same bytes. Raises Unwritable."""
    language = supported_language(language)
    try:
        with timezone.override(INDIA), translation.override(language):
            return _drawn(paper, language)
    except FPDFException as error:
        raise Unwritable(f"the receipt {paper.number} cannot be drawn: {error}") from error


def _drawn(paper: ReceiptDocument, language: str) -> bytes:
    title = _("Receipt")
    with Sheet() as sheet:
        sheet.set_creation_date(paper.received_at)
        sheet.set_lang(language)
        sheet.set_title(f"{title} {paper.number}")
        _draw_head(sheet, title, paper.simulated)
        sheet.rows(_about(paper))
        sheet.rows(_amounts(paper), right=True)
        sheet.rows([(_("Received"), f"₹{grouped(paper.total_paise)}")], right=True, style="B")
        if paper.returned:
            sheet.rows(_returned(paper), right=True)
        sheet.rows(_payment(paper))
        sheet.ln(4)
        sheet.line_of(_("Made by a computer; valid without a signature."), 9, "", QUIET)
        if sheet.unwritten:
            _report_unwritten(sheet, paper)
        return sheet.finished()


def _draw_head(sheet: Sheet, title: str, simulated: bool) -> None:
    name, *lines = settings.RECEIPT_ISSUER
    sheet.line_of(name, 16, "B", ACCENT)
    for line in lines:
        sheet.line_of(line, 10, "", QUIET)
    sheet.ln(8)
    sheet.line_of(title, 22, "B", INK)
    if simulated:
        warning = _("SIMULATION: no money has moved. This is not a receipt.")
        sheet.line_of(warning, 12, "B", ACCENT)
    sheet.ln(4)


def _about(paper: ReceiptDocument) -> Rows:
    starts_at = format_moment(paper.starts_at) if paper.starts_at else ""
    if starts_at and paper.is_cancelled:
        # Translators: the time of a puja whose booking is cancelled.
        starts_at = _("{moment} (cancelled)").format(moment=starts_at)
    return [
        (_("Receipt number"), paper.number),
        (_("Date of payment"), format_day(paper.received_at)),
        (_("Received from"), paper.payer),
        (_("Address"), paper.address),
        (_("Time of the puja"), starts_at),
    ]


def _amounts(paper: ReceiptDocument) -> Rows:
    return [
        (paper.item or _("Gift (dakshina)"), f"₹{grouped(paper.price_paise)}"),
        (_("Discount"), _signed(-paper.discount_paise)),
        (_("Difference to the agreed amount"), _signed(paper.difference_paise)),
    ]


def _returned(paper: ReceiptDocument) -> Rows:
    """What went back stands under what came: whoever is shown this paper later must not be misled."""
    # Translators: {reference} is the number of a refund, or of a dispute at the buyer's bank.
    text = _("Returned on {day} ({reference})")
    rows = [
        (text.format(day=format_day(each.at), reference=each.reference), _signed(-each.amount_paise))
        for each in paper.returned
    ]
    return [*rows, (_("Left after what was returned"), f"₹{grouped(paper.left_paise)}")]


def _signed(paise: int) -> str:
    """Empty for nothing."""
    if not paise:
        return ""
    return f"{'–' if paise < 0 else '+'} ₹{grouped(abs(paise))}"


def _payment(paper: ReceiptDocument) -> Rows:
    return [
        (_("Paid by"), "PhonePe"),
        (_("Payment reference"), paper.reference),
        (_("PhonePe reference"), paper.transaction),
        (_("Bank reference (UTR)"), paper.utr),
    ]


def _report_unwritten(sheet: Sheet, paper: ReceiptDocument) -> None:
    """On the paper and in the log, by code point: the log names nobody."""
    codes = [f"U+{ord(char):04X}" for char in sheet.unwritten]
    logger.warning(
        "a receipt has characters that no font has", extra={"receipt": paper.number, "characters": codes}
    )
    named = ", ".join(codes[:MOST_NAMED]) + (" …" if len(codes) > MOST_NAMED else "")
    # Translators: {codes} is a list like "U+1F600, U+738B", {sign} is printed in place of each of them.
    text = _("Characters that cannot be printed here, shown as {sign}: {codes}")
    sheet.line_of(text.format(sign=REPLACEMENT, codes=named), 9, "", QUIET)
