import json
import sys
from typing import Any

from django.core.management.base import CommandParser

from core.printable import PrintableCommand, printable_values
from diagnostics.golive.checklist import run_checklist
from diagnostics.golive.site import Site

MARKS = {"pass": "+", "fail": "X", "not-run": "-"}


class Command(PrintableCommand):
    help = (
        "Checks what has to be true before real payments. The exit status is 0 only if nothing is left to do."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for machines")
        parser.add_argument(
            "--at", default="", metavar="URL", help="where the server listens, if not at PUBLIC_BASE_URL"
        )
        parser.add_argument("--acknowledge-backups", action="store_true", help="I have restored a backup")
        parser.add_argument(
            "--acknowledge-domain", action="store_true", help="PhonePe has registered our domain"
        )

    def handle(self, *args: Any, at: str, **options: Any) -> None:
        vouched = frozenset(name for name in ("backups", "domain") if options[f"acknowledge_{name}"])
        answer = run_checklist(Site(at, vouched))
        if options["json"]:
            self.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False))
        else:
            for line in printable_values(answer["checks"]):
                self.stdout.write(f"{MARKS[line['result']]} {line['title']}: {line['reason']}")
                if line["next_action"]:
                    self.stdout.write(f"    {line['next_action']}")
            verdict = "Ready for real money." if answer["success"] else "Not ready for real money."
            self.stdout.write(f"\n{verdict} (+ passed, X failed, - not run)")
        if not answer["success"]:
            sys.exit(1)
