"""Liveness and readiness for load balancers and orchestrators. No internals, no login."""

from contextlib import suppress

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core.waiting import SHORT_WAIT_SECONDS, WaitSlots
from diagnostics import dependencies
from diagnostics.deadlines import begin, result
from payment.phonepe.transport import Deadline

TIMEOUT = 5.0  # seconds; orchestrators give up soon after
check_slots = WaitSlots(2)  # of this check only; without one, other checks are waiting for the database


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while this process answers at all. `build` says which code it runs."""
    return JsonResponse({"status": "alive", "build": settings.BUILD})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and has every table this code expects, else 503.

    `database` is "unknown" when it was not asked, because other checks of this process wait for its answer.
    """
    fault = "unchecked"
    # In a thread, because a database that accepts connections and does not answer would block for ever.
    with check_slots.reserve(SHORT_WAIT_SECONDS) as may_wait, suppress(TimeoutError):
        if may_wait:
            fault, deadline = "down", Deadline(TIMEOUT)
            fault = result(begin(dependencies.check_database, deadline), deadline).fault
    answer = {
        "status": "not ready" if fault else "ready",
        "database": {"": "ok", "migrations": "ok", "unchecked": "unknown"}.get(fault, "down"),
        "migrations": {"": "applied", "migrations": "pending"}.get(fault, "unknown"),
    }
    return JsonResponse(answer, status=503 if fault else 200)
