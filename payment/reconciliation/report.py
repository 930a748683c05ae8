"""The result of a comparison: as an object for machines, and that as text for a terminal or CSV for a spreadsheet."""

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
from core.printable import printable, printable_values
from payment.reconciliation.discrepancies import Discrepancy

Json = dict[str, Any]

COLUMNS = (
    *("kind", "payment_id", "order", "refund", "booking", "ours", "theirs", "simulated", "detail"),
    *("mended", "fix"),
)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Report:
    """`answered` and `unanswered`: status requests to PhonePe. `bad_rows`: (line, reason) of the settlement file.
    `settled_repeats`: rows of it that repeat another one, which is no discrepancy.
    """

    day: date
    checked_at: datetime
    answered: int = 0
    unanswered: int = 0
    settled_rows: int | None = None
    settled_repeats: int = 0
    discrepancies: list[Discrepancy] = field(default_factory=list)
    bad_rows: list[tuple[int, str]] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """No discrepancy. A repaired one counts: the next comparison shows that it is gone."""
        return not self.discrepancies and not self.bad_rows

    def to_json(self, most: int | None = None) -> Json:
        return {
            "day": self.day.isoformat(),
            "checked_at": timezone.localtime(self.checked_at).isoformat(timespec="seconds"),
            "clean": self.is_clean,
            "asked": self.answered,
            "settled_rows": self.settled_rows,
            "settled_repeats": self.settled_repeats,
            "counts": dict(Counter(each.kind.value for each in self.discrepancies)),
            "mended": sum(each.mended for each in self.discrepancies),
            "differences": [each.to_json() for each in self.discrepancies[:most]],
            "bad_rows": [{"line": line, "why": reason} for line, reason in self.bad_rows[:most]],
        }


def as_json(report: Json) -> str:
    return printable(json.dumps(report, indent=2, ensure_ascii=False), keep="\n") + "\n"


def as_text(report: Json) -> str:
    report = printable_values(report)
    rows, bad_rows = report["settled_rows"], report["bad_rows"]
    lines = [f"{report['day']}. Answers from PhonePe: {report['asked']}."]
    if rows is not None:
        lines.append(f"Rows in the settlement file: {rows}, unreadable: {len(bad_rows)}.")
        if repeats := report.get("settled_repeats"):  # reports that were kept before have none
            lines.append(f"Rows that repeat another one, word for word: {repeats}.")
    for each in report["differences"]:
        about = {
            "payment": each["payment_id"],
            **{name: each[name] for name in ("order", "refund", "booking")},
        }
        about |= _format_amounts(each)
        subject = ", ".join(f"{name} {value}" for name, value in about.items() if value)
        notes = [each["detail"], *(mark for mark in ("mended", "simulated") if each[mark])]
        note = "; ".join(filter(None, notes))
        headline = f"{each['kind'].upper()}  {subject}" + (f" ({note})" if note else "")
        lines += ["", headline, f"    {each['fix']}"]
    lines += ["", *(f"line {row['line']} of the settlement file {row['why']}" for row in bad_rows)]
    if bad_rows:
        lines.append("")
    if report["clean"]:
        lines.append("No differences.")
    else:
        lines.append(f"Differences: {sum(report['counts'].values())}, repaired: {report['mended']}.")
    return "\n".join(lines) + "\n"


def as_csv(report: Json) -> str:
    """Amounts in rupees. A cell that a spreadsheet would take for a formula is written as text."""
    report, out = printable_values(report), io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    for each in report["differences"]:
        cells = {}
        for name, value in (each | _format_amounts(each)).items():
            text = "" if value is None else str(value)
            cells[name] = f"'{text}" if text.startswith(FORMULAS) else text
        writer.writerow(cells)
    for row in report["bad_rows"]:
        writer.writerow({"kind": "bad row", "detail": f"line {row['line']} {row['why']}"})
    return out.getvalue()


FORMATS: dict[str, Callable[[Json], str]] = {"text": as_text, "json": as_json, "csv": as_csv}


def _format_amounts(discrepancy: Json) -> dict[str, str]:
    paise = {side: discrepancy[f"{side}_paise"] for side in ("ours", "theirs")}
    return {side: "" if amount is None else rupees(amount) for side, amount in paise.items()}
