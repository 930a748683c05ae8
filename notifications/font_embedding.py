"""The fonts of a PDF: each file is read once in a process, and HarfBuzz cuts out the glyphs that a document shows.

fpdf2 reads the whole file for each document, and its subsetter takes most of the time of a receipt.
"""

import copy
from functools import lru_cache
from io import BytesIO

import uharfbuzz as hb
from fpdf import FPDF
from fpdf.fonts import Glyph as EmbeddedGlyph
from fpdf.fonts import SubsetMap, TTFFont

from notifications.font_fallback import FONTS, font_face

# Of no use to outlines that are found by their number: layout, names, encodings, and the hints of screens.
DROPPED_TABLES = (
    "BASE",
    "DSIG",
    "GDEF",
    "GPOS",
    "GSUB",
    "OS/2",
    "STAT",
    "cmap",
    "gasp",
    "kern",
    "name",
    "post",
)


def font_of_document(name: str, number: int) -> TTFFont:
    """The font as the `number`th of a document, without any glyph yet."""
    font = copy.copy(_read_font(name))
    font.i, font.desc = number, copy.copy(font.desc)  # fpdf2 writes the numbers of its objects into it
    font.subset = SubsetMap(font)
    return font


@lru_cache(maxsize=8192)
def embedded_glyph(name: str, number: int, letters: str) -> EmbeddedGlyph:
    """The glyph of this number, read as these letters."""
    file = _read_font(name).ttfont
    glyph_name = file.getGlyphName(number)
    return EmbeddedGlyph(number, tuple(map(ord, letters)), glyph_name, int(file["hmtx"][glyph_name][0]))


def keep_shown_glyphs(name: str, font: TTFFont) -> None:
    """Replaces the font file by one with nothing but the glyphs that the document shows."""
    subset_input = hb.SubsetInput()
    subset_input.flags = (
        hb.SubsetFlags.NOTDEF_OUTLINE | hb.SubsetFlags.NO_HINTING | hb.SubsetFlags.NO_LAYOUT_CLOSURE
    )
    glyphs = (glyph for glyph, _ in font.subset.items() if glyph and glyph.glyph_name != ".notdef")
    subset_input.glyph_set.update({0, *(glyph.glyph_id for glyph in glyphs)})
    subset_input.drop_table_tag_set.update(int.from_bytes(tag.encode(), "big") for tag in DROPPED_TABLES)
    plan = hb.SubsetPlan(font_face(name), subset_input)
    names = [font.ttfont.getGlyphName(old) for _, old in sorted(plan.new_to_old_glyph_mapping.items())]
    font.ttfont = FinishedFont(plan.execute().blob.data, names)


class FinishedFont:
    """A font file as fpdf2 embeds it. Its subsetter, which takes a third of a receipt's time, finds no table to cut."""

    def __init__(self, content: bytes, glyph_names: list[str]) -> None:
        self._content = content
        self._glyph_names = glyph_names
        self._numbers = {name: number for number, name in enumerate(glyph_names)}

    def keys(self) -> list[str]:
        return []

    def __contains__(self, tag: str) -> bool:
        return False

    def getGlyphOrder(self) -> list[str]:
        return self._glyph_names

    def setGlyphOrder(self, names: list[str]) -> None:
        """The glyphs that the document shows, as they are."""

    def getReverseGlyphMap(self) -> dict[str, int]:
        return self._numbers

    def getGlyphID(self, name: str) -> int:
        return self._numbers[name]

    def save(self, file: BytesIO) -> None:
        file.write(self._content)

    def close(self) -> None:
        """It is no file on a disk."""


@lru_cache
def _read_font(name: str) -> TTFFont:
    font = TTFFont(FPDF(), FONTS / f"{name}.ttf", name.lower(), "")
    font.ttfont["hmtx"]  # with it, all that `embedded_glyph` needs is read
    font.ttfont.getGlyphOrder()
    font.ttfont.close()
    return font
