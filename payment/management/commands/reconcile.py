import sys
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date

from core.printable import PrintableCommand
from payment.reconciliation.days import yesterday
from payment.reconciliation.report import FORMATS
from payment.reconciliation.runs import reconcile
from payment.reconciliation.settlement import NotASettlement, read_file


class Command(PrintableCommand):
    help = (
        "Compares a day of PhonePe with our payments and bookings, and with a settlement file."
        " Changes nothing without --fix. The exit status is 0 only if nothing differs."
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
        parser.add_argument(
            "--fix", action="store_true", help="repair what can be repaired; then compare again"
        )

    def handle(self, *args: Any, settlement: Path | None, output: Path | None, **options: Any) -> None:
        day = _parse_day(options["date"]) if options["date"] else yesterday()
        try:
            file = read_file(settlement) if settlement else None
        except NotASettlement as error:
            raise CommandError(f"{error}. Nothing was compared.") from error
        report = reconcile(day, file, fix=options["fix"])
        text = FORMATS[options["format"]](report.to_json())
        if output is None:
            self.stdout.write(text, ending="")
        else:
            try:
                output.write_text(text, encoding="utf-8")
            except OSError as error:
                raise CommandError(f"{output} cannot be written: {error.strerror}") from error
        if not report.is_clean:
            sys.exit(1)


def _parse_day(text: str) -> date:
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise CommandError(f"--date is {text!r}, not a day like 2026-06-11")
    if day > timezone.localdate():
        raise CommandError(f"{day} has not begun yet")
    return day
