"""Lists of the admin over tables that grow with the trade: a page costs the same with a thousand and a million rows.

PostgreSQL's planner is asked what a query would cost before it runs. One that would read a large table is narrowed to
the newest rows, and staff are told so; a count that would is replaced by the planner's estimate. SQLite has no such
estimate: there, queries run as they are.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, reduce
from operator import and_
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR
from django.core.exceptions import EmptyResultSet, ValidationError
from django.core.paginator import EmptyPage, Page, Paginator
from django.db import connection
from django.db.models import Field, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import smart_split, unescape_string_literal
from django.utils.translation import gettext as _
from unfold.views import ChangeList

Rows = QuerySet[Any]

# In the planner's unit. A page by an index costs about a hundred, a million rows of payments more than 30,000.
MOST_COST = 10_000
NEWEST = 50_000  # rows that are looked through when no index helps
MOST_FOUND = 500  # rows of a search
DEEPEST = 10_000  # rows that are skipped to reach a page of an estimated count, from either end
FEW = 1_000  # rows that may be skipped with all that belongs to them
MOST_SAMPLED = 2_000


@dataclass(frozen=True)
class Plan:
    rows: int
    cost: float


def plan_of(queryset: Rows) -> Plan | None:
    """What the planner expects. None where there is no such estimate."""
    if connection.vendor != "postgresql":
        return None
    try:
        queryset.query.sql_with_params()
    except EmptyResultSet:
        return Plan(0, 0)
    [explained] = json.loads(queryset.explain(format="json"))
    return Plan(explained["Plan"]["Plan Rows"], explained["Plan"]["Total Cost"])


def is_cheap(queryset: Rows) -> bool:
    plan = plan_of(queryset)
    return plan is None or plan.cost <= MOST_COST


def newest(queryset: Rows) -> Rows:
    last = queryset.model._default_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
    return queryset.filter(pk__gt=last - NEWEST)


def say_narrowed(request: HttpRequest) -> None:
    text = _("No index helps with this choice: only the newest {number} rows were looked through.")
    messages.warning(request, text.format(number=f"{NEWEST:,}"))


class LongPaginator(Paginator):
    """Counts exactly where that is cheap. A page is reached from the nearer end, by the keys of the rows before it."""

    object_list: Rows

    @cached_property
    def estimate(self) -> int | None:
        """None: the count is exact."""
        plan = plan_of(self.object_list.order_by().values("pk"))
        return None if plan is None or plan.cost <= MOST_COST else max(plan.rows, self.per_page + 1)

    @cached_property
    def count(self) -> int:
        return super().count if self.estimate is None else self.estimate

    def page(self, number: int | str) -> Page:
        """Raises EmptyPage for one that is far from both ends of a large table."""
        number = self.validate_number(number)
        before, length = (number - 1) * self.per_page, self.per_page
        if self.estimate is None:
            length = min(length, self.count - before)
            behind = self.count - before - length
        else:
            behind = (self.num_pages - number) * self.per_page
            if min(before, behind) > DEEPEST:
                raise EmptyPage("This page is far from both ends: filter, or search.")
        if before <= behind or not self.object_list.ordered:
            return Page(_slice(self.object_list, before, length), number, self)
        return Page(_slice(self.object_list.reverse(), behind, length)[::-1], number, self)


def _slice(rows: Rows, skipped: int, length: int) -> list[Any]:
    """What the skipped rows are joined with is not read: an index has their keys."""
    some = slice(skipped, skipped + length)
    if skipped <= FEW:
        return [*rows[some]]
    return [*rows.filter(pk__in=[*rows.values_list("pk", flat=True)[some]])]


class LongChangeList(ChangeList):
    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> Rows:
        rows = super().get_queryset(request, exclude_parameters)
        if is_cheap(rows[: self.list_per_page + 1]):
            return rows
        if ORDER_VAR in self.params:
            rows = rows.order_by(*self._get_deterministic_ordering(self._get_default_ordering()))
            messages.warning(request, _("Too many rows to sort them by this column: filter or search first."))
            if is_cheap(rows[: self.list_per_page + 1]):
                return rows
        say_narrowed(request)
        return newest(rows)

    def get_results(self, request: HttpRequest) -> None:
        try:
            super().get_results(request)
        except IncorrectLookupParameters:
            self.page_num = 1
            messages.warning(
                request, _("There is no such page, or it is far from both ends: filter or search.")
            )
            super().get_results(request)


class LongList:
    """For a ModelAdmin. `search_fields` are looked up one after the other, each by its index.

    Fields as Django has them: `name` finds any part, `name__startswith` the beginning, `name__exact` the whole.
    """

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator: type[Paginator] = LongPaginator

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LongChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        fields = self.get_search_fields(request)  # type: ignore[attr-defined]
        words = list(_words(search_term))
        if not fields or not words:
            return queryset, False
        search = Search(queryset, fields)
        keys = search.find(words)
        for path, condition in self.find_also(search_term):
            column = read_column(queryset.model, path)
            keys |= search.find_where(column, condition & column.is_filled)
        if not request.path.endswith("/autocomplete/"):  # which shows no messages: the next page would
            if len(keys) > MOST_FOUND:
                text = _("More than {number} rows were found: here are some. Type more of it.")
                messages.warning(request, text.format(number=MOST_FOUND))
            if search.was_narrowed:
                say_narrowed(request)
        return queryset.filter(pk__in=sorted(keys, reverse=True)[:MOST_FOUND]), False

    def find_also(self, search_term: str) -> Iterable[tuple[str, Q]]:
        """Paths of fields, each with another condition on the table that has it."""
        return ()


@dataclass(frozen=True)
class Column:
    """`relation`: the path from the list's model to the one that has it, "" for its own."""

    model: type[Model]
    relation: str
    field: "Field[Any, Any]"
    lookup: str

    @property
    def is_filled(self) -> Q:
        """So that an index without empty text can be used."""
        name = self.field.name
        return Q(**{f"{name}__isnull": False}) if self.field.null else ~Q(**{name: ""})

    def holds(self, word: str) -> Q:
        """Nothing for a word that the column cannot hold."""
        if self.lookup == "exact":
            return self.equals(word)
        name = self.field.name
        if self.lookup == "startswith":  # ids of ours are spelled in capitals, PhonePe's are as they come
            begins = Q(**{f"{name}__startswith": word}) | Q(**{f"{name}__startswith": word.upper()})
            return begins & self.is_filled
        return Q(**{f"{name}__{self.lookup}": word}) & self.is_filled

    def equals(self, word: str) -> Q:
        try:
            self.field.to_python(word)
        except ValidationError:
            return Q(pk__in=[])
        return Q(**{self.field.name: word})


