from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.errors import Refusal
from core.printable import PrintableCommand
from payment.services.personal_data import erase_person


class Command(PrintableCommand):
    help = (
        "Erases a person: name, mail address, phone, addresses, PAN, pictures and messages. Payments, receipts and"
        " refunds stay, of nobody. It cannot be undone; backups keep the data until they end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("mail", help="the address of the account, or of a guest")
        parser.add_argument("--yes", action="store_true", help="do it; without this nothing is changed")

    def handle(self, *args: Any, mail: str, yes: bool, **options: Any) -> None:
        if not yes:
            raise CommandError("Nothing was changed. Export it first (export_person); then give --yes.")
        try:
            changed = erase_person(mail)
        except Refusal as refusal:
            raise CommandError(f"{refusal.detail} Nothing was changed.") from refusal
        if not changed:
            raise CommandError("Nothing is stored under this address.")
        for table, rows in changed.items():
            self.stdout.write(f"{table}: {rows}")
