"""Throttles that a wrong clock does not close for longer than they say."""

from typing import Any

from rest_framework.throttling import ScopedRateThrottle, SimpleRateThrottle


class RateThrottle(SimpleRateThrottle):
    """Requests of the future were counted by a clock that has been set back since: they do not count."""

    duration: int
    num_requests: int

    def throttle_failure(self) -> Any:
        counted = [at for at in self.history if at <= self.now + self.duration]
        if len(counted) >= self.num_requests:
            return super().throttle_failure()
        self.history = counted
        return self.throttle_success()


class ScopedThrottle(ScopedRateThrottle, RateThrottle):
    """The rate of the view's `throttle_scope`."""
