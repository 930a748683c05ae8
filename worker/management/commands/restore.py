from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from core.printable import PrintableCommand
from okpuja.environment import database
from worker.backups import BackupFailed, newest, restore, verify


class Command(PrintableCommand):
    help = (
        "Restores a backup into an empty database and an empty folder, and compares the sums of money with those at"
        " the backup. Stop servers and workers of that database before."
    )
    requires_system_checks = ()  # the database is empty

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", default="", help="without it: the newest one in BACKUP_DIR")
        parser.add_argument(
            "--database-url",
            default="",
            help="an empty database instead of DATABASE_URL. Everybody on this machine can read arguments: give the"
            " password in the variable PGPASSWORD",
        )
        parser.add_argument(
            "--uploads", default="", metavar="FOLDER", help="an empty folder instead of UPLOADS_DIR"
        )
        parser.add_argument("--without-uploads", action="store_true", help="the database only")
        parser.add_argument("--verify", action="store_true", help="only read the file to its end")

    def handle(self, *args: Any, file: str, **options: Any) -> None:
        try:
            backup = Path(file) if file else newest(Path(settings.BACKUP_DIR))
            if options["verify"]:
                manifest = verify(backup, settings.BACKUP_KEY)
                self.stdout.write(f"{backup} is complete: {manifest.made_at}, {manifest.facts}")
                return
            url = options["database_url"] or settings.DATABASE_URL
            uploads = None if options["without_uploads"] else Path(options["uploads"] or settings.UPLOADS_DIR)
            result = restore(backup, settings.BACKUP_KEY, database(url), uploads)
        except (BackupFailed, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        for name, (before, now) in result.differences.items():
            self.stderr.write(f"DIFFERS: {name} {before} in the backup, {now} restored")
        if result.differences:
            raise CommandError("the restored database is not the one of the backup")
        self.stdout.write(
            f"restored {backup} of {result.manifest.made_at}: {result.facts}, private files {result.manifest.files}\n"
            "Now: `manage.py migrate --check`, `manage.py ledger_check`, then start worker and servers, then"
            " `manage.py reconcile` for each day since the backup."
        )
