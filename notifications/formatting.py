"""How amounts, moments and the names of facts are written, in the active language."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from core.dates import spell_date, spell_moment
from core.money import grouped
from core.texts import one_line

# Receipts are dated there, whatever the time zone of the server.
INDIA = ZoneInfo("Asia/Kolkata")

MOMENTS = {"starts_at", "wanted_at", "moved_from", "paid_at", "until", "free_until", "at"}
DAYS = {"expected_by"}

# In the order in which they stand in a message.
LABELS = {
    "book_id": _("Booking"),
    "puja": _("Puja"),
    "starts_at": _("Time"),
    "moved_from": _("Time before"),
    "wanted_at": _("Time you wanted"),
    "place": _("Place"),
    "devotees": _("For"),
    "preparation": _("What to prepare"),
    "priest": _("Priest"),
    "purpose": _("Purpose"),
    "amount": _("Amount"),
    "agreed": _("Amount agreed"),
    "refund": _("Refund"),
    "refund_id": _("Refund number"),
    "expected_by": _("Expected by"),
    "utr": _("Bank reference (UTR)"),
    "reference": _("Payment reference"),
}


def format_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """`amount_paise: 110000` becomes `amount: "₹1,100.00"`, an ISO moment a date; facts without a value are left out.

    Raises TypeError or ValueError for a fact that is not what its name says.
    """
    formatted: dict[str, Any] = {}
    in_hindi = {name: fact for name, fact in facts.items() if name.endswith("_hi") and fact}
    facts = {name: fact for name, fact in facts.items() if not name.endswith("_hi")}
    if get_language() == "hi":
        facts |= {name.removesuffix("_hi"): fact for name, fact in in_hindi.items()}
    for name, fact in facts.items():
        if fact in (None, "", 0):
            continue
        if name.endswith("_paise"):
            formatted[name.removesuffix("_paise")] = f"₹{grouped(fact)}"
        elif name in MOMENTS:
            formatted[name] = spell_moment(datetime.fromisoformat(fact))
        elif name in DAYS:
            formatted[name] = spell_date(datetime.fromisoformat(fact))
        elif name == "offered":
            formatted[name] = [spell_moment(datetime.fromisoformat(start)) for start in fact]
        elif isinstance(fact, str):
            formatted[name] = one_line(fact)  # a line break in a subject would begin another header
        else:
            formatted[name] = fact
    return formatted
