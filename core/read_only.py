"""Rows that the admin shows and no form changes."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse

from core.printable import printable


class ReadOnly:
    """Rows that money hangs on: moved by services only, looked at here. Staff decide by actions.

    An action with `permissions=["decide"]` needs the right to change such rows, though no form changes them.
    """

    opts: Any

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


def show_printable(page: HttpResponse) -> HttpResponse:
    """These rows hold what PhonePe and others sent: marks that turn the direction of writing are shown as text."""

    def escape(rendered: HttpResponse) -> None:
        rendered.content = printable(rendered.content.decode(), keep="\n\r\t").encode()

    if isinstance(page, SimpleTemplateResponse):
        page.add_post_render_callback(escape)
    return page
