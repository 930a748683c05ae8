"""The accounts of the matrix, and what a call has written."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import (
    BinaryField,
    BooleanField,
    CharField,
    DateField,
    DateTimeField,
    DurationField,
    JSONField,
    Model,
    TextField,
    URLField,
)
from django.utils import timezone

from accounts.models import User
from tests.harness import builders
from tests.integration.access.rules import Needs

WRITE = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)
# A refused call may be counted, and a session seen.
COUNTS = re.compile(r"cache|session|throttle|counter|guard|limit|attempt_log|django_admin_log", re.IGNORECASE)


class Staff:
    """Accounts of staff by the rights that they hold; each is made once."""

    def __init__(self) -> None:
        permissions = Permission.objects.select_related("content_type")
        self._keys = {f"{each.content_type.app_label}.{each.codename}": each.pk for each in permissions}
        self._made: dict[frozenset[str], User] = {}

    def with_only(self, rights: frozenset[str]) -> User:
        if rights not in self._made:
            person = builders.make_user(is_staff=True)
            person.user_permissions.set([self._keys[each] for each in rights])
            self._made[rights] = person
        return self._made[rights]

    def with_all_but(self, rights: frozenset[str]) -> User:
        return self.with_only(frozenset(self._keys) - rights)

    def who_may(self, rule: Needs) -> list[User]:
        return [self.with_only(rights) for rights in rule.enough()]

    def who_may_not(self, rule: Needs) -> list[User]:
        return [self.with_all_but(rights) for rights in rule.not_enough()]


def make_row(model: type[Model]) -> Model:
    """The first row of a model, or one that is made up: the pages of the admin need no more than that it is there."""
    if found := model.objects.order_by("pk").first():
        return found
    values = {}
    for field in model._meta.concrete_fields:
        is_looked_at = field.name == "next_check_at"  # a constraint of open refunds
        if is_looked_at or not (
            field.null or field.has_default() or field.primary_key or getattr(field, "auto_now_add", False)
        ):
            values[field.name] = made_up(field)
    return model.objects.create(**values)


def made_up(field: Any) -> Any:
    if field.is_relation:
        return make_row(field.related_model)
    if field.choices:
        return field.choices[0][0]
    if field.name == "year":  # a constraint of papers
        return timezone.localdate().year
    kinds = {
        BooleanField: False,
        DateTimeField: timezone.now(),
        DateField: timezone.localdate(),
        BinaryField: b"{}",
        JSONField: {},
    }
    kinds |= {
        DurationField: timedelta(),
        CharField: "made-up",
        TextField: "made-up",
        URLField: "http://127.0.0.1/",
    }
    return next((value for kind, value in kinds.items() if type(field) is kind), 100)


@contextmanager
def written() -> Iterator[list[str]]:
    """The tables that are written to on this connection, other than to count the call."""
    tables: list[str] = []

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        is_login = 'SET "last_login"' in sql  # of the client of this test
        if (found := WRITE.match(sql)) and not COUNTS.search(found[1]) and not is_login:
            tables.append(found[1])
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        yield tables
