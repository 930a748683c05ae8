"""A report without cache and database, as JSON."""

from typing import Any

from diagnostics.runner import SECONDS, make_report


def report_json(seconds: float = SECONDS, clients: Any = None, **options: Any) -> dict[str, Any]:
    report, _ = make_report(seconds, clients, **options)
    return report.as_json()
