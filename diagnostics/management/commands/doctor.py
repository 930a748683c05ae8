import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from diagnostics import dependencies, render
from diagnostics.parallel import begin, result
from diagnostics.runner import diagnose
from payment.models import DiagnosisRun
from payment.phonepe.transport import Deadline

Json = dict[str, Any]

NAMES = (*render.LAYERS, *render.DEPENDENCIES)
DATABASE_TIMEOUT = 1.5  # seconds, of the ten that the whole may take


class Command(BaseCommand):
    """Needs no database and no running server. `manage.py` itself reports settings that cannot be read."""

    help = "Says what is broken, whose fault it is and what to do. Ends with 0 only when all is well."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for machines")
        parser.add_argument(
            "--support-message", action="store_true", help="only the message that is to be sent"
        )
        parser.add_argument(
            "--only", nargs="+", default=[], metavar="NAME", help="layers and hops: tcp database …"
        )

    def handle(self, *args: Any, only: list[str], **forms: Any) -> None:
        if unknown := set(only) - set(NAMES):
            raise CommandError(
                f"No such layer or hop: {', '.join(sorted(unknown))}. There are {', '.join(NAMES)}."
            )
        found = diagnose(ask_simulator=_can_ask_simulator(), asked_by=DiagnosisRun.AskedBy.COMMAND)
        checks = _selected(found["checks"], only)
        self.stdout.write(_output(found, checks if only else None, forms).rstrip("\n"))
        if not (_are_well(checks) if only else _is_well(found)):
            sys.exit(1)


def _can_ask_simulator() -> bool:
    """The simulated PhonePe keeps its orders in our own database."""
    if not settings.PHONEPE_SIMULATION_MODE:
        return False
    try:
        return result(begin(dependencies.check_database), Deadline(DATABASE_TIMEOUT)).ok is True
    except TimeoutError:
        return False


def _is_well(found: Json) -> bool:
    """A simulated PhonePe has to answer, too: "simulated" alone says only that no money moves."""
    if not settings.PHONEPE_SIMULATION_MODE:
        return bool(found["success"])
    answers = [check for check in found["checks"] if check["layer"] in ("credentials", "contract")]
    return bool(found["success"] and answers and all(check["ok"] for check in answers))


def _are_well(checks: list[Json]) -> bool:
    """A check without a result is no fault, but at least one has to pass."""
    results = {check["ok"] for check in checks}
    return True in results and False not in results


def _selected(checks: list[Json], only: list[str]) -> list[Json]:
    """A selected name without a check gets an entry too: an earlier layer failed, or it is not used here."""
    present = {check["layer"] for check in checks}
    found = [check for check in checks if check["layer"] in only]
    absent = {"family": "", "target": "nothing", "ok": None, "ms": 0, "finding": ""}
    detail = {"detail": "not come to, or not used here"}
    return found + [{"layer": name, **absent, **detail} for name in only if name not in present]


def _output(found: Json, checks: list[Json] | None, forms: dict[str, Any]) -> str:
    """`checks` None: the whole report."""
    message = found["support_message"]
    if forms["json"]:
        report = found if checks is None else {**found, "checks": checks}
        return json.dumps(message if forms["support_message"] else report, indent=2, ensure_ascii=False)
    if forms["support_message"]:
        if message is None:
            return "Nobody has to act."
        return f"To: {message['to']}\nSubject: {message['subject']}\n\n{message['body']}"
    return render.as_text(found) if checks is None else render.checks_as_text(checks)
