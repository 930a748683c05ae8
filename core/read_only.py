"""Rows that the admin shows and no form changes."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse

from core.money import in_rupees
from core.printable import printable

PAISE = "_paise"


class ReadOnly:
    """Rows that money hangs on: moved by services only, looked at here. Staff decide by actions.

    An action with `permissions=["decide"]` needs the right to change such rows, though no form changes them.
    """

    opts: Any
    model: type[Model]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [_column(self.model, name) for name in super().get_list_display(request)]  # type: ignore[misc]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Amounts as people read them: no form changes these rows."""
        return [
            (title, {**options, "fields": [_column(self.model, name) for name in options["fields"]]})
            for title, options in super().get_fieldsets(request, obj)  # type: ignore[misc]
        ]

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Of rows below another one."""
        return super().get_formset(request, obj, fields=(), **kwargs)  # type: ignore[misc]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return show_printable(super().changeform_view(request, *args, **kwargs))  # type: ignore[misc]

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return show_printable(super().changelist_view(request, *args, **kwargs))  # type: ignore[misc]


def _column(model: type[Model], name: Any) -> Any:
    if isinstance(name, (list, tuple)):  # columns of one line
        return tuple(_column(model, each) for each in name)
    return _amount(model, name) if isinstance(name, str) and name.endswith(PAISE) else name


@cache
def _amount(model: type[Model], name: str) -> Callable[[Any], str | None]:
    """The column in rupees. It keeps the name, which leads to what is written below it."""

    @admin.display(description=model._meta.get_field(name).verbose_name, ordering=name)  # type: ignore[union-attr]
    def amount(row: Any) -> str | None:
        value = getattr(row, name)
        return None if value is None else in_rupees(value)

    amount.__name__ = name
    return amount


def show_printable(page: HttpResponse) -> HttpResponse:
    """These rows hold what PhonePe and others sent: marks that turn the direction of writing are shown as text."""

    def escape(rendered: HttpResponse) -> None:
        rendered.content = printable(rendered.content.decode(), keep="\n\r\t").encode()

    if isinstance(page, SimpleTemplateResponse):
        page.add_post_render_callback(escape)
    return page
