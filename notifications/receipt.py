"""A receipt as PDF, in English or Hindi. Knows paper, not payments."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone
from fpdf.errors import FPDFException

from core.money import grouped
from notifications.messages import Unwritable
from notifications.sheet import ACCENT, INK, QUIET, Rows, Sheet
from notifications.wording import INDIA, day, known, moment

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


WORDS = {
    "en": {
        "title": "Receipt",
        "number": "Receipt number",
        "date": "Date of payment",
        "payer": "Received from",
        "address": "Address",
        "gift": "Gift (dakshina)",
        "starts_at": "Time of the puja",
        "price": "Price",
        "discount": "Discount",
        "difference": "Difference to the agreed amount",
        "total": "Received",
        "returned": "Returned on {day} ({reference})",
        "left": "Left after what was returned",
        "cancelled": "{moment} (cancelled)",
        "method": "Paid by",
        "reference": "Payment reference",
        "transaction": "PhonePe reference",
        "utr": "Bank reference (UTR)",
        "simulated": "SIMULATION: no money has moved. This is not a receipt.",
        "footer": "Made by a computer; valid without a signature.",
        "unwritten": "Characters that cannot be printed here, shown as \N{REPLACEMENT CHARACTER}: {codes}",
    },
    "hi": {
        "title": "रसीद",
        "number": "रसीद संख्या",
        "date": "भुगतान की तिथि",
        "payer": "भुगतानकर्ता",
        "address": "पता",
        "gift": "भेंट (दक्षिणा)",
        "starts_at": "पूजा का समय",
        "price": "मूल्य",
        "discount": "छूट",
        "difference": "तय राशि से अंतर",
        "total": "प्राप्त राशि",
        "returned": "{day} को लौटाई गई ({reference})",
        "left": "लौटाने के बाद शेष",
        "cancelled": "{moment} (रद्द)",
        "method": "भुगतान का माध्यम",
        "reference": "भुगतान संदर्भ",
        "transaction": "PhonePe संदर्भ",
        "utr": "बैंक संदर्भ (UTR)",
        "simulated": "परीक्षण: कोई पैसा नहीं लिया गया है। यह रसीद नहीं है।",
        "footer": "यह रसीद कंप्यूटर द्वारा बनाई गई है; हस्ताक्षर के बिना मान्य है।",
        "unwritten": "जो अक्षर यहाँ छप नहीं सकते, \N{REPLACEMENT CHARACTER} से दिखाए गए हैं: {codes}",
    },
}


def render(paper: ReceiptDocument, language: str) -> bytes:
    """The receipt in `en` or `hi`; the same paper, the same bytes. Raises Unwritable."""
    try:
        with timezone.override(INDIA):
            return _drawn(paper, known(language))
    except FPDFException as error:
        raise Unwritable(f"the receipt {paper.number} cannot be drawn: {error}") from error


def _drawn(paper: ReceiptDocument, language: str) -> bytes:
    words = WORDS[language]
    with Sheet() as sheet:
        sheet.set_creation_date(paper.received_at)
        sheet.set_lang(language)
        sheet.set_title(f"{words['title']} {paper.number}")
        _draw_head(sheet, words["title"], words["simulated"] if paper.simulated else "")
        sheet.rows(_about(paper, words, language))
        sheet.rows(_amounts(paper, words), right=True)
        sheet.rows([(words["total"], f"₹{grouped(paper.total_paise)}")], right=True, style="B")
        if paper.returned:
            sheet.rows(_returned(paper, words, language), right=True)
        sheet.rows(_payment(paper, words))
        sheet.ln(4)
        sheet.line_of(words["footer"], 9, "", QUIET)
        if sheet.unwritten:
            _report_unwritten(sheet, paper, words)
        return sheet.finished()


def _draw_head(sheet: Sheet, title: str, warning: str) -> None:
    name, *lines = settings.RECEIPT_ISSUER
    sheet.line_of(name, 16, "B", ACCENT)
    for line in lines:
        sheet.line_of(line, 10, "", QUIET)
    sheet.ln(8)
    sheet.line_of(title, 22, "B", INK)
    if warning:
        sheet.line_of(warning, 12, "B", ACCENT)
    sheet.ln(4)


def _about(paper: ReceiptDocument, words: dict[str, str], language: str) -> Rows:
    starts_at = moment(paper.starts_at.isoformat(), language) if paper.starts_at else ""
    if starts_at and paper.is_cancelled:
        starts_at = words["cancelled"].format(moment=starts_at)
    return [
        (words["number"], paper.number),
        (words["date"], day(paper.received_at.isoformat(), language)),
        (words["payer"], paper.payer),
        (words["address"], paper.address),
        (words["starts_at"], starts_at),
    ]


def _amounts(paper: ReceiptDocument, words: dict[str, str]) -> Rows:
    return [
        (paper.item or words["gift"], f"₹{grouped(paper.price_paise)}"),
        (words["discount"], _signed(-paper.discount_paise)),
        (words["difference"], _signed(paper.difference_paise)),
    ]


def _returned(paper: ReceiptDocument, words: dict[str, str], language: str) -> Rows:
    """What went back stands under what came: whoever is shown this paper later must not be misled."""
    rows = [
        (
            words["returned"].format(day=day(each.at.isoformat(), language), reference=each.reference),
            _signed(-each.amount_paise),
        )
        for each in paper.returned
    ]
    return [*rows, (words["left"], f"₹{grouped(paper.left_paise)}")]


def _signed(paise: int) -> str:
    """Empty for nothing."""
    if not paise:
        return ""
    return f"{'–' if paise < 0 else '+'} ₹{grouped(abs(paise))}"


def _payment(paper: ReceiptDocument, words: dict[str, str]) -> Rows:
    return [
        (words["method"], "PhonePe"),
        (words["reference"], paper.reference),
        (words["transaction"], paper.transaction),
        (words["utr"], paper.utr),
    ]


def _report_unwritten(sheet: Sheet, paper: ReceiptDocument, words: dict[str, str]) -> None:
    """On the paper and in the log, by code point: the log names nobody."""
    codes = [f"U+{ord(char):04X}" for char in sheet.unwritten]
    logger.warning(
        "a receipt has characters that no font has", extra={"receipt": paper.number, "characters": codes}
    )
    named = ", ".join(codes[:MOST_NAMED]) + (" …" if len(codes) > MOST_NAMED else "")
    sheet.line_of(words["unwritten"].format(codes=named), 9, "", QUIET)
