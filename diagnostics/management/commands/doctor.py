import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from diagnostics import dependencies, rendering
from diagnostics.parallel import begin, result
from diagnostics.runner import fresh
from payment.models import DiagnosisRun
from payment.phonepe.transport import Deadline

Wire = dict[str, Any]

NAMES = (*rendering.STEPS, *rendering.HOPS)
PATIENCE = 1.5  # seconds, of the ten that the whole may take


class Command(BaseCommand):
    """Needs no database and no running server. Settings that cannot be read are told by `manage.py` itself."""

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
        _refuse_unknown(only)
        found = fresh(ask_simulator=_can_simulate(), asked_by=DiagnosisRun.AskedBy.COMMAND)
        checks = _named(found["checks"], only)
        self.stdout.write(_told(found, checks if only else None, forms).rstrip("\n"))
        if not (_are_well(checks) if only else _is_well(found)):
            sys.exit(1)


def _can_simulate() -> bool:
    """The simulated PhonePe keeps its orders in our own database."""
    if not settings.PHONEPE_SIMULATION_MODE:
        return False
    try:
        return result(begin(dependencies.check_database), Deadline(PATIENCE)).ok is True
    except TimeoutError:
        return False


def _is_well(found: Wire) -> bool:
    """A PhonePe that is simulated has to answer, too: "simulated" alone says only that no money moves."""
    if not settings.PHONEPE_SIMULATION_MODE:
        return bool(found["success"])
    asked = [check for check in found["checks"] if check["layer"] in ("credentials", "contract")]
    return bool(found["success"] and asked and all(check["ok"] for check in asked))


def _are_well(checks: list[Wire]) -> bool:
    """What could not be asked, or says nothing, is not well by itself, and no fault beside others."""
    answers = {check["ok"] for check in checks}
    return True in answers and False not in answers


def _refuse_unknown(only: list[str]) -> None:
    if unknown := set(only) - set(NAMES):
        raise CommandError(
            f"No such layer or hop: {', '.join(sorted(unknown))}. There are {', '.join(NAMES)}."
        )


def _named(checks: list[Wire], only: list[str]) -> list[Wire]:
    """One that nobody came to says so: what stopped us stands before it, or it is not needed here."""
    there = {check["layer"] for check in checks}
    found = [check for check in checks if check["layer"] in only]
    return found + [_not_come_to(name) for name in only if name not in there]


def _not_come_to(name: str) -> Wire:
    return {
        "layer": name,
        "family": "",
        "target": "nothing",
        "ok": None,
        "ms": 0,
        "finding": "",
        "detail": "not come to, or not used here",
    }


def _told(found: Wire, checks: list[Wire] | None, forms: dict[str, Any]) -> str:
    if forms["support_message"]:
        return _letter(found["support_message"], forms["json"])
    if forms["json"]:
        return json.dumps(
            found if checks is None else {**found, "checks": checks}, indent=2, ensure_ascii=False
        )
    return rendering.as_text(found) if checks is None else rendering.checks_as_text(checks)


def _letter(message: dict[str, str] | None, as_json: bool) -> str:
    if as_json:
        return json.dumps(message, indent=2, ensure_ascii=False)
    if message is None:
        return "Nobody has to act."
    return f"To: {message['to']}\nSubject: {message['subject']}\n\n{message['body']}"
