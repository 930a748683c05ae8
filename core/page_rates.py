"""The rates of `core.throttling` for views without REST framework, the admin's among them.

Not in `core.throttling`: REST framework loads that while it loads its own views, on which `core.errors` depends.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import Throttled

from core.errors import refusal_response
from core.throttling import RateThrottle, user_subject


def find_excess(scope: str, subject: str) -> float | None:
    """For views without REST framework: counts a request. Seconds to wait, None within the rate of the scope."""
    throttle = RateThrottle(scope)
    return None if throttle.admits(subject) else throttle.wait()


def too_many_requests(request: HttpRequest, wait: float) -> HttpResponse:
    return refusal_response(request, Throttled(wait))


class AdminRateMiddleware:
    """The pages of the admin count to the rate of the person, with what they call in the API."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or not match.route.startswith("admin/") or not request.user.is_authenticated:
            return None
        wait = find_excess("user", user_subject(request.user.pk))
        return None if wait is None else too_many_requests(request, wait)
