from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from core.printable import PrintableCommand
from worker.backups import BackupFailed, delete_old, make_backup


class Command(PrintableCommand):
    help = (
        "Writes database and private files into one encrypted file, reads it again to its end, and deletes backups"
        " that are older than BACKUP_KEEP_DAYS. The installation goes on meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", default="", metavar="FOLDER", help="instead of BACKUP_DIR")

    def handle(self, *args: Any, to: str, **options: Any) -> None:
        folder = Path(to or settings.BACKUP_DIR)
        try:
            file, manifest = make_backup(folder, settings.BACKUP_KEY)
        except BackupFailed as error:
            raise CommandError(str(error)) from error
        counts = ", ".join(f"{name} {number}" for name, number in manifest.facts.items())
        self.stdout.write(f"{file}: {file.stat().st_size} bytes, private files {manifest.files}, {counts}")
        for old in delete_old(folder, settings.BACKUP_KEEP_DAYS):
            self.stdout.write(f"deleted {old}")
