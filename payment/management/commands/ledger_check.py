import json
import sys
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import Unavailable
from core.money import rupees
from payment.reconciliation.invariants import find_violations, totals
from payment.reconciliation.simulator_account import Difference, compare_account


class Command(BaseCommand):
    help = (
        "Proves that the ledger agrees with orders, refunds, disputes and bookings, and in simulation with the"
        " simulated PhonePe's own account. Ends with 0 only when it does."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for machines, amounts in paise")

    def handle(self, *args: Any, **options: Any) -> None:
        broken, account = find_violations(), _account()
        answer = {
            "balances": not broken and not account,
            "broken": [asdict(each) for each in broken],
            "account": None if account is None else [asdict(each) for each in account],
            "real": totals(simulated=False),
            "simulated": totals(simulated=True),
        }
        told = json.dumps(answer, indent=2, ensure_ascii=False) if options["json"] else _text(answer)
        self.stdout.write(told)
        if not answer["balances"]:
            sys.exit(1)


def _account() -> list[Difference] | None:
    """None where there is no simulated PhonePe to ask."""
    if not settings.PHONEPE_SIMULATION_MODE:
        return None
    try:
        return compare_account()
    except Unavailable as error:
        raise CommandError(str(error.detail)) from error


def _text(answer: dict[str, Any]) -> str:
    lines = []
    for each in answer["broken"]:
        lines += [f"BROKEN: {each['law']} ({each['count']} rows)", *(f"    {row}" for row in each["rows"])]
    for each in answer["account"] or []:
        ours, theirs = rupees(each["ours_paise"]), rupees(each["theirs_paise"])
        lines.append(f"BROKEN: {each['what']} by {each['merchant']}: ours {ours}, PhonePe's account {theirs}")
    lines += [f"{name} money: {_sums(answer[name])}" for name in ("real", "simulated")]
    return "\n".join(
        [*lines, "The ledger balances." if answer["balances"] else "The ledger does not balance."]
    )


def _sums(totals: dict[str, int]) -> str:
    return ", ".join(f"{name.removesuffix('_paise')} {rupees(paise)}" for name, paise in totals.items())
