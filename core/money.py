"""Paise inside, rupees as a string with two decimals on the wire. No float in between, ever."""

import re

from django.utils import numberformat

RUPEES = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,2})?", re.ASCII)


def rupees(paise: int) -> str:
    """110050 -> "1100.50"."""
    sign, amount = ("-", -paise) if paise < 0 else ("", paise)
    return f"{sign}{amount // 100}.{amount % 100:02}"


def grouped(paise: int) -> str:
    """As people in India read it: 14990000 paise are 1,49,900.00."""
    return numberformat.format(rupees(paise), ".", grouping=(3, 2, 0), thousand_sep=",", force_grouping=True)


def in_rupees(paise: int) -> str:
    """14990000 -> ₹1,49,900.00, and what went back -₹300.00."""
    return f"{'-' if paise < 0 else ''}₹{grouped(abs(paise))}"


def paise(text: str) -> int:
    """ "1100.5" -> 110050. Raises ValueError for all but plain rupees with at most two decimals."""
    if not RUPEES.fullmatch(text):
        raise ValueError(f"{text!r} is not an amount in rupees")
    whole, _, decimals = text.partition(".")
    return int(whole) * 100 + int(decimals.ljust(2, "0") if decimals else 0)
