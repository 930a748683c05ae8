"""Expressions for indexes and the queries that use them: SQLite matches neither an index over a function nor a partial
one when a part of it is a parameter, so these are written out."""

from typing import Any

from django.db.models import BooleanField, CharField, Func


class LastFour(Func):
    """The last four characters."""

    template = "RIGHT(%(expressions)s, 4)"
    output_field = CharField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="SUBSTR(%(expressions)s, -4)", **context)


class IsFilled(Func):
    """For filters: the condition of an index over rows in which this text is not empty."""

    template = "NOT (%(expressions)s = '')"
    output_field = BooleanField()
    conditional = True
