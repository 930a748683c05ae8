import json
import sys
from dataclasses import asdict, replace
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from core.printable import PrintableCommand
from diagnostics import dependencies, render
from diagnostics.deadlines import begin, result
from diagnostics.report import Layer, Report
from diagnostics.runner import diagnose
from payment.models import DiagnosisRun
from payment.phonepe.transport import Deadline

NAMES = (*render.LAYERS, *render.DEPENDENCIES)
DATABASE_TIMEOUT = 1.5  # seconds, of the ten that the whole may take


class Command(PrintableCommand):
    """Needs no database and no running server. `manage.py` itself reports settings that cannot be read."""

    help = "Says what is broken, whose fault it is and what to do. The exit status is 0 only if nothing is."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for machines")
        parser.add_argument(
            "--support-message", action="store_true", help="only the message that is to be sent"
        )
        parser.add_argument(
            "--only", nargs="+", default=[], metavar="NAME", help="layers and dependencies: tcp database …"
        )

    def handle(self, *args: Any, only: list[str], **forms: Any) -> None:
        if unknown := set(only) - set(NAMES):
            raise CommandError(
                f"No such layer or dependency: {', '.join(sorted(unknown))}. There are {', '.join(NAMES)}."
            )
        report = diagnose(ask_simulator=_can_ask_simulator(), asked_by=DiagnosisRun.AskedBy.COMMAND)
        if only:
            report = replace(report, checks=_selected(report.checks, only))
        self.stdout.write(_output(report, only, forms).rstrip("\n"))
        if not _is_well(report, only):
            sys.exit(1)


def _can_ask_simulator() -> bool:
    """The simulated PhonePe keeps its orders in our own database."""
    if not settings.PHONEPE_SIMULATION_MODE:
        return False
    deadline = Deadline(DATABASE_TIMEOUT)
    try:
        return result(begin(dependencies.check_database, deadline), deadline).ok is True
    except TimeoutError:
        return False


def _selected(checks: list[Layer], only: list[str]) -> list[Layer]:
    """A selected name without a check gets an entry too: an earlier layer failed, or it is not used here."""
    present = {check.layer for check in checks}
    absent = [
        Layer(name, "", "nothing", None, 0, "", "not reached, or not used here")
        for name in only
        if name not in present
    ]
    return [check for check in checks if check.layer in only] + absent


def _output(report: Report, only: list[str], forms: dict[str, Any]) -> str:
    message = report.support_message
    if forms["json"]:
        output = (message and asdict(message)) if forms["support_message"] else report.as_json()
        return json.dumps(output, indent=2, ensure_ascii=False)
    if forms["support_message"]:
        if message is None:
            return "Nobody has to act."
        return f"To: {message.to}\nSubject: {message.subject}\n\n{message.body}"
    return render.checks_as_text(report.checks) if only else render.as_text(report.as_json())


def _is_well(report: Report, only: list[str]) -> bool:
    """Of the selected checks at least one has to pass and none may fail; one without a result is no fault.

    Else the verdict counts. A simulated PhonePe has to answer, too: "simulated" alone says only that no money moves.
    """
    if only:
        results = {check.ok for check in report.checks}
        return True in results and False not in results
    if not settings.PHONEPE_SIMULATION_MODE:
        return report.success
    answers = [check.ok for check in report.checks if check.layer in ("credentials", "contract")]
    return report.success and bool(answers) and all(answers)
