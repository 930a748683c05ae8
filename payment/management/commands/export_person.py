import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.printable import PrintableCommand
from payment.services.personal_data import export_person


class Command(PrintableCommand):
    help = "Prints everything that is stored about a person, as JSON. Give it to nobody but them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("mail", help="the address of the account, or of a guest")

    def handle(self, *args: Any, mail: str, **options: Any) -> None:
        data = export_person(mail)
        if not any(data.values()):
            raise CommandError("Nothing is stored under this address.")
        self.stdout.write(json.dumps(data, indent=2, ensure_ascii=False))
