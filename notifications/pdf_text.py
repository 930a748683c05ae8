"""Shaped runs as operators of a PDF page, in fonts that fpdf2 subsets and embeds.

fpdf2's own text shaping breaks a line where the script of its letters changes, accents included, and leaves out
silently what a font lacks: so it only keeps the fonts here.
"""

from fpdf.errors import FPDFException
from fpdf.fonts import TTFFont

from notifications.font_embedding import embedded_glyph
from notifications.typesetting import Glyph, Run

# How thick the outline of a letter is drawn whose font has no bold weight: a part of its size.
BOLDER = 0.03

Colour = tuple[int, int, int]


def text_object(run: Run, font: TTFFont, x: float, y: float, size: float, colour: Colour) -> str:
    """From `x` on the base line `y`, in points from the lower left corner of the page."""
    ink = " ".join(f"{part / 255:.4g}" for part in colour)
    operators = ["q", f"BT /F{font.i} {size:.2f} Tf {ink} rg"]
    if run.is_outlined:
        operators.append(f"2 Tr {size * BOLDER:.3f} w {ink} RG")
    for text, glyphs, position in run.parts():
        drawn = _show_glyphs(run.font_name, font, text, glyphs, x + position * size / 1000, y, size)
        if run.script != "Latn":  # search and copying find the text, in whatever order its glyphs stand
            as_written = text.encode("utf-16-be").hex().upper()
            drawn = [f"/Span <</ActualText <FEFF{as_written}>>> BDC", *drawn, "EMC"]
        operators += drawn
    return " ".join([*operators, "ET Q"])


def _show_glyphs(
    font_name: str, font: TTFFont, text: str, glyphs: list[Glyph], x: float, y: float, size: float
) -> list[str]:
    """Embeds the glyphs; those that follow one another by their own widths are drawn at once.

    A glyph is read as the letters of its cluster; of several glyphs of one cluster, the first is read as all of it.
    Raises FPDFException for a missing glyph.
    """
    starts = sorted({glyph.cluster for glyph in glyphs})
    ends = dict(zip(starts, [*starts[1:], starts[0] + len(text)], strict=True))
    operators: list[str] = []
    codes, advanced, pen = "", 0, None
    for glyph in glyphs:
        position = (advanced + glyph.x_offset, glyph.y_offset)
        if position != pen:
            operators += [f"<{codes}> Tj"] if codes else []
            codes = ""
            x_left, base = x + position[0] * size / 1000, y + position[1] * size / 1000
            operators.append(f"1 0 0 1 {x_left:.2f} {base:.2f} Tm")
        end = ends.pop(glyph.cluster, glyph.cluster)
        letters = text[glyph.cluster - starts[0] : end - starts[0]]
        embedded = embedded_glyph(font_name, glyph.number, letters)
        code = font.subset.pick_glyph(embedded) if glyph.number else None
        if code is None:
            raise FPDFException(f"{font.name} has no glyph for {letters!r}")
        codes += f"{code:04X}"
        pen = (position[0] + embedded.glyph_width, position[1])
        advanced += glyph.advance
    return [*operators, f"<{codes}> Tj"] if codes else operators
