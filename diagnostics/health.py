"""Liveness and readiness for load balancers and orchestrators. No internals, no login."""

from contextlib import suppress

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core import waiting
from diagnostics import dependencies
from diagnostics.deadlines import begin, result
from payment.phonepe.transport import Deadline

TIMEOUT = 5.0  # seconds; orchestrators give up soon after


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while this process answers at all. `build` says which code it runs."""
    return JsonResponse({"status": "alive", "build": settings.BUILD})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and has every table this code expects, else 503."""
    fault = "down"
    # In a thread, because a database that accepts connections and does not answer would block for ever.
    with waiting.wait_slots.reserve(waiting.SHORT_WAIT_SECONDS) as may_wait, suppress(TimeoutError):
        if may_wait:
            deadline = Deadline(TIMEOUT)
            fault = result(begin(dependencies.check_database, deadline), deadline).fault
    answer = {
        "status": "not ready" if fault else "ready",
        "database": "ok" if fault in ("", "migrations") else "down",
        "migrations": {"": "applied", "migrations": "pending"}.get(fault, "unknown"),
    }
    return JsonResponse(answer, status=503 if fault else 200)
