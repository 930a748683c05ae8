"""A PDF document of labelled rows. `notifications.typesetting` lays out every text on it; fpdf2 writes the file."""

from fpdf import FPDF
from fpdf.enums import PDFResourceType
from fpdf.fonts import TTFFont

from notifications.font_embedding import FontProducer, font_of_document
from notifications.pdf_text import Colour, text_object
from notifications.receipt import Rows
from notifications.typesetting import Line, set_lines

INK, QUIET, ACCENT, RULE = (43, 33, 26), (107, 91, 79), (194, 65, 12), (234, 223, 212)
LEFT, LABEL, AMOUNT, WIDTH = 20, 58, 45, 170  # millimetres on A4
BODY, BODY_HEIGHT = 11, 6.0  # points, millimetres


class PdfDocument(FPDF):
    """A font is embedded when a text needs it: a receipt in Latin and Devanagari letters has two.

    `missing_characters` are those that no font of ours has, in the order of their first use.
    """

    def __init__(self) -> None:
        super().__init__(format="A4")
        self.set_margin(LEFT)
        self.missing_characters: dict[str, None] = {}
        self.embedded_fonts: dict[str, TTFFont] = {}  # by the name of the file
        self.add_page()

    def add_line(self, text: str, size: int, style: str, colour: Colour) -> None:
        """Over the whole width; as many lines as it takes."""
        height = size * 0.55
        for line in self._lines(text, size, WIDTH, style):
            self._make_room(height)
            self._draw(line, LEFT, size, height, colour)
            self.set_xy(LEFT, self.get_y() + height)

    def add_rows(self, rows: Rows, *, is_amounts: bool = False, style: str = "") -> None:
        """Labels with their values, long ones over several lines; a row without a value is left out.

        Amounts stand at the right edge, and their labels have more room.
        """
        label_width = WIDTH - AMOUNT if is_amounts else LABEL
        for label, value in rows:
            if not value:
                continue
            label_lines = self._lines(label, BODY, label_width - 2, style)
            value_lines = self._lines(value, BODY, WIDTH - label_width, style)
            self._make_room(BODY_HEIGHT + 3)
            self.set_draw_color(*RULE)
            self.line(LEFT, self.get_y(), LEFT + WIDTH, self.get_y())
            self.ln(1.5)
            for number in range(max(len(label_lines), len(value_lines))):
                self._make_room(BODY_HEIGHT)
                for line in label_lines[number : number + 1]:
                    self._draw(line, LEFT, BODY, BODY_HEIGHT, INK if is_amounts else QUIET)
                for line in value_lines[number : number + 1]:
                    shift = WIDTH - self._millimetres(line.width, BODY) if is_amounts else label_width
                    self._draw(line, LEFT + shift, BODY, BODY_HEIGHT, INK)
                self.set_xy(LEFT, self.get_y() + BODY_HEIGHT)
            self.ln(1.5)
        self.ln(5)

    def to_bytes(self) -> bytes:
        """The finished PDF."""
        return bytes(self.output(output_producer_class=FontProducer))

    def _lines(self, text: str, size: int, width: float, style: str) -> list[Line]:
        lines, missing = set_lines(text, width / self._millimetres(1, size), is_bold=style == "B")
        self.missing_characters |= dict.fromkeys(missing)
        return lines

    def _millimetres(self, width: float, size: int) -> float:
        return float(width * size / self.k / 1000)

    def _make_room(self, height: float) -> None:
        if self.will_page_break(height):
            self.add_page()

    def _draw(self, line: Line, x: float, size: int, height: float, colour: Colour) -> None:
        baseline = self.h - self.get_y() - 0.5 * height - 0.3 * size / self.k  # as in fpdf2's own cells
        for run in line.runs:
            font = self.embedded_fonts.get(run.font_name)
            if font is None:
                font = font_of_document(run.font_name, len(self.fonts) + 1)
                self.embedded_fonts[run.font_name] = self.fonts[font.fontkey] = font
            self._resource_catalog.add(PDFResourceType.FONT, font.i, self.page)
            self._out(text_object(run, font, x * self.k, baseline * self.k, size, colour))
            x += self._millimetres(run.width, size)
