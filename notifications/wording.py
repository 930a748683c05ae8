"""How amounts, moments and names of facts are said, in each language."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import dateformat, timezone, translation

from core.money import grouped

# Receipts are dated there, whatever the time zone of the server.
INDIA = ZoneInfo("Asia/Kolkata")

MOMENTS = {"starts_at", "wanted_at", "moved_from", "paid_at", "until", "free_until", "at"}
DAYS = {"expected_by"}

# In the order in which they stand in a letter.
LABELS = {
    "book_id": {"en": "Booking", "hi": "बुकिंग"},
    "puja": {"en": "Puja", "hi": "पूजा"},
    "starts_at": {"en": "Time", "hi": "समय"},
    "moved_from": {"en": "Time before", "hi": "पहले का समय"},
    "wanted_at": {"en": "Time you wanted", "hi": "आपका चुना समय"},
    "place": {"en": "Place", "hi": "स्थान"},
    "amount": {"en": "Amount", "hi": "राशि"},
    "agreed": {"en": "Amount agreed", "hi": "तय राशि"},
    "refund": {"en": "Refund", "hi": "वापसी राशि"},
    "refund_id": {"en": "Refund number", "hi": "वापसी संख्या"},
    "expected_by": {"en": "Expected by", "hi": "अपेक्षित तिथि"},
    "utr": {"en": "Bank reference (UTR)", "hi": "बैंक संदर्भ (UTR)"},
    "reference": {"en": "Payment reference", "hi": "भुगतान संदर्भ"},
}
WORDS = {
    "en": {
        "greeting": "Namaste,",
        "greeting_to": "Namaste {name},",
        "action": "See your payment",
        "simulated": "Simulation: no money has moved.",
        "footer": "OkPuja. This message was sent automatically; please keep it for your records.",
        "moment": "l, j F Y, g:i A",
        "day": "j F Y",
    },
    "hi": {
        "greeting": "नमस्ते,",
        "greeting_to": "नमस्ते {name},",
        "action": "अपना भुगतान देखें",
        "simulated": "परीक्षण: कोई पैसा नहीं लिया गया है।",
        "footer": "OkPuja। यह संदेश अपने-आप भेजा गया है; कृपया इसे सँभालकर रखें।",
        "moment": "l, j F Y, H:i",
        "day": "j F Y",
    },
}


def known(language: str) -> str:
    return language if language in WORDS else "en"


def spoken(facts: dict[str, Any], language: str) -> dict[str, Any]:
    """The facts in words: `amount_paise: 110000` is said as `amount: "₹1,100.00"`, an ISO moment as a date.

    Raises TypeError or ValueError for a fact that is not what its name says.
    """
    return dict(_spoken(name, fact, language) for name, fact in facts.items() if fact not in (None, "", 0))


def moment(iso: str, language: str) -> str:
    return _date(iso, language, "moment")


def day(iso: str, language: str) -> str:
    return _date(iso, language, "day")


def _spoken(name: str, fact: Any, language: str) -> tuple[str, Any]:
    if name.endswith("_paise"):
        return name.removesuffix("_paise"), f"₹{grouped(fact)}"
    if name in MOMENTS:
        return name, moment(fact, language)
    if name in DAYS:
        return name, day(fact, language)
    if name == "offered":
        return name, [moment(start, language) for start in fact]
    # On one line: a line break in a subject would begin another header.
    return name, " ".join(fact.split()) if isinstance(fact, str) else fact


def _date(iso: str, language: str, form: str) -> str:
    """As it is read in our time zone."""
    local = timezone.localtime(datetime.fromisoformat(iso))
    with translation.override(language):
        return dateformat.format(local, WORDS[language][form])
