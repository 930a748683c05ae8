"""Middleware: what browsers may do, JSON errors, last slashes, bodies that could not be read."""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseForbidden,
    HttpResponseNotFound,
    HttpResponsePermanentRedirect,
    HttpResponseServerError,
)
from django.urls import Resolver404, resolve
from django.utils.module_loading import import_string

from core.errors import (
    LengthRequired,
    Refusal,
    TooLarge,
    TooSlow,
    Unreadable,
    bad_request,
    page_not_found,
    permission_denied,
    refusal_response,
    server_error,
)
from core.request_bodies import FAULT, Fault

GetResponse = Callable[[HttpRequest], HttpResponse]

REFUSALS: dict[Fault, type[Refusal]] = {
    Fault.UNREADABLE: Unreadable,
    Fault.TOO_LARGE: TooLarge,
    Fault.TOO_SLOW: TooSlow,
    Fault.NO_LENGTH: LengthRequired,
}

# Django's own error pages when DEBUG is on. Our handlers return other classes.
DJANGO_ERROR_RESPONSES = {
    HttpResponseBadRequest,
    HttpResponseForbidden,
    HttpResponseNotFound,
    HttpResponseServerError,
}
HANDLERS: dict[int, Callable[[HttpRequest], HttpResponse]] = {
    400: bad_request,
    403: permission_denied,
    404: page_not_found,
    500: server_error,
}
CATCH_ALL = "(?P<url>.*)$"  # how the admin ends: it matches everything, and is no route
DOUBLED_SLASHES = re.compile("/{2,}")
# Paths without a value in them, which are as many as the routes: Django will look for the route once more.
_fixed_routes: set[tuple[str, str]] = set()
# Their pages have links that are relative to the address in the browser.
REDIRECTED_PREFIX = "/admin/"


# None of our pages has a script or a style of its own inside; nothing may frame them.
PAGE_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
# Pages of others: the admin's Alpine.js compiles expressions, and both write styles into elements.
POLICIES = {
    "/admin/": PAGE_POLICY
    | {
        "script-src": "'self' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: https:",
    },
    "/api/docs/": PAGE_POLICY | {"style-src": "'self' 'unsafe-inline'"},
}
NO_DEVICES = ", ".join(
    f"{device}=()"
    for device in (
        "accelerometer",
        "camera",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "payment",
        "usb",
    )
)


class BrowserRulesMiddleware:
    """What a browser may load, keep and use. Whatever does not say that it may be kept is private: `no-store`."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Permissions-Policy", NO_DEVICES)
        # Django's own page with a stack, which only DEBUG shows, has its styles inside.
        if not (settings.DEBUG and response.status_code >= 400):
            response.headers.setdefault("Content-Security-Policy", content_policy(request.path_info))
        return response


def content_policy(path: str) -> str:
    """The Content-Security-Policy of what is at this path."""
    path = f"{path.rstrip('/')}/"
    policy = next((POLICIES[start] for start in POLICIES if path.startswith(start)), PAGE_POLICY)
    directives = policy | {"form-action": " ".join(settings.FORM_TARGETS)}
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


class JsonErrorMiddleware:
    """Errors under /api/ are JSON, whatever DEBUG says: the stack is in the log. Elsewhere DEBUG shows it to callers on
    this machine and to holders of OPS_TOKEN only."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not is_django_error_page(response):
            return response
        is_api = f"{request.path_info}/".startswith("/api/")
        may_control: Callable[[HttpRequest], bool] = import_string(settings.SIMULATOR_MAY_CONTROL)
        is_hidden = is_api or (settings.DEBUG and not may_control(request))
        return HANDLERS[response.status_code](request) if is_hidden else response


def is_django_error_page(response: HttpResponse) -> bool:
    """An error page of Django, such as the stack that it shows with DEBUG."""
    is_stack = settings.DEBUG and type(response) is HttpResponse and response.status_code in (400, 500)
    return is_stack or type(response) in DJANGO_ERROR_RESPONSES


class LastSlashMiddleware:
    """Every route answers with and without its last slash, and under /api/ with doubled slashes, for every method.

    The address is read, not redirected: a redirect would lose a posted body. The view, and with it the check of rights,
    is found after that. Elsewhere a doubled slash is no route: a proxy may have rules about /admin/ or /simulator/.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path_info = matching_path(request.path_info)
        if path_info == request.path_info:
            return self.get_response(request)
        request.path = request.path.removesuffix(request.path_info) + path_info
        request.path_info = path_info
        if path_info.startswith(REDIRECTED_PREFIX) and request.method in ("GET", "HEAD"):
            return HttpResponsePermanentRedirect(request.get_full_path())
        return self.get_response(request)


def matching_path(path: str) -> str:
    """As the URL configuration has it, with or without its last slash, and with single slashes in the API.

    Unchanged when there is no route, but for doubled slashes in the API.
    """
    single = DOUBLED_SLASHES.sub("/", path)
    path = single if single.startswith("/api/") else path
    bare = path.rstrip("/")
    return next((each for each in (path, f"{bare}/", bare) if _is_route(each)), path)


def _is_route(path: str) -> bool:
    key = (settings.ROOT_URLCONF, path)
    if key in _fixed_routes:
        return True
    try:
        found = resolve(path)
    except Resolver404:
        return False
    if found.route.endswith(CATCH_ALL):
        return False
    if not found.kwargs and not found.args:
        _fixed_routes.add(key)
    return True


class BodyMiddleware:
    """Answers a request whose body could not be read, whichever route it is for and whether that reads a body."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        fault = request.META.get(FAULT)
        return refusal_response(request, REFUSALS[fault]()) if fault else self.get_response(request)
