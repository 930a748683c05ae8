"""`python -m tests.integration.upgrade.loading`: rebuilds in DATABASE_URL, an empty database, an older release's rows.

`previous_landing.json.gz` holds its migrations and its rows as they stood on SQLite after payments of every kind. Some
rows are odd on purpose, as people and old faults leave them: phones in several spellings, a slot with seconds, an
order that nobody asks about any more, two payments without a receipt. Moments are moved by whole days, so that all of
it happened within the last 24 hours.
"""

import gzip
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import django
from django.core.management.color import no_style
from django.db import connection, models, transaction

from tests.harness.migrations import UnsquashedExecutor

RENAMED = {"notices": "notifications"}  # apps
FILE = Path(__file__).with_name("previous_landing.json.gz")


def recorded() -> dict[str, Any]:
    """`made_at`, `migrations` (the last of each app) and `tables`, each with `columns` and `rows`."""
    return json.loads(gzip.decompress(FILE.read_bytes()))


def load() -> None:
    landing = recorded()
    targets = [(RENAMED.get(app, app), name) for app, name in landing["migrations"].items()]
    executor = UnsquashedExecutor(connection)
    executor.migrate(targets)
    with connection.cursor() as cursor:
        for before, now in RENAMED.items():  # a database of that time knows only the old name
            cursor.execute("UPDATE django_migrations SET app = %s WHERE app = %s", [before, now])
    state = UnsquashedExecutor(connection).loader.project_state(targets)
    by_table = {model._meta.db_table: model for model in state.apps.get_models()}
    age = datetime.now(timezone.utc) - datetime.fromisoformat(landing["made_at"].replace("Z", "+00:00"))
    days = timedelta(days=age.days)
    filled = [by_table[name] for name in landing["tables"]]
    with transaction.atomic():  # foreign keys are looked at when it ends
        for name, table in landing["tables"].items():
            by_table[name]._base_manager.all().delete()  # what migrations have put there is in the file, too
            _insert(by_table[name], table["columns"], table["rows"], days)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), filled):
            cursor.execute(statement)


def _insert(model: type[models.Model], columns: list[str], rows: list[list[Any]], days: timedelta) -> None:
    fields = {field.column: field for field in model._meta.concrete_fields}
    for field in fields.values():
        field.auto_now = field.auto_now_add = False  # else the moment of loading is written instead
    model._base_manager.bulk_create(
        model(
            **{fields[c].attname: _value(fields[c], raw, days) for c, raw in zip(columns, row, strict=True)}
        )
        for row in rows
    )


def _value(field: models.Field, raw: Any, days: timedelta) -> Any:
    if raw is None:
        return None
    if isinstance(field, models.BinaryField):
        return bytes.fromhex(raw["hex"])
    if isinstance(field, models.DurationField):
        return timedelta(microseconds=raw)
    if isinstance(field, models.JSONField):
        return json.loads(raw)
    if isinstance(field, models.DateTimeField):
        return datetime.fromisoformat(raw).replace(tzinfo=timezone.utc) + days
    if isinstance(field, models.DateField):
        return field.to_python(raw) + days
    return field.to_python(raw)


if __name__ == "__main__":
    django.setup()
    load()
