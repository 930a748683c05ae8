"""Every letter of every script of India's constitution has a font that draws it; whatever has none is said."""

import unicodedata
from functools import cache

import pytest
import uharfbuzz as hb
from fontTools.ttLib import TTFont
from fontTools.unicodedata import script as script_of

from notifications.font_fallback import (
    EVERY_FACE,
    FACES,
    FONTS,
    REPLACEMENT,
    clean_text,
    clusters,
    coverage,
    split_by_face,
)
from tests.unit.notifications.recipients import PEOPLE

# First and last code point of the blocks in which each script writes names, places and numbers.
BLOCKS = {
    "Latn": [(0x0041, 0x024F), (0x1E00, 0x1EFF)],
    "Deva": [(0x0900, 0x097F), (0xA8E0, 0xA8FF), (0x11B00, 0x11B09), (0x1CD0, 0x1CFF)],
    "Beng": [(0x0980, 0x09FF)],
    "Guru": [(0x0A00, 0x0A7F)],
    "Gujr": [(0x0A80, 0x0AFF)],
    "Orya": [(0x0B00, 0x0B7F)],
    "Taml": [(0x0B80, 0x0BFF), (0x11FC0, 0x11FFF)],
    "Telu": [(0x0C00, 0x0C5B), (0x0C5D, 0x0C7F)],  # 0C5C came with Unicode 17
    "Knda": [(0x0C80, 0x0CDB), (0x0CDD, 0x0CFF)],  # 0CDC too
    "Mlym": [(0x0D00, 0x0D7F)],
    "Arab": [(0x0600, 0x06FF), (0x0750, 0x077F), (0x0870, 0x088E), (0x08A0, 0x08FF)],
    "Olck": [(0x1C50, 0x1C7F)],
    "Mtei": [(0xABC0, 0xABFF), (0xAAE0, 0xAAFF)],
}
# Letters of no language of India that have no glyph in any Noto Sans.
FOREIGN = {0x1CF7, 0x1CFA}


def assigned(script):
    points = (point for first, last in BLOCKS[script] for point in range(first, last + 1))
    return [
        chr(point)
        for point in points
        if unicodedata.category(chr(point)) not in ("Cn", "Cc", "Cf") and point not in FOREIGN
    ]


@cache
def outlines(face):
    """The code points at which the font has something to draw."""
    font = TTFont(face.file)
    drawn = {name for name in font.getGlyphOrder() if font["glyf"][name].numberOfContours}
    return {point for point, name in font.getBestCmap().items() if name in drawn}


@pytest.mark.parametrize("script", BLOCKS)
def test_every_assigned_letter_has_a_glyph_that_draws_something(script):
    for letter in assigned(script):
        drawn, missing = split_by_face(letter)

        assert missing == [], f"U+{ord(letter):04X} {unicodedata.name(letter)}"
        for span in drawn:
            invisible = {point for point in map(ord, span.text) if chr(point).isspace()}
            assert set(map(ord, span.text)) - invisible <= outlines(span.face), f"U+{ord(letter):04X}"


def test_every_script_of_the_table_is_tested():
    assert BLOCKS.keys() == FACES.keys()
    assert {script for _, script, _, _ in PEOPLE} == FACES.keys()


@pytest.mark.parametrize("face", EVERY_FACE, ids=lambda face: face.name)
def test_all_fonts_measure_alike_and_the_bold_one_has_the_same_letters(face):
    assert hb.Face(hb.Blob.from_file_path(str(face.file))).upem == 1000
    if face.bold_name:
        bold = hb.Face(hb.Blob.from_file_path(str(FONTS / f"{face.bold_name}.ttf")))
        assert coverage(face) <= set(bold.unicodes)


def test_no_font_lies_here_that_nobody_uses():
    used = {name for face in EVERY_FACE for name in (face.name, face.bold_name) if name}
    assert {path.stem for path in FONTS.glob("*.ttf")} == used


@pytest.mark.parametrize(("language", "script", "name", "address"), PEOPLE)
def test_a_name_is_drawn_whole_and_by_the_font_of_its_script(language, script, name, address):
    for text in (name, address):
        drawn, missing = split_by_face(clean_text(text))

        assert missing == []
        assert "".join(span.text for span in drawn) == clean_text(text)
        for span in drawn:
            own = {script_of(letter) for letter in span.text} & FACES.keys()
            assert own <= {span.script}
            assert not own or span.face in FACES[span.script]


def test_scripts_may_change_within_a_word():
    drawn, _ = split_by_face("Omॐஓம்ওঁ7")

    assert [(span.text, span.script) for span in drawn] == [
        ("Om", "Latn"),
        ("ॐ", "Deva"),
        ("ஓம்", "Taml"),
        ("ওঁ", "Beng"),
        ("7", "Latn"),
    ]


@pytest.mark.parametrize("char", ["\U0001f600", "王", "ም", "\ue000", "\U0010ffff", "\u0378"])
def test_what_no_font_has_is_shown_and_said(char):
    drawn, missing = split_by_face(f"Ram {char} Singh")

    assert "".join(span.text for span in drawn) == f"Ram {REPLACEMENT} Singh"
    assert missing == [char]


def test_letters_in_fancy_dress_are_read_as_letters():
    drawn, missing = split_by_face(clean_text("𝐑𝐚𝐡𝐮𝐥 ｓｉｎｇｈ"))

    assert "".join(span.text for span in drawn) == "Rahul singh"
    assert missing == []


def test_control_direction_and_variation_characters_are_not_drawn():
    text = "Ram\u202e\u2066\u200f\u061c\x07\x00\ufe0f\U000e0101\ufeff\u00ad\u034f\n\tSingh\u2029\u00a0"

    assert clean_text(text) == "Ram Singh"


def test_joiners_stay_where_they_shape_letters():
    assert clean_text("र्\u200dहाटे") == "र्\u200dहाटे"


def test_marks_without_end_are_cut_off_and_said():
    drawn, missing = split_by_face(clean_text("Z" + "\u0315" * 40))

    assert len("".join(span.text for span in drawn)) == 6
    assert missing == ["\u0315"] * 35


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("क्षत्रिय", ["क्ष", "त्रि", "य"]),
        ("கொக்", ["கொ", "க்"]),
        ("ക്ഷേത്രം", ["ക്ഷേ", "ത്രം"]),
        ("র্‍যাব", ["র্‍যা", "ব"]),
        ("Zürich", list("Zürich")),
    ],
)
def test_a_word_is_torn_between_its_letters_only(word, parts):
    assert list(clusters(word)) == parts
