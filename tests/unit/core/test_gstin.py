"""A GSTIN is checked by its form, its state and its check digit: a mistyped one would be on a paper for years."""

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from core.gstin import DIGITS, STATES, check_digit, read_gstin, state_code

# Of large companies, which print them on every invoice.
REAL = ["27AAPFU0939F1ZV", "29AAGCB7383J1Z4", "09AAACH7409R1ZZ", "27AAACR5055K1Z7", "24AAACC1206D1ZM"]


@pytest.mark.parametrize("gstin", REAL)
def test_a_gstin_is_read_as_people_write_it(gstin):
    assert read_gstin(f" {gstin[:2]} {gstin[2:].lower()} ") == gstin


def test_nothing_is_no_gstin():
    assert read_gstin("  ") == ""


@given(st.sampled_from(REAL), st.integers(0, 14), st.sampled_from(DIGITS))
def test_one_wrong_character_is_always_noticed(gstin, position, character):
    changed = gstin[:position] + character + gstin[position + 1 :]
    if changed == gstin:
        assert read_gstin(changed) == gstin
    else:
        with pytest.raises(ValidationError):
            read_gstin(changed)


@given(st.sampled_from(REAL), st.integers(0, 13))
def test_two_characters_that_changed_places_are_always_noticed(gstin, position):
    first, second = gstin[position], gstin[position + 1]
    changed = gstin[:position] + second + first + gstin[position + 2 :]
    if changed != gstin:
        with pytest.raises(ValidationError):
            read_gstin(changed)


@pytest.mark.parametrize(
    "text", ["40AAPFU0939F1ZV", "27AAPFU0939F1Z", "27AAPFU0939F1ZVV", "२७AAPFU0939F1ZV", "x"]
)
def test_what_is_no_gstin_is_refused(text):
    with pytest.raises(ValidationError):
        read_gstin(text)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("Uttar Pradesh", "09"),
        ("uttar  pradesh", "09"),
        ("Jammu & Kashmir", "01"),
        ("NCT of Delhi", "07"),
        ("Orissa", "21"),
        ("Tamilnadu", "33"),
        ("Bavaria", ""),
        ("", ""),
    ],
)
def test_states_are_known_as_people_write_them(written, code):
    assert state_code(written) == code


def test_every_state_is_found_by_its_own_name():
    former = {"25", "28", "97"}
    assert {code: state_code(name) for code, name in STATES.items() if code not in former} == {
        code: code for code in STATES if code not in former
    }


def test_the_check_digit_is_the_published_one():
    assert [check_digit(gstin[:14]) for gstin in REAL] == [gstin[14] for gstin in REAL]
