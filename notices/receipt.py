"""A receipt as PDF, in English or Hindi. Knows paper, not payments."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.errors import FPDFException

from booking.money import grouped
from notices.letters import Unwritable
from notices.wording import day, known, moment

FONTS = Path(__file__).parent / "fonts"
INK, QUIET, ACCENT, RULE = (43, 33, 26), (107, 91, 79), (194, 65, 12), (234, 223, 212)
LEFT, LABEL, AMOUNT, WIDTH = 20, 58, 45, 170  # millimetres on A4

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Paper:
    """What stands on a receipt. Amounts in paise; empty text is left out."""

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
        "total": "Received",
        "method": "Paid by",
        "reference": "Payment reference",
        "transaction": "PhonePe reference",
        "utr": "Bank reference (UTR)",
        "simulated": "SIMULATION: no money has moved. This is not a receipt.",
        "footer": "Made by a computer; valid without a signature.",
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
        "total": "प्राप्त राशि",
        "method": "भुगतान का माध्यम",
        "reference": "भुगतान संदर्भ",
        "transaction": "PhonePe संदर्भ",
        "utr": "बैंक संदर्भ (UTR)",
        "simulated": "परीक्षण: कोई पैसा नहीं लिया गया है। यह रसीद नहीं है।",
        "footer": "यह रसीद कंप्यूटर द्वारा बनाई गई है; हस्ताक्षर के बिना मान्य है।",
    },
}


def render(paper: Paper, language: str) -> bytes:
    """The receipt in `en` or `hi`; the same paper, the same bytes. Raises Unwritable."""
    try:
        return _drawn(paper, known(language))
    except FPDFException as error:
        raise Unwritable(f"the receipt {paper.number} cannot be drawn: {error}") from error


def _drawn(paper: Paper, language: str) -> bytes:
    words = WORDS[language]
    sheet = Sheet()
    sheet.set_creation_date(paper.received_at)
    sheet.set_title(f"{words['title']} {paper.number}")
    sheet.head(words["title"], words["simulated"] if paper.simulated else "")
    sheet.rows(_about(paper, words, language))
    sheet.rows(_amounts(paper, words), right=True)
    sheet.rows([(words["total"], f"₹{grouped(paper.total_paise)}")], right=True, style="B")
    sheet.rows(_payment(paper, words))
    sheet.foot(words["footer"])
    return bytes(sheet.output())


def _about(paper: Paper, words: dict[str, str], language: str) -> Rows:
    starts_at = moment(paper.starts_at.isoformat(), language) if paper.starts_at else ""
    return [
        (words["number"], paper.number),
        (words["date"], day(paper.received_at.isoformat(), language)),
        (words["payer"], paper.payer),
        (words["address"], paper.address),
        (words["starts_at"], starts_at),
    ]


def _amounts(paper: Paper, words: dict[str, str]) -> Rows:
    discount = f"– ₹{grouped(paper.discount_paise)}" if paper.discount_paise else ""
    return [(paper.item or words["gift"], f"₹{grouped(paper.price_paise)}"), (words["discount"], discount)]


def _payment(paper: Paper, words: dict[str, str]) -> Rows:
    return [
        (words["method"], "PhonePe"),
        (words["reference"], paper.reference),
        (words["transaction"], paper.transaction),
        (words["utr"], paper.utr),
    ]


class Sheet(FPDF):
    """A page of labelled lines, in one font for both scripts: fpdf2 confuses the styles of a fallback font."""

    def __init__(self) -> None:
        super().__init__(format="A4")
        self.set_margin(LEFT)
        self.add_font("NotoSans", "", FONTS / "Regular.ttf")
        self.add_font("NotoSans", "B", FONTS / "Bold.ttf")
        # The vowels and conjuncts of Hindi need it, and the script said aloud: else the first letter of a line
        # decides, and Hindi after a Latin word falls apart. Latin letters stand the same either way.
        self.set_text_shaping(True, script="deva", direction="ltr")
        self.add_page()

    def head(self, title: str, warning: str) -> None:
        name, *lines = settings.RECEIPT_ISSUER
        self.line_of(name, 16, "B", ACCENT)
        for line in lines:
            self.line_of(line, 10, "", QUIET)
        self.ln(8)
        self.line_of(title, 22, "B", INK)
        if warning:
            self.line_of(warning, 12, "B", ACCENT)
        self.ln(4)

    def rows(self, rows: Rows, *, right: bool = False, style: str = "") -> None:
        """One line each, over more lines where it is long; what has no value is left out."""
        self.set_draw_color(*RULE)
        for label, value in rows:
            if not value:
                continue
            self.line(LEFT, self.get_y(), LEFT + WIDTH, self.get_y())
            self.ln(1.5)
            top = self.get_y()
            label_width = WIDTH - AMOUNT if right else LABEL
            self.cell_of(label, label_width, style, INK if right else QUIET, "L")
            bottom = self.get_y()
            self.set_xy(LEFT + label_width, top)
            self.cell_of(value, WIDTH - label_width, style, INK, "R" if right else "L")
            self.set_y(max(bottom, self.get_y()) + 1.5)
        self.ln(5)

    def foot(self, text: str) -> None:
        self.ln(4)
        self.line_of(text, 9, "", QUIET)

    def line_of(self, text: str, size: int, style: str, colour: tuple[int, int, int]) -> None:
        self.set_font("NotoSans", style, size)
        self.set_text_color(*colour)
        self.multi_cell(WIDTH, size * 0.55, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def cell_of(self, text: str, width: float, style: str, colour: tuple[int, int, int], align: str) -> None:
        self.set_font("NotoSans", style, 11)
        self.set_text_color(*colour)
        self.multi_cell(width, 6, text, align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
