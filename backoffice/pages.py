"""What every page of the desk is made of: its rights, and unfold's frame around it.

A further page: a view with `desk_page` in backoffice/views, its path in backoffice/urls.py, its entry in
backoffice/navigation.py, its template with the block `desk`. The matrix of rights in the tests finds it by itself.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException

from accounts.models import User
from backoffice import rights
from core.errors import translated
from core.language import ENGLISH, Text

View = Callable[..., HttpResponse]


def desk_page(*needed: str) -> Callable[[View], View]:
    """A page for staff who hold all of these rights: without a login the login of the admin, without a right 403."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if may(request, *needed):
                return view(request, *args, **kwargs)
            return show(request, "backoffice/forbidden.html", _("Not for your role"), status=403)

        page = wraps(view)(admin.site.admin_view(guarded))
        page.rights = needed  # type: ignore[attr-defined]  # the matrix of the tests asks for them
        return page

    return decorate


def may(request: HttpRequest, *needed: str) -> bool:
    """For buttons as for pages: whether the person who is logged in holds all of these rights."""
    return all(cast(User, request.user).holds(right) for right in needed)


def sees_rows(request: HttpRequest) -> bool:
    """Whether there is anything to search for, or to list. A priest sees their own day alone."""
    user = cast(User, request.user)
    return user.holds_everything or bool(user.get_all_permissions() - {rights.OWN_DAY})


def row_id(text: str) -> int:
    """0, which no row has, for what is no id."""
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def sentence_of(refusal: APIException) -> str:
    """Why something was refused, in the language of the desk."""
    return translated(refusal, get_language() or ENGLISH)


def ask_first(request: HttpRequest, button: Text, consequence: Text, back: str) -> HttpResponse | None:
    """The page that stands between a button which takes something away and what it does.

    None: they have read what will happen and pressed the button once more (`sure`). A form that people fill in
    before they send it, and a page that shows its plan, ask by themselves.
    """
    if "sure" in request.POST:
        return None
    names = [name for name in request.POST if name != "csrfmiddlewaretoken"]
    return show(
        request,
        "backoffice/ask.html",
        f"{button}?",
        button=button,
        consequence=consequence,
        back=back,
        fields=[(name, value) for name in names for value in request.POST.getlist(name)],
    )


def show(
    request: HttpRequest, template: str, title: Text, *, status: int = 200, **context: Any
) -> TemplateResponse:
    """The template, which extends backoffice/page.html, with sidebar, theme and messages around it.

    `trail` of the context: pairs of title and address above this page.
    """
    request.current_app = admin.site.name
    frame = {**admin.site.each_context(request), "may_search": sees_rows(request)}
    return TemplateResponse(request, template, {**frame, "title": title, **context}, status=status)
