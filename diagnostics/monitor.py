"""The worker looks by itself: every few minutes, and at once when payments start failing. One look for all workers."""

import logging
import uuid
from datetime import datetime, timedelta

from django.conf import settings

from core.clocks import SKEW, database_now
from diagnostics import history, runner
from diagnostics.dependencies import DATABASE_ERRORS
from payment.models import DiagnosisRun, GatewayCall
from payment.services.leases import WHOLE_KIND

logger = logging.getLogger(__name__)

LATELY = timedelta(minutes=2)
MANY_FAILURES, LOOKED_AT = 3, 20  # so many of the last calls


def diagnosis_due(now: datetime) -> list[int]:
    """Row 0, the diagnosis as a whole, when there is something to look for."""
    occasion = _occasion(now)
    is_due = occasion and not DiagnosisRun.objects.filter(occasion=occasion).exists()
    return [WHOLE_KIND] if is_due else []


def look(_: int) -> None:
    """Takes ten seconds at most."""
    run = _claimed()
    if run is None:
        return
    made, circumstances = runner.look(8.0, ask_simulator=True)
    runner.remember(made)
    try:
        history.finish(run, made, circumstances)
    except DATABASE_ERRORS:
        logger.warning("this run of the diagnosis could not be kept")
    if not made["success"]:
        logger.error("diagnosis", extra={name: made[name] for name in ("verdict", "culprit", "summary")})


def _claimed() -> DiagnosisRun | None:
    """A row that was written by one caller only, however many want to."""
    now = database_now()
    occasion = _occasion(now)
    if not occasion or DiagnosisRun.objects.filter(occasion=occasion).exists():
        return None
    lease = uuid.uuid4()
    wanted = DiagnosisRun(
        asked_by=DiagnosisRun.AskedBy.WORKER, occasion=occasion, lease=lease, started_at=now
    )
    DiagnosisRun.objects.bulk_create([wanted], ignore_conflicts=True)
    return DiagnosisRun.objects.filter(occasion=occasion, lease=lease).first()


def _occasion(now: datetime) -> str:
    """What a look would be for; the same for all who ask in the same minutes. "" for nothing."""
    if not settings.DIAGNOSIS_EVERY_MINUTES:
        return ""
    since = _failing_since(now)
    if since and not DiagnosisRun.objects.filter(started_at__range=(since, now + SKEW)).exists():
        return f"failing {_number(now, 2)}"
    return f"regular {_number(now, settings.DIAGNOSIS_EVERY_MINUTES)}"


def _failing_since(now: datetime) -> datetime | None:
    """When the failed calls of the last two minutes became many."""
    lately = GatewayCall.objects.order_by("-pk").values_list("started_at", "error_category")[:LOOKED_AT]
    failed = sorted(at for at, category in lately if category and at >= now - LATELY)
    return failed[MANY_FAILURES - 1] if len(failed) >= MANY_FAILURES else None


def _number(now: datetime, minutes: int) -> int:
    """Which stretch of so many minutes this is."""
    return int(now.timestamp()) // (60 * minutes)
