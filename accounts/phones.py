"""Telephone numbers: read in any spelling, kept as E.164 (`+919876543210`)."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import phonenumbers
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.expressions import Combinable
from django.utils.translation import gettext_lazy as _
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType

REGION = "IN"
INDIA = 91
DIGITS_IN_INDIA = 10
LONGEST_INPUT = 250  # the library reads no longer text
LONGEST_KEPT = 32
FEWEST_DIGITS_TO_SEARCH = 4
UNREADABLE = _("Give a phone number such as 98765 43210, or with its country code such as +44 7911 123456.")

LETTERS = re.compile(r"[^\W\d_]+")
LABEL_WITH_A_DIGIT = re.compile(r"(?<=[^\W\d_])[^\w+]{0,4}\d[\s)]*:")  # "mobile no. 1:"
SPREADSHEET_NUMBER = re.compile(r"^(\+?\d+)\.00?$")  # a column of numbers, exported as text
BETWEEN_NUMBERS = re.compile(r"[,;:/|&]|(?=\+)")
GAP = r"[^\d+]*"  # whatever people put between two groups of digits
# The last plus is not given back: it could begin the next code as well, and "+91+91+91" were read in 2^n ways.
CODE_OF_INDIA = rf"(?:\+{GAP})?(?:0{GAP}){{0,2}}9{GAP}1{GAP}(?:\+{GAP})?+"
TRUNK_ZERO = rf"(?:\+{GAP})?0{GAP}"
NATIONAL_NUMBER = rf"(?P<national>[1-9](?:{GAP}\d){{{DIGITS_IN_INDIA - 1}}})"
INDIAN_NUMBER = re.compile(rf"(?<![\d+])(?:{CODE_OF_INDIA})*(?:{TRUNK_ZERO})?{NATIONAL_NUMBER}(?!\d)")


def read_phone(value: Any) -> str | None:
    """The E.164 form of a number in any spelling, text or JSON number; None if it is not one phone number.

    Without a country code it is Indian. Letters count only as a label beside the number, never as digits.
    The same number twice is one; two different numbers are none.
    """
    return _read(_plain_text(value))


# A page shows the same numbers again and again.
@lru_cache(maxsize=2_048)
def _read(text: str) -> str | None:
    numbers = _numbers_in(text)
    spelled = {phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) for number in numbers}
    return spelled.pop() if len(spelled) == 1 else None


def normalize_phone(value: Any) -> str:
    """What a column keeps: E.164, or the printable text as it was written when that can't be read."""
    return read_phone(value) or _plain_text(value)[:LONGEST_KEPT].strip()


def is_blank(value: Any) -> bool:
    """Nothing was given: null, or text without a letter or a digit."""
    return value is None or (isinstance(value, str) and not any(map(str.isalnum, value)))


def format_phone(stored: str | None) -> str | None:
    """As the frontend's forms take it: the national digits for India, E.164 elsewhere; text as it is kept."""
    if not stored or not stored.startswith("+91") or read_phone(stored) != stored:
        return stored
    return stored.removeprefix("+91")


def indian_mobile(stored: str | None) -> str | None:
    """The ten digits that PhonePe takes as a mobile number; None for a landline, another country, other text."""
    number = _parse(read_phone(stored) or "")
    if number is None or not _is_mobile_shaped(number):
        return None
    landline = phonenumbers.number_type(number) == PhoneNumberType.FIXED_LINE
    return None if landline else str(number.national_number)


def digits_to_search(text: str) -> str:
    """What to look for in E.164 columns when staff search for a whole or partial number; "" if it is no number."""
    if whole := read_phone(text):
        return whole
    digits = "".join(str(unicodedata.digit(letter)) for letter in text if letter.isdecimal())
    if (
        any(map(str.isalpha, text))
        or "@" in text
        or not FEWEST_DIGITS_TO_SEARCH <= len(digits) <= LONGEST_KEPT
    ):
        return ""
    return digits.lstrip("0")


