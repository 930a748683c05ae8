import sys
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date

from payment.reconciliation.days import yesterday
from payment.reconciliation.report import FORMATS
from payment.reconciliation.runs import reconcile
from payment.reconciliation.settlement import NotASettlement, Settlement, read_file


class Command(BaseCommand):
    help = (
        "Compares a day of PhonePe with our payments and bookings, and with a settlement file."
        " Changes nothing without --fix. Ends with 0 only when nothing differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--date", default="", metavar="YYYY-MM-DD", help="of our time zone; else yesterday"
        )
        parser.add_argument(
            "--settlement", type=Path, metavar="FILE.csv", help="PhonePe's report of that day"
        )
        parser.add_argument("--format", choices=tuple(FORMATS), default="text")
        parser.add_argument("--output", type=Path, metavar="FILE", help="else it is printed")
        parser.add_argument("--fix", action="store_true", help="mend what can be mended; then compare again")

    def handle(self, *args: Any, settlement: Path | None, output: Path | None, **options: Any) -> None:
        day = _day(options["date"])
        report = reconcile(day, _settlement(settlement), fix=options["fix"])
        told = FORMATS[options["format"]](report.wire())
        if output:
            _write(output, told)
        else:
            self.stdout.write(told, ending="")
        if not report.is_clean:
            sys.exit(1)


def _day(text: str) -> date:
    try:
        day = parse_date(text) if text else yesterday()
    except ValueError:
        day = None
    if day is None:
        raise CommandError(f"--date is {text!r}, not a day like 2026-06-11")
    if day > timezone.localdate():
        raise CommandError(f"{day} has not begun yet")
    return day


def _settlement(path: Path | None) -> Settlement | None:
    try:
        return read_file(path) if path else None
    except NotASettlement as error:
        raise CommandError(f"{error}. Nothing was compared.") from error


def _write(path: Path, told: str) -> None:
    try:
        path.write_text(told, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
