"""What a comparison found: as an object for machines, and that as text for a terminal or CSV for a spreadsheet."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.utils import timezone

from core.money import rupees
from payment.reconciliation.findings import Finding

Wire = dict[str, Any]

COLUMNS = (
    *("kind", "payment_id", "order", "refund", "booking", "ours", "theirs", "simulated", "detail"),
    *("mended", "fix"),
)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Report:
    """`asked`: questions that PhonePe has answered, `unanswered` those that it has not; `bad`: (line, why) of the
    settlement file; `settled_repeats`: rows of it that repeat another one, which is no difference.
    """

    day: date
    checked_at: datetime
    asked: int = 0
    unanswered: int = 0
    settled_rows: int | None = None
    settled_repeats: int = 0
    findings: list[Finding] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)

    @property
    def is_answered(self) -> bool:
        return not self.unanswered

    @property
    def is_clean(self) -> bool:
        """Nothing was found. What was mended was found: comparing once more shows that it is gone."""
        return not self.findings and not self.bad

    def wire(self, most: int | None = None) -> Wire:
        return {
            "day": self.day.isoformat(),
            "checked_at": timezone.localtime(self.checked_at).isoformat(timespec="seconds"),
            "clean": self.is_clean,
            "asked": self.asked,
            "settled_rows": self.settled_rows,
            "settled_repeats": self.settled_repeats,
            "counts": dict(Counter(found.kind.value for found in self.findings)),
            "mended": sum(found.mended for found in self.findings),
            "differences": [found.wire() for found in self.findings[:most]],
            "bad_rows": [{"line": line, "why": why} for line, why in self.bad[:most]],
        }


def as_json(told: Wire) -> str:
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def as_text(told: Wire) -> str:
    rows, bad = told["settled_rows"], told["bad_rows"]
    lines = [f"{told['day']}. Answers from PhonePe: {told['asked']}."]
    if rows is not None:
        lines.append(f"Rows in the settlement file: {rows}, unreadable: {len(bad)}.")
        if repeats := told.get("settled_repeats"):  # reports that were kept before have none
            lines.append(f"Rows that repeat another one, word for word: {repeats}.")
    for found in told["differences"]:
        lines += ["", _headline(found), f"    {found['fix']}"]
    lines += ["", *(f"line {row['line']} of the settlement file {row['why']}" for row in bad)]
    return "\n".join([*lines, *([""] if bad else []), _conclusion(told)]) + "\n"


def as_csv(told: Wire) -> str:
    """Amounts in rupees. A cell that a spreadsheet would take for a formula is told as text."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    for found in told["differences"]:
        writer.writerow({name: _cell(value) for name, value in (found | _amounts(found)).items()})
    for row in told["bad_rows"]:
        writer.writerow({"kind": "bad row", "detail": f"line {row['line']} {row['why']}"})
    return out.getvalue()


FORMATS: dict[str, Callable[[Wire], str]] = {"text": as_text, "json": as_json, "csv": as_csv}


def _conclusion(told: Wire) -> str:
    if told["clean"]:
        return "No differences."
    return f"Differences: {sum(told['counts'].values())}, mended: {told['mended']}."


def _headline(found: Wire) -> str:
    about = {
        "payment": found["payment_id"],
        "order": found["order"],
        "refund": found["refund"],
        "booking": found["booking"],
        **_amounts(found),
    }
    what = ", ".join(f"{name} {value}" for name, value in about.items() if value)
    notes = [found["detail"], *(mark for mark in ("mended", "simulated") if found[mark])]
    note = "; ".join(filter(None, notes))
    return f"{found['kind'].upper()}  {what}" + (f" ({note})" if note else "")


def _amounts(found: Wire) -> dict[str, str]:
    sides = ("ours", "theirs")
    return {side: "" if (paise := found[f"{side}_paise"]) is None else rupees(paise) for side in sides}


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULAS) else text
