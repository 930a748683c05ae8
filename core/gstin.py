"""GSTIN: the number of a taxpayer under India's goods and services tax. Fifteen characters; the last one is a check."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.translation import gettext_lazy as _

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# State, PAN of the taxpayer, number of the registration in the state, "Z", check digit.
FORM = re.compile(r"[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]", re.ASCII)
# By the codes of the GST network. "Daman and Diu" (25) and the former Andhra Pradesh (28) are found on old papers.
STATES = {
    "01": "Jammu and Kashmir",
    "02": "Himachal Pradesh",
    "03": "Punjab",
    "04": "Chandigarh",
    "05": "Uttarakhand",
    "06": "Haryana",
    "07": "Delhi",
    "08": "Rajasthan",
    "09": "Uttar Pradesh",
    "10": "Bihar",
    "11": "Sikkim",
    "12": "Arunachal Pradesh",
    "13": "Nagaland",
    "14": "Manipur",
    "15": "Mizoram",
    "16": "Tripura",
    "17": "Meghalaya",
    "18": "Assam",
    "19": "West Bengal",
    "20": "Jharkhand",
    "21": "Odisha",
    "22": "Chhattisgarh",
    "23": "Madhya Pradesh",
    "24": "Gujarat",
    "25": "Daman and Diu",
    "26": "Dadra and Nagar Haveli and Daman and Diu",
    "27": "Maharashtra",
    "28": "Andhra Pradesh (before 2014)",
    "29": "Karnataka",
    "30": "Goa",
    "31": "Lakshadweep",
    "32": "Kerala",
    "33": "Tamil Nadu",
    "34": "Puducherry",
    "35": "Andaman and Nicobar Islands",
    "36": "Telangana",
    "37": "Andhra Pradesh",
    "38": "Ladakh",
    "97": "Other territory",
}
# Territories without a parliament: what a state calls SGST is UTGST there.
UNION_TERRITORIES = frozenset({"04", "25", "26", "31", "35", "38", "97"})
OTHER_SPELLINGS = {
    "orissa": "21",
    "uttaranchal": "05",
    "pondicherry": "34",
    "nctofdelhi": "07",
    "newdelhi": "07",
    "andamannicobar": "35",
    "jammukashmir": "01",
    "tamilnad": "33",
    "dadranagarhaveli": "26",
    "damandiu": "26",
    "up": "09",
    "mp": "23",
}


def _plain(name: str) -> str:
    """Lower-case letters only, without "and": "Jammu & Kashmir" and "Jammu and Kashmir" are one name."""
    return "".join(filter(str.isalpha, re.sub(r"\band\b", "", name.casefold())))


CODES = {_plain(name): code for code, name in STATES.items() if code not in ("25", "28", "97")}
CODES |= OTHER_SPELLINGS


def state_code(name: str) -> str:
    """Of a state as people write it in an address; "" for what is no state of India."""
    return CODES.get(_plain(name), "")


def check_digit(first: str) -> str:
    """Of the first fourteen characters: base 36, every second digit twice, digits of each product added."""
    total = 0
    for position, character in enumerate(first):
        tens, ones = divmod(DIGITS.index(character) * (1 + position % 2), len(DIGITS))
        total += tens + ones
    return DIGITS[-total % len(DIGITS)]


def read_gstin(text: str) -> str:
    """In capital letters and without spaces; "" for nothing. Raises ValidationError."""
    gstin = "".join(text.split()).upper()
    if not gstin:
        return ""
    if not FORM.fullmatch(gstin) or gstin[:2] not in STATES:
        raise ValidationError(
            _("A GSTIN has 15 characters, for example 09AAACH7409R1ZZ."), code="invalid_gstin"
        )
    if check_digit(gstin[:14]) != gstin[14]:
        raise ValidationError(
            _("This GSTIN is mistyped: its last character does not fit."), code="invalid_gstin"
        )
    return gstin


@dataclass(frozen=True)
class GstRegistration:
    """Who we are to the tax office. `sac`: the service code of a puja that has no other."""

    gstin: str
    sac: str
    basis_points: int


def registration() -> GstRegistration | None:
    """Ours, by the settings. None without GST_GSTIN: then nothing is taxed. Raises ImproperlyConfigured."""
    return _registration(settings.GST_GSTIN, settings.GST_SAC, settings.GST_RATE)


@lru_cache(maxsize=1)
def _registration(gstin: str, sac: str, percent: str) -> GstRegistration | None:
    if not gstin:
        return None
    try:
        number = read_gstin(gstin)
    except ValidationError as error:
        raise ImproperlyConfigured(f"GST_GSTIN: {' '.join(error.messages)}") from error
    if not re.fullmatch(r"[0-9]{4,8}", sac, re.ASCII):
        raise ImproperlyConfigured("GST_SAC must be a service code of four to eight digits")
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,2})?", percent, re.ASCII):
        raise ImproperlyConfigured("GST_RATE must be a percentage below 100 with at most two decimals")
    return GstRegistration(number, sac, int(Decimal(percent) * 100))
