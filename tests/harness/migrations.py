"""The migrations that others replace: `python -m tests.harness.migrations` runs each of them in DATABASE_URL.

Django leaves them out where all or none of those that one replaces have run: an older database cannot be made that way.
"""

import django
from django.core.management import call_command
from django.core.management.commands import migrate
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader


class UnsquashedLoader(MigrationLoader):
    """As if there were no squashed migrations."""

    def load_disk(self) -> None:
        super().load_disk()
        squashed = {key: self.disk_migrations.pop(key) for key in [*self.disk_migrations] if is_squashed(key)}
        for migration in self.disk_migrations.values():
            migration.dependencies = [
                squashed[key].replaces[-1] if key in squashed else key for key in migration.dependencies
            ]


class UnsquashedExecutor(MigrationExecutor):
    def __init__(self, connection: BaseDatabaseWrapper, progress_callback=None) -> None:
        super().__init__(connection, progress_callback)
        self.loader = UnsquashedLoader(connection)

    def check_replacements(self) -> None:
        """Called last, in both directions. What is recorded of the squashed ones becomes right again."""
        super().check_replacements()
        executor = MigrationExecutor(self.connection)
        executor.check_replacements()
        for key in self.recorder.applied_migrations().keys() - executor.loader.applied_migrations.keys():
            self.recorder.record_unapplied(*key)


def is_squashed(key: tuple[str, str]) -> bool:
    return "_squashed_" in key[1]


if __name__ == "__main__":
    django.setup()
    migrate.MigrationExecutor = UnsquashedExecutor
    call_command("migrate", verbosity=0)
