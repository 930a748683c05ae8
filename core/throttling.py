"""Rates of requests: counted in the database, by user or by network, for all processes together.

Each request counts, also one that is refused; a span begins with its first request and ends after its duration.
"""

import logging
from typing import Any

from django.db import InterfaceError, OperationalError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from core import counters
from core.counters import Count, memory_counters
from core.networks import client_address, network_of

logger = logging.getLogger(__name__)


def user_subject(user_id: int) -> str:
    return f"user {user_id}"


class RateThrottle(SimpleRateThrottle):
    """While the database is down or busy, each process counts by itself: no door opens, and nobody is locked out."""

    scope: str
    duration: int
    num_requests: int
    now: float
    started: float

    def __init__(self, scope: str | None = None) -> None:
        self.scope = scope or self.scope
        super().__init__()

    def allow_request(self, request: Request, view: Any) -> bool:
        subject = self.get_cache_key(request, view)
        return subject is None or self.admits(subject)

    def admits(self, subject: str) -> bool:
        """Counts one request."""
        self.now = self.timer()
        counter = self.count(subject)
        self.started = counter.started
        return counter.number <= self.num_requests

    def count(self, subject: str) -> Count:
        try:
            return counters.count(self.scope, subject, self.duration, self.now)
        except (OperationalError, InterfaceError) as error:
            cause = {"cause": type(error).__name__}
            logger.warning("rate limits are counted in memory: the database does not answer", extra=cause)
            return memory_counters.count(self.scope, subject, self.duration, self.now)

    def wait(self) -> float:
        """Seconds until the span ends; the duration at most."""
        return min(self.started + self.duration - self.now, self.duration)

    def get_ident(self, request: Request) -> str:
        return network_of(client_address(request._request))


class CallerThrottle(RateThrottle):
    """Counts people with a login by their account, others by their network."""

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return user_subject(request.user.pk) if request.user.is_authenticated else self.get_ident(request)


class KeyThrottle(RateThrottle):
    """Counts the requests of each API key."""

    scope = "api_key"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return f"key {request.user.pk}" if request.user.is_authenticated else self.get_ident(request)


class ScopedThrottle(CallerThrottle):
    """The default of all views: the rate of the view's `throttle_scope`, or, without one, that of a person.

    People without a login are not counted where a view has no scope of its own.
    """

    def __init__(self) -> None:
        """Its rate is known when the view is."""

    def allow_request(self, request: Request, view: Any) -> bool:
        self.scope = getattr(view, "throttle_scope", None) or "user"
        self.num_requests, self.duration = self.parse_rate(self.get_rate())  # type: ignore[assignment]
        return super().allow_request(request, view)

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if self.scope == "user" and not request.user.is_authenticated:
            return None
        return super().get_cache_key(request, view)
