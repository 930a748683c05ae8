"""The language of the desk: that of the account, as in its mails. Every page below /admin/ has one reader.

Before the login the browser says it. `payment` and the API do not change their language with it (core/language.py).
"""

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language_info, override
from django.utils.translation import gettext_noop as _

from accounts.models import User
from backoffice.pages import desk_page
from core.language import language_of, supported_language

# What unfold writes around our pages: it has no Hindi of its own.
OF_UNFOLD = (
    _("Search apps and models..."),
    _("Type to search"),
    _("No results found"),
    _("No results matching your query"),
    _("Loading more results..."),
    _("Recent searches"),
    _("No recent searches"),
    _("Filters"),
    _("Apply Filters"),
    _("Reset filters"),
    _("Clear all filters"),
    _("Select all rows"),
    _("Show counts"),
    _("Hide counts"),
    _("Light"),
    _("Dark"),
    _("System"),
    _("Return to site"),
    _("Go back"),
    _("View site"),
    _("View"),
    _("Select %s to view"),
    _("View %s"),
    _("Select action"),
    _("Select action to run"),
    _("Select record"),
    _("Select all objects on this page for an action"),
    _("Select value"),
    _("Click to cancel"),
    _("Close"),
    _("More actions"),
    _("General"),
    _("Previous"),
    _("Next"),
    _("Run"),
    _("Unknown"),
    _("True"),
    _("False"),
    _("Choose file to upload"),
    _("Toggle password visibility"),
    _("This page yielded into no results. Create a new item or reset your filters."),
    _("You don’t have permission to view or edit anything."),
)


class DeskLanguageMiddleware:
    """After the middleware that says who is logged in. A table that is streamed has its words before it is sent."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith("/admin/"):
            return self.get_response(request)
        user = request.user
        language = user.language if isinstance(user, User) else language_of(request)
        with override(supported_language(language)):
            return self.get_response(request)


@desk_page()
def choose(request: HttpRequest) -> HttpResponse:
    """Keeps the language in the account, and shows the same page again."""
    if request.method != "POST":
        return HttpResponseRedirect(reverse("admin:index"))
    language = request.POST.get("language", "")
    target = request.POST.get("next") or request.headers.get("Referer", "")
    if supported_language(language) != language:
        return HttpResponseBadRequest()
    User.objects.filter(pk=cast(User, request.user).pk).update(language=language)
    is_ours = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(target if is_ours else reverse("admin:index"))


def languages(request: HttpRequest) -> list[dict[str, Any]]:
    """UNFOLD's LANGUAGES, in the menu of the person who is logged in."""
    codes = [code.partition("-")[0] for code, _name in settings.LANGUAGES]
    return [dict(get_language_info(code)) for code in codes]


def language_address(request: HttpRequest) -> str:
    return reverse("desk:language")
