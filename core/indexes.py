"""Indexes on tables that may be large: made and dropped while payments go on. For migrations with `atomic = False`."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import ProgrammingError, migrations, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import StateApps
from django.db.utils import NotSupportedError, OperationalError

logger = logging.getLogger(__name__)

# What a server says that does not have the extension, or does not let us install it.
NO_EXTENSION = (ProgrammingError, NotSupportedError, OperationalError)
Step = Callable[[StateApps, BaseDatabaseSchemaEditor], None]


class AddIndexOnline(migrations.AddIndex):
    """On PostgreSQL CONCURRENTLY: writers do not wait. One that was interrupted is removed, and made again.

    A migration that is not atomic begins with its first index when it runs again: those that are there stay.
    """

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if _is_valid(schema_editor, self.index.name):
            return
        with _without_timeouts(schema_editor):
            _drop(schema_editor, self.index.name)
            options = {"concurrently": True} if _is_postgresql(schema_editor) else {}
            schema_editor.add_index(model, self.index, **options)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            with _without_timeouts(schema_editor):
                _drop(schema_editor, self.index.name)


class BeginningsIndex(models.Index):
    """Over one expression, for those who search by its beginning: `backoffice.search.begins_with`."""

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **options: Any) -> Any:
        statement: Any = super().create_sql(model, schema_editor, using, **options)
        if _is_postgresql(schema_editor):  # whose other indexes are in the order of a language
            statement.parts["columns"] = f"{statement.parts['columns']} text_pattern_ops"
        return statement


def create_on_postgresql(*indexes: tuple[str, str], extension: str = "") -> Operation:
    """`indexes`: names, and the statements behind "ON". With an `extension` that cannot be installed, none is made.

    In an atomic migration, one that has just made the tables, nobody waits for them, and nothing is done CONCURRENTLY.
    """

    def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if extension and not _install(schema_editor, extension):
            return
        for name, statement in indexes:
            if _is_valid(schema_editor, name):
                continue
            _drop(schema_editor, name)
            schema_editor.execute(f"CREATE INDEX {_concurrently(schema_editor)} {name} ON {statement}", None)

    def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        for name, _ in indexes:
            _drop(schema_editor, name)

    return migrations.RunPython(_on_postgresql(create), _on_postgresql(drop))


def drop_pattern_indexes(app: str, *columns: str) -> Operation:
    """Django makes a second index for LIKE on each unique or indexed text ("model.column"): where nobody uses it."""

    def fields(apps: StateApps) -> Iterator[tuple[Any, Any]]:
        for each in columns:
            model = apps.get_model(app, each.partition(".")[0])
            yield model, model._meta.get_field(each.partition(".")[2])

    def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        while schema_editor.deferred_sql:  # the indexes of tables that the same migration has made
            schema_editor.execute(schema_editor.deferred_sql.pop(0), None)
        for model, field in fields(apps):
            with schema_editor.connection.cursor() as cursor:
                constraints = schema_editor.connection.introspection.get_constraints(
                    cursor, model._meta.db_table
                )
            for name, about in constraints.items():
                if name.endswith("_like") and about["columns"] == [field.column]:
                    _drop(schema_editor, name)

    def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        for model, field in fields(apps):
            columns = (model._meta.db_table, [field.column])
            _drop(schema_editor, schema_editor._create_index_name(*columns, suffix="_like"))  # type: ignore[attr-defined]
            schema_editor.execute(schema_editor._create_like_index_sql(model, field))  # type: ignore[attr-defined]

    return migrations.RunPython(_on_postgresql(drop), _on_postgresql(create))


def _on_postgresql(step: Step) -> Step:
    def run(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if _is_postgresql(schema_editor):
            with _without_timeouts(schema_editor):
                step(apps, schema_editor)

    return run


def _install(schema_editor: BaseDatabaseSchemaEditor, extension: str) -> bool:
    """The owner of a database may install a trusted extension, if the server has it."""
    try:
        with transaction.atomic(schema_editor.connection.alias):  # refused, it ends no transaction around it
            schema_editor.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    except NO_EXTENSION as error:
        cause = str(error).partition("\n")[0]
        logger.warning("no extension %s, so searching by parts looks at new rows only: %s", extension, cause)
        return False
    return True


def _drop(schema_editor: BaseDatabaseSchemaEditor, name: str) -> None:
    schema_editor.execute(
        f"DROP INDEX {_concurrently(schema_editor)} IF EXISTS {schema_editor.quote_name(name)}"
    )


def _concurrently(schema_editor: BaseDatabaseSchemaEditor) -> str:
    is_waited_for = _is_postgresql(schema_editor) and not schema_editor.connection.in_atomic_block
    return "CONCURRENTLY" if is_waited_for else ""


def _is_valid(schema_editor: BaseDatabaseSchemaEditor, name: str) -> bool:
    """PostgreSQL keeps one that was interrupted, as invalid; elsewhere it is made again. `sqlmigrate` asks nobody."""
    if schema_editor.collect_sql or not _is_postgresql(schema_editor):
        return False
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
        return cursor.fetchone() == (True,)


def _is_postgresql(schema_editor: BaseDatabaseSchemaEditor) -> bool:
    return schema_editor.connection.vendor == "postgresql"


@contextmanager
def _without_timeouts(schema_editor: BaseDatabaseSchemaEditor) -> Iterator[None]:
    """Those of our connections are for requests; a million rows take longer, and nobody waits for these locks."""
    if not _is_postgresql(schema_editor):
        yield
        return
    names = ("statement_timeout", "lock_timeout")
    for name in names:
        schema_editor.execute(f"SET {name} = 0")
    try:
        yield
    finally:
        for name in names:
            schema_editor.execute(f"RESET {name}")
