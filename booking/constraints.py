"""A constraint that both databases keep: spans of time of one row's owner never overlap."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.ddl_references import Statement, Table

TRIGGER = (
    "CREATE TRIGGER %(trigger)s BEFORE %(event)s ON %(table)s WHEN NEW.%(ended)s IS NULL "
    "BEGIN SELECT RAISE(ABORT, 'EXCLUDE constraint failed: %(name)s') WHERE EXISTS ("
    "SELECT 1 FROM %(table)s AS other WHERE other.%(owner)s = NEW.%(owner)s AND other.%(ended)s IS NULL "
    "AND other.id IS NOT NEW.id AND other.%(begins)s < NEW.%(ends)s AND NEW.%(begins)s < other.%(ends)s); END"
)


class NoOverlap(models.BaseConstraint):
    """Of rows whose `ended` is empty, no two of one `owner` overlap in [begins, ends).

    On PostgreSQL an exclusion constraint; both columns are ranges, so that it needs no extension. SQLite has one
    writer at a time: there two triggers look before each write. They are made again whenever Django makes the
    table again.
    """

    def __init__(self, *, name: str, owner: str, begins: str, ends: str, ended: str, **more: Any) -> None:
        super().__init__(name=name, **more)
        self.owner, self.begins, self.ends, self.ended = owner, begins, ends, ended

    def constraint_sql(self, model: Any, schema_editor: Any) -> Any:
        columns = self._columns(model, schema_editor)
        if schema_editor.connection.vendor == "postgresql":
            return (
                "CONSTRAINT {name} EXCLUDE USING gist (int8range({owner}, {owner}, '[]') WITH &&, "
                "tstzrange({begins}, {ends}) WITH &&) WHERE ({ended} IS NULL)"
            ).format(**columns)
        table = Table(model._meta.db_table, schema_editor.quote_name)
        for event in ("INSERT", "UPDATE"):
            trigger = schema_editor.quote_name(f"{self.name}_{event.lower()}")
            parts = {**columns, "name": self.name, "table": table, "trigger": trigger, "event": event}
            schema_editor.deferred_sql.append(Statement(TRIGGER, **parts))
        return None

    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        """Of a table that is there; SQLite makes the table again instead."""
        table = schema_editor.quote_name(model._meta.db_table)
        return f"ALTER TABLE {table} ADD {self.constraint_sql(model, schema_editor)}"

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        table = schema_editor.quote_name(model._meta.db_table)
        return f"ALTER TABLE {table} DROP CONSTRAINT {schema_editor.quote_name(self.name)}"

    def validate(self, model: Any, instance: Any, exclude: Any = None, using: str = "default") -> None:
        values = {name: getattr(instance, name) for name in (self.owner, self.begins, self.ends, self.ended)}
        if values[self.ended] is not None:
            return
        others = model._default_manager.using(using).exclude(pk=instance.pk)
        span = {f"{self.begins}__lt": values[self.ends], f"{self.ends}__gt": values[self.begins]}
        if others.filter(**{self.owner: values[self.owner], self.ended: None}, **span).exists():
            raise ValidationError(self.get_violation_error_message(), code=self.violation_error_code)

    def deconstruct(self) -> Any:
        path, arguments, named = super().deconstruct()
        columns = {"owner": self.owner, "begins": self.begins, "ends": self.ends, "ended": self.ended}
        return path, arguments, named | columns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoOverlap) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash((self.name, self.owner, self.begins, self.ends, self.ended))

    def _columns(self, model: Any, schema_editor: Any) -> dict[str, str]:
        named = {"owner": self.owner, "begins": self.begins, "ends": self.ends, "ended": self.ended}
        columns = {
            part: schema_editor.quote_name(model._meta.get_field(name).column) for part, name in named.items()
        }
        return {"name": schema_editor.quote_name(self.name), **columns}
