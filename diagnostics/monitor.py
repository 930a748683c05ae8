"""The worker's own diagnoses: every few minutes, and at once when payments start to fail. One for all workers."""

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

RECENT = timedelta(minutes=2)
MANY_FAILURES, CALLS_CHECKED = 3, 20  # of the last calls


def diagnosis_due(now: datetime) -> list[int]:
    """Row 0, the diagnosis as a whole, when one is due."""
    occasion = _occasion(now)
    is_due = occasion and not DiagnosisRun.objects.filter(occasion=occasion).exists()
    return [WHOLE_KIND] if is_due else []


def run_diagnosis(_: int) -> None:
    """Takes ten seconds at most."""
    run = _claim_run()
    if run is None:
        return
    made, circumstances = runner.make_report(8.0, ask_simulator=True)
    answer = made.as_json()
    runner.cache_report(answer)
    try:
        history.finish_run(run, answer, circumstances)
    except DATABASE_ERRORS:
        logger.warning("this run of the diagnosis could not be kept")
    if not made.success:
        logger.error("diagnosis", extra={name: answer[name] for name in ("verdict", "culprit", "summary")})


def _claim_run() -> DiagnosisRun | None:
    """Writes the row of this occasion, which one caller only succeeds in."""
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
    """Why a diagnosis is due, the same for all callers of the same minutes; "" when none is."""
    if not settings.DIAGNOSIS_EVERY_MINUTES:
        return ""
    since = _failing_since(now)
    if since and not DiagnosisRun.objects.filter(started_at__range=(since, now + SKEW)).exists():
        return f"failing {_interval_number(now, 2)}"
    return f"regular {_interval_number(now, settings.DIAGNOSIS_EVERY_MINUTES)}"


def _failing_since(now: datetime) -> datetime | None:
    """When the calls that failed in the last two minutes became many."""
    recent = GatewayCall.objects.order_by("-pk").values_list("started_at", "error_category")[:CALLS_CHECKED]
    failed = sorted(at for at, category in recent if category and at >= now - RECENT)
    return failed[MANY_FAILURES - 1] if len(failed) >= MANY_FAILURES else None


def _interval_number(now: datetime, minutes: int) -> int:
    """Counts intervals of so many minutes."""
    return int(now.timestamp()) // (60 * minutes)
