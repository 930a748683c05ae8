"""Lines as they stand on paper: shaped by the rules of their script, broken between words, in visual order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.font_fallback import BASE, FACES, clean_text, split_by_face
from notifications.typesetting import set_line, set_lines, shape
from tests.unit.notifications.recipients import PEOPLE

# What the letters become only by shaping: fewer glyphs, other glyphs, another order.
SHAPED = [
    ("Regular", "Deva", "क्ष", 1),
    ("Regular", "Deva", "र्म", 2),  # reph stands behind and above
    ("Regular", "Deva", "कि", 2),  # the vowel stands before
    ("Bengali", "Beng", "ক্ষ", 1),
    ("Bengali", "Beng", "কো", 3),  # a vowel in two parts
    ("Gujarati", "Gujr", "ક્ષ", 1),
    ("Gurmukhi", "Guru", "ਪ੍ਰ", 2),
    ("Odia", "Orya", "କ୍ଷ", 1),
    ("Tamil", "Taml", "க்ஷ", 1),
    ("Tamil", "Taml", "ஸ்ரீ", 1),
    ("Tamil", "Taml", "த்ர", 2),  # the pulli stays, on the first consonant
    ("Tamil", "Taml", "கொ", 3),
    ("Telugu", "Telu", "క్ష", 1),
    ("Kannada", "Knda", "ಕ್ಷ", 1),
    ("Malayalam", "Mlym", "ക്ഷ", 1),
    ("Malayalam", "Mlym", "ണ്ണ", 1),
    ("MeeteiMayek", "Mtei", "ꯅꯗ꯭ꯔ", 6),
]


@pytest.mark.parametrize(("font", "script", "text", "count"), SHAPED)
def test_conjuncts_and_vowels_are_shaped(font, script, text, count):
    glyphs = shape(font, text, script, "ltr")
    unshaped = [shape(font, letter, script, "ltr")[0].number for letter in text]

    assert len(glyphs) == count
    assert all(glyph.number for glyph in glyphs)
    if len(text) != count or script == "Deva":
        assert [glyph.number for glyph in glyphs] != unshaped


def test_arabic_letters_join():
    joined = [glyph.number for glyph in shape("Arabic", "محمد", "Arab", "rtl")]
    apart = [glyph.number for letter in "دمحم" for glyph in shape("Arabic", letter, "Arab", "rtl")]

    assert joined != apart


@pytest.mark.parametrize(("language", "script", "name", "address"), PEOPLE)
def test_the_letters_of_a_script_are_shaped_together_whatever_stands_around_them(
    language, script, name, address
):
    direction = "rtl" if script == "Arab" else "ltr"
    for word in name.split() if script != "Latn" else ():
        (alone,) = set_line(word, is_bold=False).runs
        (among,) = [run for run in set_line(f"Om ({word}) 7", is_bold=False).runs if word in run.text]
        whole = shape(alone.font_name, word, script, direction)

        assert alone.glyphs == whole
        assert among.glyphs[: len(whole)] == whole


@pytest.mark.parametrize("face", [face for faces in FACES.values() for face in faces if face is not BASE])
def test_bold_is_drawn_thicker_where_there_is_no_bold_font(face):
    letter = {"DevanagariSupplement": "\U00011b00", "TamilSupplement": "\U00011fc0", "Latin": "ʱ"}.get(
        face.name, ""
    ) or next(name[0] for _, script, name, _ in PEOPLE if face in FACES[script])
    (run,) = set_line(letter, is_bold=True).runs

    assert (run.font_name, run.is_outlined) == (face.name, True)
    assert not set_line(letter, is_bold=False).runs[0].is_outlined
    assert set_line("Ram राम", is_bold=True).runs[0].font_name == "Bold"


def order(text):
    return [
        (run.text.strip(), run.direction) for run in set_line(text, is_bold=False).runs if run.text.strip()
    ]


def test_what_is_read_from_the_right_stands_so_within_a_line_from_the_left():
    assert order("Khan محمد علی, x@example.com") == [
        ("Khan", "ltr"),
        ("محمد علی", "rtl"),
        (", x@example.com", "ltr"),
    ]


def test_numbers_within_an_address_from_the_right_are_read_from_the_left():
    assert order("لکھنؤ ۱۲۳ - 226001") == [
        ("226001", "ltr"),
        ("-", "rtl"),
        ("۱۲۳", "ltr"),
        ("لکھنؤ", "rtl"),
    ]


@pytest.mark.parametrize("width", [5_000, 9_000, 40_000])
@pytest.mark.parametrize(("language", "script", "name", "address"), PEOPLE)
def test_no_line_is_wider_than_its_column_and_no_letter_is_lost(language, script, name, address, width):
    text = f"{name}, {address}, Flat 4/B (2nd floor) 226001"
    lines, missing = set_lines(text, width, is_bold=False)

    assert missing == []
    assert all(line.width <= width for line in lines)
    assert "".join("".join(line.text for line in lines).split()) == "".join(text.split())
    assert all(sorted(line.text) == sorted("".join(run.text for run in line.runs)) for line in lines)


def test_a_word_longer_than_a_line_goes_on_in_the_next():
    lines, _ = set_lines("Ram " + "x" * 100, 10_000, is_bold=False)

    assert len(lines) > 2
    assert lines[0].text == "Ram"
    assert all(line.width <= 10_000 for line in lines)


def test_nothing_is_no_line():
    assert set_lines(" \n\u200e ", 10_000, is_bold=False) == ([], [])


LETTERS = st.one_of(
    st.characters(),
    st.characters(min_codepoint=0x0600, max_codepoint=0x1CFF),
    st.sampled_from("aء1۱ ।\u200d\u200c()[]0-/،\u064b\u0301क्ரா"),
)


@given(st.text(LETTERS, max_size=40), st.booleans())
def test_whatever_is_written_every_letter_stands_on_a_line_and_has_a_glyph(text, is_bold):
    lines, _ = set_lines(text, 9_000, is_bold=is_bold)
    drawn, _ = split_by_face(clean_text(text))

    for line in lines:
        assert sorted(line.text) == sorted("".join(run.text for run in line.runs))
        assert all(glyph.number for run in line.runs for glyph in run.glyphs)
    assert "".join("".join(line.text for line in lines).split()) == "".join(
        "".join(span.text for span in drawn).split()
    )
