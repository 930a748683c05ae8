"""What a comparison found: as an object for machines, as text for a terminal, as CSV for a spreadsheet."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.utils import timezone

from booking.money import rupees
from payment.reconciliation.findings import Finding

Wire = dict[str, Any]

COLUMNS = (
    *("kind", "payment_id", "order", "refund", "booking", "ours", "theirs", "simulated", "detail"),
    *("mended", "fix"),
)
KEPT = 300  # differences that a row in our database holds; the command tells all
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Report:
    """`asked`: questions that PhonePe has answered; `bad`: (line, why) of the settlement file."""

    day: date
    checked_at: datetime
    asked: int = 0
    settled_rows: int | None = None
    findings: list[Finding] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)

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
            "counts": dict(Counter(found.kind.value for found in self.findings)),
            "mended": sum(found.mended for found in self.findings),
            "differences": [found.wire() for found in self.findings[:most]],
            "bad_rows": [{"line": line, "why": why} for line, why in self.bad[:most]],
        }


def as_json(report: Report) -> str:
    return json.dumps(report.wire(), indent=2, ensure_ascii=False) + "\n"


def as_text(report: Report) -> str:
    lines = [f"{report.day}: PhonePe answered {report.asked} questions."]
    if report.settled_rows is not None:
        lines.append(
            f"The settlement file has {report.settled_rows} rows, {len(report.bad)} of them unreadable."
        )
    for found in report.findings:
        lines += ["", _headline(found), f"    {found.fix.value}"]
    lines += ["", *(f"line {line} of the settlement file {why}" for line, why in report.bad)]
    mended = sum(found.mended for found in report.findings)
    lines.append(
        "No differences." if report.is_clean else f"{len(report.findings)} differences, {mended} mended."
    )
    return "\n".join(lines) + "\n"


def as_csv(report: Report) -> str:
    """Amounts in rupees. A cell that a spreadsheet would take for a formula is told as text."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for found in report.findings:
        told = found.wire() | {"ours": _amount(found.ours_paise), "theirs": _amount(found.theirs_paise)}
        writer.writerow(_cell(told[name]) for name in COLUMNS)
    for line, why in report.bad:
        row = dict.fromkeys(COLUMNS, "") | {"kind": "bad row", "detail": f"line {line} {why}"}
        writer.writerow(_cell(row[name]) for name in COLUMNS)
    return out.getvalue()


FORMATS: dict[str, Callable[[Report], str]] = {"text": as_text, "json": as_json, "csv": as_csv}


def _headline(found: Finding) -> str:
    about = {
        "payment": found.payment_id,
        "order": found.order,
        "refund": found.refund,
        "booking": found.booking,
        "ours": _amount(found.ours_paise),
        "theirs": _amount(found.theirs_paise),
    }
    told = ", ".join(f"{name} {value}" for name, value in about.items() if value)
    marks = [mark for mark, is_so in (("mended", found.mended), ("simulated", found.simulated)) if is_so]
    note = "; ".join(filter(None, [found.detail, *marks]))
    return f"{found.kind.value.upper()}  {told}" + (f" ({note})" if note else "")


def _amount(paise: int | None) -> str:
    return "" if paise is None else rupees(paise)


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULAS) else text
