"""REST framework's serializers, which drop no field of a change: what is not read is refused.

Import this module in place of `rest_framework.serializers`; tests/unit/core/test_serializers.py sees to it. A client
that changes a field believes that it is saved. With 200 and the field dropped it would tell its user something untrue.
What makes a new row, or asks for something to be done, may have more fields: old clients send some.
"""

import copy
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar, NoReturn, TypeVar

from django.db import models
from django.db.models import Model
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.serializers import (
    BaseSerializer,
    BooleanField,
    CharField,
    DateField,
    DecimalField,
    DictField,
    EmailField,
    Field,
    FileField,
    FloatField,
    ImageField,
    IntegerField,
    JSONField,
    ListField,
    RegexField,
    SerializerMethodField,
    TimeField,
    URLField,
    UUIDField,
    ValidationError,
)

from core.printable import printable

__all__ = [
    "BaseSerializer",
    "BooleanField",
    "CharField",
    "ChoiceField",
    "DateField",
    "DateTimeField",
    "DecimalField",
    "DictField",
    "EmailField",
    "Field",
    "FileField",
    "FloatField",
    "ImageField",
    "IntegerField",
    "JSONField",
    "ListField",
    "ModelSerializer",
    "RegexField",
    "Serializer",
    "SerializerMethodField",
    "TimeField",
    "URLField",
    "UUIDField",
    "ValidationError",
]

T = TypeVar("T")
M = TypeVar("M", bound=Model)
UNKNOWN = _("This field is not known here.")
FIXED = _("This field cannot be changed.")
MOST_NAMES, LONGEST_NAME = 20, 64  # of what is refused: an answer is not as long as any request


class ChoiceField(serializers.ChoiceField):
    """Quotes what it refuses so that it can be stored with the answer: PostgreSQL keeps no NUL."""

    def fail(self, key: str, **values: Any) -> NoReturn:
        super().fail(key, **{name: printable(str(value))[:LONGEST_NAME] for name, value in values.items()})


class DateTimeField(serializers.DateTimeField):
    """Refuses what lies outside of the calendar in UTC, such as the first hour of the year 1 in India: the one of
    REST framework ends with an OverflowError."""

    def enforce_timezone(self, value: datetime) -> datetime:
        try:
            return super().enforce_timezone(value)
        except OverflowError:
            self.fail("overflow")


# A docstring here would stand in the OpenAPI document, at each serializer that has none.
class Serializer(serializers.Serializer[T]):
    # A read-only field may come back as it was sent: clients change one field of an object and return the whole.

    # Read-only fields whose value may be old when it comes back, such as a signed link.
    changing_by_itself: frozenset[str] = frozenset({"updated_at"})

    def to_internal_value(self, data: Any) -> Any:
        """Raises ValidationError on each field that is wrong, and of a change also on what is unknown or fixed."""
        request = self.context.get("request")
        is_change = (
            self.instance is not None or self.partial or (request and request.method in ("PUT", "PATCH"))
        )
        unread = self._find_unread(data) if is_change and isinstance(data, Mapping) else {}
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            raise ValidationError({**error.detail, **unread}) from error  # type: ignore[dict-item]
        if unread:
            raise ValidationError(unread)
        return values

    def _find_unread(self, data: Mapping[str, Any]) -> dict[str, Any]:
        fields = self.fields
        unknown = (name for name in data if name not in fields)
        fixed = [name for name in data if name in fields and fields[name].read_only]
        if fixed and self.instance is not None:
            current = self.to_representation(self.instance)
            fixed = [
                name for name in fixed if name not in self.changing_by_itself and current[name] != data[name]
            ]
        named = {printable(name)[:LONGEST_NAME]: [UNKNOWN] for name in islice(unknown, MOST_NAMES)}
        return named | {name: [FIXED] for name in fixed}


class ModelSerializer(Serializer[M], serializers.ModelSerializer[M]):
    serializer_choice_field = ChoiceField
    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {
        models.DateTimeField: DateTimeField
    }
    _compiled: ClassVar[dict[str, Field[Any, Any, Any, Any]]]

    def get_fields(self) -> dict[str, Field[Any, Any, Any, Any]]:
        """Built from the model once for each class, and copied: REST framework builds them for each serializer."""
        own = type(self)
        if "_compiled" not in own.__dict__:
            own._compiled = super().get_fields()
        return copy.deepcopy(own._compiled)
