"""A page of labelled lines. Every text on it goes through `notifications.typesetting`; fpdf2 writes the glyphs."""

from typing import cast

from fpdf import FPDF
from fpdf.enums import PDFResourceType
from fpdf.fonts import TTFFont

from notifications.pdf_text import Colour, text_object
from notifications.scripts import FONTS
from notifications.typesetting import Line, set_lines

INK, QUIET, ACCENT, RULE = (43, 33, 26), (107, 91, 79), (194, 65, 12), (234, 223, 212)
LEFT, LABEL, AMOUNT, WIDTH = 20, 58, 45, 170  # millimetres on A4
BODY, BODY_HEIGHT = 11, 6.0  # points, millimetres
LAYOUT_TABLES = ("GSUB", "GPOS", "GDEF")

Rows = list[tuple[str, str]]


class Sheet(FPDF):
    """Fonts are read when a letter needs them: a receipt in Latin and Devanagari letters reads two."""

    def __init__(self) -> None:
        super().__init__(format="A4")
        self.set_margin(LEFT)
        self.unwritten: dict[str, None] = {}
        self.add_page()

    def line_of(self, text: str, size: int, style: str, colour: Colour) -> None:
        """Over the whole width; as many lines as it takes."""
        for line in self._lines(text, size, WIDTH, style):
            self._make_room(size * 0.55)
            self._draw(line, LEFT, size, size * 0.55, colour)
            self.set_xy(LEFT, self.get_y() + size * 0.55)

    def rows(self, rows: Rows, *, right: bool = False, style: str = "") -> None:
        """One line each, over more lines where it is long; what has no value is left out."""
        for label, value in rows:
            if value:
                self._row(label, value, right, style)
        self.ln(5)

    def _row(self, label: str, value: str, right: bool, style: str) -> None:
        label_width = WIDTH - AMOUNT if right else LABEL
        named = self._lines(label, BODY, label_width - 2, style)
        said = self._lines(value, BODY, WIDTH - label_width, style)
        self._make_room(BODY_HEIGHT + 3)
        self.set_draw_color(*RULE)
        self.line(LEFT, self.get_y(), LEFT + WIDTH, self.get_y())
        self.ln(1.5)
        for number in range(max(len(named), len(said))):
            self._make_room(BODY_HEIGHT)
            for line in named[number : number + 1]:
                self._draw(line, LEFT, BODY, BODY_HEIGHT, INK if right else QUIET)
            for line in said[number : number + 1]:
                shift = WIDTH - self._millimetres(line.width, BODY) if right else label_width
                self._draw(line, LEFT + shift, BODY, BODY_HEIGHT, INK)
            self.set_xy(LEFT, self.get_y() + BODY_HEIGHT)
        self.ln(1.5)

    def _lines(self, text: str, size: int, width: float, style: str) -> list[Line]:
        lines, unwritten = set_lines(text, width / self._millimetres(1, size), is_bold=style == "B")
        self.unwritten |= dict.fromkeys(unwritten)
        return lines

    def _millimetres(self, width: float, size: int) -> float:
        return float(width * size / self.k / 1000)

    def _make_room(self, height: float) -> None:
        if self.will_page_break(height):
            self.add_page()

    def _draw(self, line: Line, x: float, size: int, height: float, colour: Colour) -> None:
        baseline = self.h - self.get_y() - 0.5 * height - 0.3 * size / self.k  # as in fpdf2's own cells
        for run in line.runs:
            font = self._font(run.font_name)
            self._resource_catalog.add(PDFResourceType.FONT, font.i, self.page)
            self._out(text_object(run, font, x * self.k, baseline * self.k, size, colour))
            x += self._millimetres(run.width, size)

    def _font(self, name: str) -> TTFFont:
        if name.lower() not in self.fonts:
            self.add_font(name, fname=FONTS / f"{name}.ttf")
        return cast(TTFFont, self.fonts[name.lower()])

    def _embedded(self) -> list[TTFFont]:
        return [font for font in self.fonts.values() if isinstance(font, TTFFont)]

    def finished(self) -> bytes:
        """The bytes of the PDF. The layout tables have done their work: what is embedded does without them."""
        for font in self._embedded():
            for table in LAYOUT_TABLES:
                if table in font.ttfont:
                    del font.ttfont[table]
        return bytes(self.output())

    def __exit__(self, *_: object) -> None:
        """The font files are closed, whatever happened."""
        for font in self._embedded():
            font.close()

    def __enter__(self) -> "Sheet":
        return self
