"""Columns that refuse or clean what must never reach a browser, and conditions that the database can check."""

import html
from datetime import datetime, time
from datetime import timezone as zones
from typing import Any
from urllib.parse import urlsplit

import nh3
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Combinable
from django.db.models.sql.compiler import SQLCompiler

from core.texts import one_line

# The frontend's image component throws the whole page away for any other host.
IMAGE_HOSTS = ("ik.imagekit.io", "example.com", "randomuser.me", "okpuja.com", "api.okpuja.com")
# In every time zone inside the years that Python and PostgreSQL both know.
FIRST_MOMENT = datetime(2000, 1, 1, tzinfo=zones.utc)
LAST_MOMENT = datetime(9999, 12, 30, tzinfo=zones.utc)
SENSIBLE_MOMENT = (
    MinValueValidator(FIRST_MOMENT, "Give a date after the year 2000."),
    MaxValueValidator(LAST_MOMENT, "Give a date before the year 9999, or none."),
)


def text_of(markup: str) -> str:
    """What HTML says, on one line, for mails and lists."""
    return " ".join(html.unescape(nh3.clean(markup.replace("<", " <"), tags=set())).split())


def require_image_host(url: str) -> None:
    try:
        host = urlsplit(url).hostname
    except ValueError:  # no address at all, which the other validator says
        host = None
    if host not in IMAGE_HOSTS:
        raise ValidationError(f"Images must lie on one of: {', '.join(IMAGE_HOSTS)}.")


def require_whole_minute(moment: datetime | time) -> None:
    """Carts know hours and minutes: what starts between two minutes cannot be chosen."""
    if moment.second or moment.microsecond:
        raise ValidationError("It starts on a whole minute, for example 10:30.")


def require_letter_or_digit(text: str) -> None:
    if not any(map(str.isalnum, text)):
        raise ValidationError("Give at least one letter or digit.")


def require_visible_text(text: str) -> None:
    """Judged as a visitor sees it: without the tags that are taken out."""
    if "<img" in nh3.clean(text):
        return
    require_letter_or_digit(text_of(text))


class ImageAddressField(models.CharField):
    default_validators = [URLValidator(schemes=["https"]), require_image_host]


class HtmlField(models.TextField):
    """Cleaned on every way into the database: the frontend shows it as it is, beside the visitor's tokens."""

    default_validators = [require_visible_text]

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return nh3.clean(value) if isinstance(value, str) else value


class LineField(models.CharField):
    """One line that can be read: white space is one blank, invisible characters are left out on every way in."""

    default_validators = [require_letter_or_digit]

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return one_line(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return value if isinstance(value, Combinable) else super().get_prep_value(value)


class WithoutSeconds(models.Field):
    """Kept to the minute on every way into the database; a form that is given seconds says so."""

    default_validators = [require_whole_minute]

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        moment = _minute_of(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, moment)
        return moment

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Of writes alone: a comparison with this moment must not become one with its minute."""
        return super().get_db_prep_save(_minute_of(value), connection)


class MinuteField(WithoutSeconds, models.DateTimeField):
    pass


class MinuteOfDayField(WithoutSeconds, models.TimeField):
    pass


class PositionInput(forms.IntegerField):
    """Left empty, it is 0."""

    def clean(self, value: Any) -> int:
        return super().clean(value) or 0


class PositionField(models.PositiveSmallIntegerField):
    """Where a row is shown to customers: the temple's own order, in which most rows have no place of their own."""

    default_validators = [
        MaxValueValidator(32_767)
    ]  # of a small integer in PostgreSQL; SQLite would take more

    def formfield(self, **kwargs: Any) -> Any:  # type: ignore[override]
        return super().formfield(**{"form_class": PositionInput, "required": False, **kwargs})


class StartsOnTheMinute(models.Func):
    """For constraints: whether a moment has neither seconds nor parts of them. Built of SQL alone."""

    output_field = models.BooleanField()
    arity = 1

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        template = "date_trunc('minute', %(expressions)s) = %(expressions)s"
        sql, params = super().as_sql(compiler, connection, template=template, **context)
        return sql, [*params, *params]

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        """Kept as text: 2026-11-26 10:30:00, longer with microseconds."""
        return super().as_sql(compiler, connection, template="substr(%(expressions)s, 18) = '00'", **context)


def _minute_of(value: Any) -> Any:
    return value.replace(second=0, microsecond=0) if isinstance(value, (datetime, time)) else value