def readable_phone(value: str) -> None:
    if read_phone(value) is None:
        raise ValidationError(UNREADABLE, code="invalid")


class PhoneField(models.CharField):
    """Normalised on every way into the database and in exact lookups, so that any spelling finds the row.

    Text that cannot be read is kept as it was written: validate with `readable_phone` where that is wrong.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_length": LONGEST_KEPT} | kwargs)

    def get_prep_value(self, value: Any) -> Any:
        if value is None or isinstance(value, Combinable):
            return value
        return normalize_phone(value) or (None if self.null else "")

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """The object in memory must say what the row says."""
        value = self.get_prep_value(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


def _plain_text(value: Any) -> str:
    """One line, digits as 0-9, without invisible characters, which come along when a contact is copied."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    if isinstance(value, int):
        return str(value) if 0 <= value < 10**18 else ""  # Python refuses to spell out numbers of any length
    letters = unicodedata.normalize("NFKC", value[:LONGEST_INPUT])[:LONGEST_INPUT]  # one letter may become 18
    return "".join(map(_plain_letter, letters)).strip()


def _plain_letter(letter: str) -> str:
    if letter.isspace():
        return " "
    if letter.isdecimal():
        return str(unicodedata.decimal(letter))
    return letter if letter.isprintable() else ""


def _numbers_in(text: str) -> list[PhoneNumber]:
    """The numbers that stand between the words; none when something else there may be a telephone, too."""
    text = LABEL_WITH_A_DIGIT.sub(" ", SPREADSHEET_NUMBER.sub(r"\1", text))
    numbers: list[PhoneNumber] = []
    for stretch in LETTERS.split(text):
        found = _indian_numbers(stretch) or _library_numbers(stretch)
        if not found and _may_be_a_phone(stretch):
            return []
        numbers += found
    return numbers


def _indian_numbers(stretch: str) -> list[PhoneNumber]:
    """The Indian numbers that all the digits belong to, with the codes 0 and 91 before them as often as given."""
    if re.search(r"[\d+]", INDIAN_NUMBER.sub("", stretch)):
        return []
    return _all_exist(f"+{INDIA}{match['national']}" for match in INDIAN_NUMBER.finditer(stretch))


def _library_numbers(stretch: str) -> list[PhoneNumber]:
    """All the digits as one number; else the parts that are set apart, if each is a number."""
    parts = filter(re.compile(r"\d").search, BETWEEN_NUMBERS.split(stretch))
    return _all_exist([stretch]) or _all_exist(parts)


def _all_exist(spellings: Iterable[str]) -> list[PhoneNumber]:
    """Whatever stands between two groups of digits; nothing if one of them is no number."""
    numbers = [_parse(re.sub(r"(?<=\d)\D+", "", spelling)) for spelling in spellings]
    existing = [number for number in numbers if number and _exists(number)]
    return existing if len(existing) == len(numbers) else []


def _may_be_a_phone(stretch: str) -> bool:
    """More digits than a date or a postal code has, or the country code of a number that stands elsewhere."""
    digits = re.sub(r"\D", "", stretch)
    return len(digits) >= DIGITS_IN_INDIA or ("+" in stretch and digits not in ("", str(INDIA)))


def _parse(text: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, REGION)
    except NumberParseException:
        return None


def _exists(number: PhoneNumber) -> bool:
    """India's numbers by the numbering plan, new mobile series included; others by their length.

    The library's plan of a country may be older than a series, and nobody is turned away for that.
    """
    if number.country_code == INDIA:
        return _is_mobile_shaped(number) or phonenumbers.is_valid_number(number)
    return phonenumbers.is_possible_number(number)


def _is_mobile_shaped(number: PhoneNumber) -> bool:
    digits = phonenumbers.national_significant_number(number)
    return number.country_code == INDIA and len(digits) == 10 and digits[0] in "6789"