def read_column(model: type[Model], path: str) -> Column:
    relation, names = [], path.split("__")
    field: Any = model._meta.get_field(names.pop(0))
    while field.is_relation:
        relation.append(field.name)
        model = field.related_model
        field = model._meta.get_field(names.pop(0))
    return Column(model, "__".join(relation), field, names[0] if names else "icontains")


class Search:
    """Keys of rows, at most MOST_FOUND + 1 of each lookup. An OR over several tables would read them whole.

    `was_narrowed`: some lookup had no index, and looked at the newest rows only.
    """

    def __init__(self, queryset: Rows, fields: Iterable[str]) -> None:
        self.was_narrowed = False
        self._rows = queryset.order_by()
        self._groups: dict[str, list[Column]] = {}
        for path in fields:
            column = read_column(queryset.model, path)
            self._groups.setdefault(column.relation, []).append(column)

    def find(self, words: list[str]) -> set[Any]:
        """Rows in which each word stands in some column."""
        together = (self._in_group(columns, words) for columns in self._groups.values())
        keys = set[Any]().union(*together)
        if len(words) == 1:
            return keys
        # Words in columns of different tables: one of the words must be rare.
        for word in words:
            some = set[Any]().union(*(self._in_group(each, [word]) for each in self._groups.values()))
            if len(some) <= MOST_FOUND:
                rows = self._rows.filter(pk__in=some)
                for other in words:
                    rows = rows.filter(self._anywhere(other))
                return keys | {*rows.values_list("pk", flat=True)}
        return keys

    def find_where(self, column: Column, condition: Q) -> set[Any]:
        """Rows whose own or related row is so."""
        if not column.relation:
            return {*self._some(self._rows.filter(condition))}
        related = column.model._default_manager.filter(condition).order_by()
        return self._of_related(column, self._some(related))

    def _some(self, rows: Rows) -> list[Any]:
        found = rows.values_list("pk", flat=True)[: MOST_FOUND + 1]
        if not is_cheap(found):
            found = newest(rows).values_list("pk", flat=True)[: MOST_FOUND + 1]
            self.was_narrowed = True
        return [*found]

    def _in_group(self, columns: list[Column], words: list[str]) -> set[Any]:
        """Every word in one of these columns, which are of one table."""
        if len(words) > 1:
            every = [_any(column.holds(word) for column in columns) for word in words]
            return self.find_where(columns[0], reduce(and_, every))
        keys = set[Any]()
        for column in columns:  # each by itself: one without an index must not keep the others from theirs
            keys |= self.find_where(column, column.holds(words[0]))
            if column.lookup != "exact":
                keys |= self._whole(column, words[0])
        return keys

    def _whole(self, column: Column, word: str) -> set[Any]:
        rows = self._rows if not column.relation else column.model._default_manager.all()
        found = rows.filter(column.equals(word)).values_list("pk", flat=True)[: MOST_FOUND + 1]
        if not is_cheap(found):
            return set()
        return self._of_related(column, [*found]) if column.relation else {*found}

    def _of_related(self, column: Column, related: list[Any]) -> set[Any]:
        rows = self._rows.filter(**{f"{column.relation}__in": related})
        return {*rows.values_list("pk", flat=True)[: MOST_FOUND + 1]}

    def _anywhere(self, word: str) -> Q:
        columns = [column for columns in self._groups.values() for column in columns]
        return _any(_moved(column.holds(word), column.relation) for column in columns)


