"""Statements that the ORM compiles once in a process, for what PhonePe and customers wait for.

To write a SELECT over five tables takes the ORM longer than PostgreSQL takes to answer it: 28 % of a webhook's time.
The query set stays the only description of the rows; its SQL is kept with the places of its parameters. A test compares
each of them with the query set that it was compiled from, on both databases.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Generic, ParamSpec, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model, QuerySet
from django.db.models import query as orm

from core.databases import Query, Write, read_together

P = ParamSpec("P")
Row = TypeVar("Row", bound=Model)

# By the type of a parameter: a value that no query has by chance, for the first, second … of its parameters.
MARKERS: dict[type, Callable[[int], Any]] = {
    int: lambda number: 4_611_686_018_427_000_000 + number,
    str: lambda number: f"parameter {number} of a compiled statement",
    datetime: lambda number: datetime(9_001 + number, 1, 1, tzinfo=UTC),
    UUID: lambda number: UUID(int=2**127 + number),
}


class NotCompilable(TypeError):
    """A parameter is of another type than those of MARKERS, or the statement does not contain its value as it is."""


class Template:
    """The parameters of a statement, of which some are filled in for each call."""

    def __init__(
        self, parameters: list[Any], markers: dict[str, Any], may_ignore: tuple[str, ...] = ()
    ) -> None:
        names = {_adapted(marker): name for name, marker in markers.items()}
        self._fixed = parameters
        self._open = [
            (place, names[value], type(value))
            for place, value in enumerate(parameters)
            if isinstance(value, (*MARKERS,)) and value in names
        ]
        if unused := markers.keys() - {name for _, name, _ in self._open} - {*may_ignore}:
            raise NotCompilable(f"the statement has no place for {', '.join(sorted(unused))}")

    def fill(self, values: dict[str, Any]) -> list[Any]:
        filled = list(self._fixed)
        for place, name, kind in self._open:
            value = _adapted(values[name])
            filled[place] = value if isinstance(value, kind) else kind(value)
        return filled


def _adapted(value: Any) -> Any:
    """A moment or a UUID as this database wants it: SQLite takes text."""
    if isinstance(value, datetime):
        return connections[DEFAULT_DB_ALIAS].ops.adapt_datetimefield_value(value)
    if isinstance(value, UUID) and not connections[DEFAULT_DB_ALIAS].features.has_native_uuid_field:
        return value.hex
    return value


def _arguments(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """By their names, without the checks of `Signature.bind`: the types are known to mypy, and each is needed."""
    return {**dict(zip(signature.parameters, args, strict=not kwargs)), **kwargs}


def _markers(signature: inspect.Signature) -> dict[str, Any]:
    found = {}
    for number, (name, parameter) in enumerate(signature.parameters.items()):
        if parameter.annotation not in MARKERS:
            raise NotCompilable(f"{name} is a {parameter.annotation}")
        found[name] = MARKERS[parameter.annotation](number)
    return found


@dataclass(frozen=True)
class _Select(Generic[Row]):
    """What the ORM's compiler knows of a query, as its own ModelIterable uses it for each row."""

    sql: str
    template: Template
    locks: bool
    model: type[Row]
    names: list[str]  # of the attributes of `model`, in the first columns
    related: list[Any]
    annotations: dict[str, int]
    converters: dict[int, tuple[list[Callable[..., Any]], Any]]

    def build(self, row: tuple[Any, ...]) -> Row:
        if self.converters:
            row = _converted(row, self.converters)
        built = self.model.from_db(DEFAULT_DB_ALIAS, self.names, row[: len(self.names)])
        for populator in self.related:
            populator.populate(row, built)
        for name, place in self.annotations.items():
            setattr(built, name, row[place])
        return built

    def missing(self) -> Exception:
        """DoesNotExist of the model."""
        return self.model.DoesNotExist(f"no {self.model._meta.verbose_name} as it is looked for")  # type: ignore[attr-defined]


def _converted(
    row: tuple[Any, ...], converters: dict[int, tuple[list[Callable[..., Any]], Any]]
) -> tuple[Any, ...]:
    connection, values = connections[DEFAULT_DB_ALIAS], list(row)
    for place, (of_column, expression) in converters.items():
        for convert in of_column:
            values[place] = convert(values[place], expression, connection)
    return tuple(values)


_compiling: list[Callable[[], object]] = []  # of each statement whose module is loaded


def compile_all() -> None:
    """Before a server forks: else each of the first threads of a process compiles what its request needs, all at once.

    Opens no connection: what locks rows is left out, the ORM looks there whether it is in a transaction.
    """
    for compile_now in _compiling:
        compile_now()


