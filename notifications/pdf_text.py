"""Shaped runs as operators of a PDF page, in fonts that fpdf2 cuts down to what is used and embeds.

fpdf2's own text shaping breaks a line where the script of its letters changes, accents included, and leaves out
silently what a font lacks: so it only keeps the fonts here.
"""

from collections.abc import Iterable
from itertools import groupby

from fpdf.errors import FPDFException
from fpdf.fonts import TTFFont

from notifications.typesetting import Glyph, Run

# How thick the outline of a letter is drawn whose font has no bold weight: a part of its size.
BOLDER = 0.03

Colour = tuple[int, int, int]


def text_object(run: Run, font: TTFFont, x: float, y: float, size: float, colour: Colour) -> str:
    """From `x` on the base line `y`, in points from the lower left corner of the page."""
    ink = " ".join(f"{part / 255:.4g}" for part in colour)
    begin = [f"BT /F{font.i} {size:.2f} Tf {ink} rg"]
    if run.is_outlined:
        begin.append(f"2 Tr {size * BOLDER:.3f} w {ink} RG")
    shown: list[str] = []
    for text, glyphs, begins_at in _spans(run):
        marks = _shown(font, text, glyphs, x + begins_at * size / 1000, y, size)
        shown += _as_written(text, marks) if run.script != "Latn" else marks
    return " ".join(["q", *begin, *shown, "ET Q"])


def _spans(run: Run) -> Iterable[tuple[str, list[Glyph], int]]:
    """Text with its glyphs and where they begin, from left to right.

    What runs from right to left goes letter by letter, its marks apart: readers find letters by their places on
    the page, and turn them around themselves.
    """
    if run.direction == "ltr":
        yield run.text, list(run.glyphs), 0
        return
    at = 0
    for text, glyphs in run.clusters():
        for is_letter, part in groupby(glyphs, key=lambda glyph: bool(glyph.advance)):
            drawn = list(part)
            yield text if is_letter else "", drawn, at
            text = "" if is_letter else text
            at += sum(glyph.advance for glyph in drawn)


def _as_written(text: str, shown: list[str]) -> list[str]:
    """Search and copying find the text, in whatever order its glyphs stand."""
    return [f"/Span <</ActualText <FEFF{text.encode('utf-16-be').hex().upper()}>>> BDC", *shown, "EMC"]


def _shown(font: TTFFont, text: str, glyphs: list[Glyph], x: float, y: float, size: float) -> list[str]:
    """Glyphs that follow one another by their own widths are shown at once."""
    operators: list[str] = []
    codes, at, pen = "", 0, None
    for glyph, letters in zip(glyphs, _letters(text, glyphs), strict=True):
        place = (at + glyph.x_offset, glyph.y_offset)
        if place != pen:
            operators += [f"<{codes}> Tj"] if codes else []
            codes = ""
            operators.append(f"1 0 0 1 {x + place[0] * size / 1000:.2f} {y + place[1] * size / 1000:.2f} Tm")
        code, width = _embedded(font, glyph.number, letters)
        codes += f"{code:04X}"
        pen = (place[0] + width, place[1])
        at += glyph.advance
    return [*operators, f"<{codes}> Tj"] if codes else operators


def _letters(text: str, glyphs: list[Glyph]) -> list[str]:
    """What each glyph is read as; of several that make one cluster, the first is read as all of it."""
    starts = sorted({glyph.cluster for glyph in glyphs})
    first, found = starts[0], []
    ends = dict(zip(starts, [*starts[1:], first + len(text)], strict=True))
    for glyph in glyphs:
        end = ends.pop(glyph.cluster, glyph.cluster)
        found.append(text[glyph.cluster - first : end - first])
    return found


def _embedded(font: TTFFont, number: int, letters: str) -> tuple[int, int]:
    """The code by which the page calls a glyph, and the glyph's own width."""
    name = font.ttfont.getGlyphName(number)
    width = int(font.ttfont["hmtx"][name][0])
    glyph = font.subset.get_glyph(
        glyph=number, unicode=tuple(map(ord, letters)), glyph_name=name, glyph_width=width
    )
    code = font.subset.pick_glyph(glyph)
    if not number or code is None:
        raise FPDFException(f"{font.name} has no glyph for {letters!r}")
    return code, width