def _any(conditions: Iterable[Q]) -> Q:
    found = Q()
    for condition in conditions:
        found |= condition
    return found


def _moved(condition: Q, relation: str) -> Q:
    """The same about the related row."""
    if not relation:
        return condition
    children: list[Any] = condition.children
    parts = [
        _moved(part, relation) if isinstance(part, Q) else (f"{relation}__{part[0]}", part[1])
        for part in children
    ]
    return Q(*parts, _connector=condition.connector, _negated=condition.negated)


def _words(search_term: str) -> Iterator[str]:
    for word in smart_split(search_term):
        is_quoted = word.startswith(('"', "'")) and word[0] == word[-1]
        yield unescape_string_literal(word) if is_quoted and len(word) > 1 else word


class SeenValuesFilter(admin.AllValuesFieldListFilter):
    """Offers what the newest rows hold. Django's own reads the whole table for its choices."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ):
        super().__init__(field, request, params, model, model_admin, field_path)
        recent = model._default_manager.order_by("-pk").values_list(field_path, flat=True)[:MOST_SAMPLED]
        self.lookup_choices = sorted({*recent}, key=lambda value: (value is None, value))  # type: ignore[assignment]


class SpanFilter(admin.DateFieldListFilter):
    """Days around today, in place of a date hierarchy, which reads the whole table for its years."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ):
        super().__init__(field, request, params, model, model_admin, field_path)
        is_date = field.get_internal_type() == "DateField"
        now = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        today: Any = now.date() if is_date else now
        month = today.replace(day=1)
        spans = (
            (_("Tomorrow"), today + timedelta(days=1), today + timedelta(days=2)),
            (_("Next 7 days"), today, today + timedelta(days=7)),
            (_("Last month"), (month - timedelta(days=1)).replace(day=1), month),
        )
        more: list[Any] = [
            (name, {self.lookup_kwarg_since: str(since), self.lookup_kwarg_until: str(until)})
            for name, since, until in spans
        ]
        self.links = (*self.links, *more)
