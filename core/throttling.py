"""Throttles that a clock that was set back does not keep closed."""

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle, SimpleRateThrottle

from core.clocks import SKEW


class RateThrottle(SimpleRateThrottle):
    """Ignores requests that were counted in the future, by a clock that has been set back since.

    The clocks of two servers may differ by `SKEW`.
    """

    duration: int
    num_requests: int

    def throttle_failure(self) -> Any:
        since, until = self.now - self.duration, self.now + SKEW.total_seconds()
        self.history = [at for at in self.history if since < at <= until]
        if len(self.history) >= self.num_requests:
            return super().throttle_failure()
        return self.throttle_success()

    def wait(self) -> float:
        """Seconds until the oldest request counts no longer; the duration at most."""
        return self.duration - max(self.now - min(self.history, default=self.now), 0.0)


class ScopedThrottle(ScopedRateThrottle, RateThrottle):
    """The rate of the view's `throttle_scope`."""


class CallerThrottle(RateThrottle):
    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}
