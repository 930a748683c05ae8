"""The fonts of a PDF: each file is read once in a process, and HarfBuzz cuts out the glyphs that a document shows.

fpdf2 reads the whole file for each document.
"""

import copy
from functools import lru_cache
from typing import Any

import uharfbuzz as hb
from fpdf import FPDF
from fpdf.fonts import Glyph as EmbeddedGlyph
from fpdf.fonts import SubsetMap, TTFFont
from fpdf.output import (
    CIDSystemInfo,
    OutputProducer,
    PDFFont,
    PDFFontStream,
    _build_cmap_blocks,
    _tt_font_widths,
)
from fpdf.syntax import Name, PDFArray, PDFContentStream

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
TO_UNICODE = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo
<</Registry (Adobe)
/Ordering (UCS)
/Supplement 0
>> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
{entries}endcmap
CMapName currentdict /CMap defineresource pop
end
end"""


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


class FontProducer(OutputProducer):
    """Writes the fonts of a PdfDocument. fpdf2's own way writes a map of all 65,536 codes for each of them, and takes
    half of the time of a receipt."""

    fpdf: Any

    def _add_fonts(self, *_: Any) -> dict[int, PDFFont]:  # type: ignore[override]
        return {font.i: self._add_font(name, font) for name, font in self.fpdf.embedded_fonts.items()}

    def _add_font(self, name: str, font: TTFFont) -> PDFFont:
        """A font of 16-bit codes, and what it consists of (ISO 32000-1, 9.7)."""
        glyphs = {
            code: glyph for glyph, code in font.subset.items() if glyph and glyph.glyph_name != ".notdef"
        }
        content, numbers = _cut_out(name, {glyph.glyph_id for glyph in glyphs.values()})
        glyph_of_code = bytearray(2 * (max(glyphs, default=0) + 1))
        for code, glyph in glyphs.items():
            glyph_of_code[2 * code : 2 * code + 2] = numbers[glyph.glyph_id].to_bytes(2, "big")
        base, descriptor = f"OKPUJA+{font.name}", font.desc
        written = PDFFont("Type0", base, "Identity-H")
        outlines = PDFFont("CIDFontType2", base, d_w=descriptor.missing_width, w=_tt_font_widths(font))
        descriptor.font_name = Name(base)
        descriptor.font_file2 = PDFFontStream(content)  # type: ignore[attr-defined]
        outlines.font_descriptor = descriptor
        outlines.c_i_d_system_info = CIDSystemInfo()
        outlines.c_i_d_to_g_i_d_map = PDFContentStream(bytes(glyph_of_code), compress=True)
        written.to_unicode = PDFContentStream(_letters_of_codes(glyphs), compress=True)
        written.descendant_fonts = PDFArray([outlines])
        for part in (
            *(written, outlines, written.to_unicode, outlines.c_i_d_system_info, descriptor),
            *(outlines.c_i_d_to_g_i_d_map, descriptor.font_file2),  # type: ignore[attr-defined]
        ):
            self._add_pdf_obj(part, "fonts")
        font.subset.get_glyph.cache_clear()  # it keeps the font of each document
        return written


def _cut_out(name: str, glyphs: set[int]) -> tuple[bytes, dict[int, int]]:
    """The font file with nothing but these glyphs, and their numbers in it by those that they had."""
    subset_input = hb.SubsetInput()
    subset_input.flags = (
        hb.SubsetFlags.NOTDEF_OUTLINE | hb.SubsetFlags.NO_HINTING | hb.SubsetFlags.NO_LAYOUT_CLOSURE
    )
    subset_input.glyph_set.update({0, *glyphs})
    subset_input.drop_table_tag_set.update(int.from_bytes(tag.encode(), "big") for tag in DROPPED_TABLES)
    plan = hb.SubsetPlan(font_face(name), subset_input)
    return plan.execute().blob.data, dict(plan.old_to_new_glyph_mapping.items())


def _letters_of_codes(glyphs: dict[int, EmbeddedGlyph]) -> bytes:
    """As which letters a code is read, by whoever searches the file or copies from it."""
    entries = []
    for code, glyph in glyphs.items():
        assert isinstance(glyph.unicode, tuple)  # noqa: S101 - see `embedded_glyph`
        if glyph.unicode:
            letters = "".join(map(chr, glyph.unicode)).encode("utf-16-be").hex().upper()
            entries.append(f"<{code:04X}> <{letters}>\n")
    return TO_UNICODE.format(entries=_build_cmap_blocks(entries, "bfchar")).encode()


@lru_cache
def _read_font(name: str) -> TTFFont:
    font = TTFFont(FPDF(), FONTS / f"{name}.ttf", name.lower(), "")
    font.ttfont["hmtx"]  # with it, all that `embedded_glyph` needs is read
    font.ttfont.getGlyphOrder()
    font.ttfont.close()
    return font