class CompiledRead(Generic[P, Row]):
    """The rows of the query set that `build` returns. It is called once, with markers: it must not look at them."""

    def __init__(self, build: Callable[P, "QuerySet[Row]"]) -> None:
        self.build, self._signature = build, inspect.signature(build)
        self._select = cache(self._compile)
        _compiling.append(self._compile_unless_locking)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[Row]:
        rows: list[Row]
        [rows] = read_together(self.query(*args, **kwargs))
        return rows

    def query(self, *args: P.args, **kwargs: P.kwargs) -> Query[list[Row]]:
        select = self._select(connections[DEFAULT_DB_ALIAS].vendor)
        values = select.template.fill(_arguments(self._signature, args, kwargs))
        return Query(select.sql, values, lambda rows: [select.build(row) for row in rows], select.locks)

    def first(self, *args: P.args, **kwargs: P.kwargs) -> Row | None:
        return next(iter(self(*args, **kwargs)), None)

    def get(self, *args: P.args, **kwargs: P.kwargs) -> Row:
        """Raises DoesNotExist of the model."""
        row: Row
        [row] = read_together(self.one(*args, **kwargs))
        return row

    def one(self, *args: P.args, **kwargs: P.kwargs) -> Query[Row]:
        """As `query`, of a row that is there: else its answer is DoesNotExist of the model, raised."""
        select, query = self._select(connections[DEFAULT_DB_ALIAS].vendor), self.query(*args, **kwargs)

        def read(rows: list[tuple[Any, ...]]) -> Row:
            for row in query.read(rows):
                return row
            raise select.missing()

        return Query(query.sql, query.parameters, read, query.locks)

    def _compile_unless_locking(self) -> None:
        if not self.build(**_markers(self._signature)).query.select_for_update:  # type: ignore[call-arg]
            self._select(connections[DEFAULT_DB_ALIAS].vendor)

    def _compile(self, vendor: str) -> _Select[Row]:
        markers = _markers(self._signature)
        compiler: Any = self.build(**markers).query.get_compiler(DEFAULT_DB_ALIAS)  # type: ignore[call-arg]
        sql, parameters = compiler.as_sql()
        found, columns = compiler.klass_info, compiler.select
        return _Select(
            sql=sql,
            template=Template(list(parameters), markers),
            locks=compiler.query.select_for_update and compiler.connection.features.has_select_for_update,
            model=found["model"],
            names=[column[0].target.attname for column in columns[: len(found["select_fields"])]],
            related=orm.get_related_populators(found, columns, DEFAULT_DB_ALIAS),  # type: ignore[attr-defined]
            annotations=compiler.annotation_col_map or {},
            converters=compiler.get_converters([column[0] for column in columns]),
        )


class CompiledValues(Generic[P]):
    """The same for a query set of `values_list`: the values of its first row, None without one.

    `may_ignore`: parameters that not each query set has a place for.
    """

    def __init__(self, build: Callable[P, "QuerySet[Any, Any]"], may_ignore: tuple[str, ...] = ()) -> None:
        self.build, self._signature, self._may_ignore = build, inspect.signature(build), may_ignore
        self._select = cache(self._compile)
        _compiling.append(lambda: self._select(connections[DEFAULT_DB_ALIAS].vendor))

    def first(self, *args: P.args, **kwargs: P.kwargs) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None
        [row] = read_together(self.query(*args, **kwargs))
        return row

    def query(self, *args: P.args, **kwargs: P.kwargs) -> Query[tuple[Any, ...] | None]:
        every = self.every(*args, **kwargs)
        return Query(every.sql, every.parameters, lambda rows: next(iter(every.read(rows[:1])), None))

    def every(self, *args: P.args, **kwargs: P.kwargs) -> Query[list[tuple[Any, ...]]]:
        """The values of all rows."""
        sql, template, converters = self._select(connections[DEFAULT_DB_ALIAS].vendor)
        values = template.fill(_arguments(self._signature, args, kwargs))
        return Query(sql, values, lambda rows: [_converted(row, converters) for row in rows])

    def _compile(self, vendor: str) -> tuple[str, Template, dict[int, Any]]:
        markers = _markers(self._signature)
        compiler: Any = self.build(**markers).query.get_compiler(DEFAULT_DB_ALIAS)  # type: ignore[call-arg]
        sql, parameters = compiler.as_sql()
        converters = compiler.get_converters([column[0] for column in compiler.select])
        return sql, Template(list(parameters), markers, self._may_ignore), converters


class CompiledWrite(Generic[P]):
    """The Write that `build` returns. It is called once, with markers: it must not look at its arguments."""

    def __init__(self, build: Callable[P, Write]) -> None:
        self.build, self._signature = build, inspect.signature(build)
        self._write = cache(self._compile)
        _compiling.append(lambda: self._write(connections[DEFAULT_DB_ALIAS].vendor))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Write:
        sql, template = self._write(connections[DEFAULT_DB_ALIAS].vendor)
        return Write(sql, template.fill(_arguments(self._signature, args, kwargs)))

    def _compile(self, vendor: str) -> tuple[str, Template]:
        markers = _markers(self._signature)
        write = self.build(**markers)  # type: ignore[call-arg]
        return write.sql, Template(write.parameters, markers)
