"""What lies in the PDF are the glyphs that shaping gives, at their places, and the text as it was written."""

import pytest
from fontTools.ttLib import TTFont
from fpdf.errors import FPDFException

from notifications.font_fallback import FONTS
from notifications.pdf_document import INK, PdfDocument
from notifications.pdf_text import text_object
from notifications.typesetting import Glyph, Run, set_line
from tests.unit.notifications.pdf_pages import Pages, outline
from tests.unit.notifications.recipients import PEOPLE

SIZE = 12
ORIGINALS = {}


def original(name, glyph):
    font = ORIGINALS.setdefault(name, TTFont(FONTS / f"{name}.ttf"))
    return outline(font, font.getGlyphName(glyph))


def drawn(text, style=""):
    pdf = PdfDocument()
    pdf.add_line(text, SIZE, style, INK)
    return Pages(pdf.to_bytes())


@pytest.mark.parametrize(("language", "script", "name", "address"), PEOPLE)
def test_the_outlines_in_the_pdf_are_those_that_shaping_gives(language, script, name, address):
    pages = drawn(name)
    line = set_line(name, is_bold=False)

    found = [each for shown in pages.shown() for each in shown.outlines]
    assert found == [original(run.font_name, glyph.number) for run in line.runs for glyph in run.glyphs]
    assert sum(map(bool, found)) >= len(name.replace(" ", "")) / 3


@pytest.mark.parametrize(("language", "script", "name", "address"), PEOPLE)
def test_each_glyph_stands_where_shaping_puts_it(language, script, name, address):
    pages = drawn(name)
    expected, at = [], 0
    for run in set_line(name, is_bold=False).runs:
        for glyph in run.glyphs:
            expected.append(((at + glyph.x_offset) * SIZE / 1000, glyph.y_offset * SIZE / 1000))
            at += glyph.advance
    shown = list(pages.shown())
    left, base = shown[0].x - expected[0][0], shown[0].y - expected[0][1]

    index = 0
    for each in shown:
        assert each.x - left == pytest.approx(expected[index][0], abs=0.02)
        assert each.y - base == pytest.approx(expected[index][1], abs=0.02)
        index += len(each.outlines)
    assert index == len(expected)


@pytest.mark.parametrize(
    ("language", "script", "name", "address"), [each for each in PEOPLE if each[1] not in ("Latn", "Arab")]
)
def test_search_and_copying_find_the_text_as_it_was_written(language, script, name, address):
    assert "".join(drawn(name).texts()) == name


def test_of_text_from_the_right_each_letter_says_what_it_is_in_the_order_of_the_page():
    assert "".join(drawn("محمد علی").texts()) == "محمد علی"[::-1]


def test_bold_letters_without_a_bold_font_have_an_outline():
    pages = drawn("ஸ்ரீ Ram", "B")
    content = pages.stream(pages.reference(pages.numbers[0], "Contents"))

    assert b"2 Tr" in content
    assert [shown.font for shown in pages.shown()] == ["NotoSansTamil", "NotoSansDevanagariBold"]


def test_what_has_no_glyph_is_never_drawn_silently():
    run = Run("x", "Regular", False, "Latn", "ltr", (Glyph(0, 0, 600, 0, 0),))

    pdf = PdfDocument()
    pdf.add_line("x", SIZE, "", INK)
    with pytest.raises(FPDFException):
        text_object(run, pdf.fonts["regular"], 0, 0, SIZE, INK)
