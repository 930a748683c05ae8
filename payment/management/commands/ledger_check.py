import json
import sys
from dataclasses import asdict
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from core.databases import patient_statements
from core.errors import Unavailable
from core.money import rupees
from core.printable import PrintableCommand, printable_values
from payment.reconciliation.days import span
from payment.reconciliation.invariants import find_violations, totals
from payment.reconciliation.simulator_account import compare_account


class Command(PrintableCommand):
    help = (
        "Checks that the ledger agrees with orders, refunds, disputes and bookings, and in simulation with the"
        " simulated PhonePe's own account. The exit status is 0 only if it does."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since",
            type=date.fromisoformat,
            metavar="YYYY-MM-DD",
            help="only payments whose money has moved, or could have, from that day on",
        )
        parser.add_argument("--json", action="store_true", help="for machines, amounts in paise")

    def handle(self, *args: Any, **options: Any) -> None:
        since = span(options["since"])[0] if options["since"] else None
        with patient_statements():
            violations, account = find_violations(since), None
        if settings.PHONEPE_SIMULATION_MODE:
            try:
                account = compare_account()
            except Unavailable as error:
                raise CommandError(str(error.detail)) from error
        result = {
            "balances": not violations and not account,
            "broken": [asdict(each) for each in violations],
            "account": None if account is None else [asdict(each) for each in account],
            "real": totals(simulated=False),
            "simulated": totals(simulated=True),
        }
        as_json = json.dumps(result, indent=2, ensure_ascii=False)
        self.stdout.write(as_json if options["json"] else _as_text(printable_values(result)))
        if not result["balances"]:
            sys.exit(1)


def _as_text(result: dict[str, Any]) -> str:
    lines = []
    for each in result["broken"]:
        lines += [f"BROKEN: {each['law']} ({each['count']} rows)", *(f"    {row}" for row in each["rows"])]
    for each in result["account"] or []:
        ours, theirs = rupees(each["ours_paise"]), rupees(each["theirs_paise"])
        lines.append(f"BROKEN: {each['what']} by {each['merchant']}: ours {ours}, PhonePe's account {theirs}")
    for kind in ("real", "simulated"):
        sums = (f"{name.removesuffix('_paise')} {rupees(paise)}" for name, paise in result[kind].items())
        lines.append(f"{kind} money: {', '.join(sums)}")
    lines.append("The ledger balances." if result["balances"] else "The ledger does not balance.")
    return "\n".join(lines)
