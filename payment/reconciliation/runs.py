"""One comparison of a day: what PhonePe says, what our rows say, what the settlement file says.

Nothing is mended unless that was asked for, and then only by what mends it every day: `settle`, `settle_refund`,
`fulfil`; fees are added to the ledger. The nightly comparison never mends: it tells staff.
"""

import logging
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import chain

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from payment.models import Reconciliation
from payment.reconciliation.comparing import compare_orders, compare_refunds
from payment.reconciliation.days import yesterday
from payment.reconciliation.findings import Finding, Fix, Kind, about_order
from payment.reconciliation.questions import Questions
from payment.reconciliation.report import Report
from payment.reconciliation.settled import compare_settlement
from payment.reconciliation.settlement import Settlement
from payment.reconciliation.standing import compare_rows
from payment.services.backlog import database_now
from payment.services.telling import alert_staff

logger = logging.getLogger(__name__)

NIGHT_ENDS = 3  # o'clock in our time zone: what was paid late yesterday has settled down
SECONDS = 45 * 60  # for all questions of one comparison
LEASE = timedelta(minutes=60)  # longer than any comparison
ROWS_KEPT = 400
DIFFERENCES_KEPT = 300  # by one row: a flood of differences must not fill the database
AskedBy = Reconciliation.AskedBy


def reconcile(day: date, settlement: Settlement | None = None, *, fix: bool = False) -> Report:
    """Compare that day, keep the result, and mend what can be mended if asked to."""
    run = Reconciliation(day=day, asked_by=AskedBy.COMMAND, started_at=timezone.now())
    report = compare(day, settlement, fix=fix)
    _keep(run, report)
    return report


def compare(day: date, settlement: Settlement | None = None, *, fix: bool = False) -> Report:
    """Mended is what was found by one comparison before the next begins, so that nothing is told twice."""
    questions = Questions(SECONDS)
    found: dict[tuple[object, ...], Finding] = {}
    comparisons = [compare_orders(day, questions), compare_refunds(day, questions), compare_rows(day)]
    if settlement is not None:
        comparisons.append(compare_settlement(day, settlement))
    for each in chain(*comparisons, _not_asked(questions)):
        if each.subject not in found:
            found[each.subject] = each.mend_it() if fix else each
    return Report(
        day=day,
        checked_at=timezone.now(),
        asked=questions.asked,
        settled_rows=None if settlement is None else settlement.rows,
        settled_repeats=0 if settlement is None else settlement.repeats,
        findings=list(found.values()),
        bad=[] if settlement is None else settlement.bad,
    )


def reconcile_if_due(limit: int) -> int:
    """Yesterday, once for all workers, when the night is over. 1 when this caller has compared."""
    now = database_now()
    if not settings.RECONCILE_NIGHTLY or timezone.localtime(now).hour < NIGHT_ENDS:
        return 0
    run = _claimed(yesterday(), now)
    if run is None:
        return 0
    report = compare(run.day)
    with transaction.atomic():
        _keep(run, report)
        if not report.is_clean:
            _tell(report)
    return 1


def _claimed(day: date, now: datetime) -> Reconciliation | None:
    """A row that one caller only has written, or has taken over from one who died."""
    occasion, lease = f"nightly {day}", uuid.uuid4()
    ended = Q(occasion=occasion) & (Q(finished_at__isnull=False) | Q(lease_until__gt=now))
    if Reconciliation.objects.filter(ended).exists():
        return None
    claim = {"lease": lease, "lease_until": now + LEASE, "started_at": now}
    wanted = Reconciliation(day=day, asked_by=AskedBy.WORKER, occasion=occasion, **claim)
    Reconciliation.objects.bulk_create([wanted], ignore_conflicts=True)
    left = Reconciliation.objects.filter(occasion=occasion, finished_at=None, lease_until__lte=now)
    left.update(**claim)
    return Reconciliation.objects.filter(occasion=occasion, lease=lease).first()


def _not_asked(questions: Questions) -> Iterator[Finding]:
    """A generator: read when everything has been asked that could be."""
    for attempt in questions.parked:
        yield about_order(attempt, Kind.NOT_ASKED, Fix.CREDENTIALS)
    if questions.unanswered:
        yield Finding(Kind.NOT_ASKED, Fix.LATER, detail=f"{questions.unanswered} questions without an answer")


def _keep(run: Reconciliation, report: Report) -> None:
    run.finished_at, run.is_clean = timezone.now(), report.is_clean
    run.differences = len(report.findings) + len(report.bad)
    run.report = report.wire(most=DIFFERENCES_KEPT)
    run.save()
    old = Reconciliation.objects.order_by("-pk").values_list("pk", flat=True)[ROWS_KEPT : ROWS_KEPT + 100]
    Reconciliation.objects.filter(pk__in=list(old)).delete()


def _tell(report: Report) -> None:
    counts = report.wire(most=0)["counts"]
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    logger.error("books differ", extra={"day": str(report.day), "counts": counts})
    alert_staff("books_differ", case=f"day:{report.day}", day=str(report.day), differences=told)
