"""One comparison of a day: what PhonePe says, what our rows say, what the settlement file says.

Nothing is repaired unless that was asked for, and then only by the functions that work every day: `apply_status`,
`apply_refund_status`, `fulfil`; fees are added to the ledger. The nightly comparison never repairs: it alerts staff.
The rows of finished comparisons say which days are still to be compared, so nights without a worker are caught up.
"""

import logging
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import chain

from django.conf import settings
from django.db import transaction
from django.db.models import Min, Q
from django.utils import timezone

from core.clocks import database_now
from payment.models import PaymentAttempt, Reconciliation
from payment.reconciliation.comparison import compare_orders, compare_refunds
from payment.reconciliation.findings import Finding, Fix, Kind, about_order
from payment.reconciliation.own_rows import compare_rows
from payment.reconciliation.report import Report
from payment.reconciliation.settlement import Settlement
from payment.reconciliation.settlement_rows import compare_settlement
from payment.reconciliation.status_checks import StatusChecks
from payment.services.notifications import alert_staff

logger = logging.getLogger(__name__)

NIGHT_ENDS = 3  # o'clock in our time zone: what was paid late yesterday has settled down
SECONDS = 45 * 60  # for all questions of one comparison
MOST_DAYS = 31  # that are caught up; older ones are left to `manage.py reconcile`
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
    questions = StatusChecks(SECONDS)
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
        unanswered=questions.unanswered,
        settled_rows=None if settlement is None else settlement.rows,
        settled_repeats=0 if settlement is None else settlement.repeats,
        findings=list(found.values()),
        bad=[] if settlement is None else settlement.bad,
    )


def days_due(now: datetime) -> list[int]:
    """Days whose nightly comparison is owed, as ordinals of `date`, the oldest first.

    A day is owed when the night after it has ended and no nightly comparison of it has been finished, or one that
    PhonePe did not answer is to be repeated. Not for longer than MOST_DAYS, and not before there was any order.
    """
    if not settings.RECONCILE_NIGHTLY:
        return []
    last = timezone.localtime(now - timedelta(hours=NIGHT_ENDS)).date() - timedelta(days=1)
    oldest = last - timedelta(days=MOST_DAYS - 1)
    nightly = Reconciliation.objects.filter(asked_by=AskedBy.WORKER, day__gte=oldest)
    again = Q(compare_again_at__lte=now)
    done = set(nightly.filter(finished_at__isnull=False).exclude(again).values_list("day", flat=True))
    first = max(oldest, _first_day(now))
    days = range(first.toordinal(), last.toordinal() + 1)
    return [day for day in days if date.fromordinal(day) not in done]


def compare_day(ordinal: int) -> None:
    """The nightly comparison of one day, under the lease of its kind of work: once for all workers."""
    run = _begin(date.fromordinal(ordinal), database_now())
    report = compare(run.day)
    with transaction.atomic():
        _keep(run, report)
        if not report.is_clean:
            _alert(report)


def _first_day(now: datetime) -> date:
    """Of the first order or the first nightly comparison; of both there may be none before yesterday."""
    ordered = PaymentAttempt.objects.order_by("pk").values_list("created_at", flat=True).first()
    compared = Reconciliation.objects.filter(asked_by=AskedBy.WORKER).aggregate(first=Min("day"))["first"]
    yesterday = timezone.localtime(now).date() - timedelta(days=1)
    return min(filter(None, (ordered and timezone.localtime(ordered).date(), compared, yesterday)))


def _begin(day: date, now: datetime) -> Reconciliation:
    """The day's one nightly row: new, or left by a worker who died or failed while comparing, or to be repeated."""
    wanted = Reconciliation(day=day, asked_by=AskedBy.WORKER, occasion=f"nightly {day}", started_at=now)
    Reconciliation.objects.bulk_create([wanted], ignore_conflicts=True)
    nightly = Reconciliation.objects.filter(asked_by=AskedBy.WORKER, day=day)
    nightly.update(started_at=now, finished_at=None, compare_again_at=None)
    return nightly.get()


def _not_asked(questions: StatusChecks) -> Iterator[Finding]:
    """A generator: read when everything has been asked that could be."""
    for attempt in questions.parked:
        yield about_order(attempt, Kind.NOT_ASKED, Fix.CREDENTIALS)
    if questions.unanswered:
        yield Finding(Kind.NOT_ASKED, Fix.LATER, detail=f"{questions.unanswered} questions without an answer")


def _keep(run: Reconciliation, report: Report) -> None:
    run.finished_at, run.is_clean = timezone.now(), report.is_clean
    if run.asked_by == AskedBy.WORKER:
        run.compare_again_at = None if report.is_answered else database_now() + Reconciliation.AGAIN
    run.differences = len(report.findings) + len(report.bad)
    run.report = report.wire(most=DIFFERENCES_KEPT)
    run.save()
    # The nights of this window say which days are done: however often somebody compares, they stay.
    recent = Q(asked_by=AskedBy.WORKER, day__gte=timezone.localdate() - timedelta(days=MOST_DAYS + 1))
    rows = Reconciliation.objects.exclude(recent).order_by("-pk")
    old = rows.values_list("pk", flat=True)[ROWS_KEPT : ROWS_KEPT + 100]
    Reconciliation.objects.filter(pk__in=list(old)).delete()


def _alert(report: Report) -> None:
    counts = report.wire(most=0)["counts"]
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    logger.error("books differ", extra={"day": str(report.day), "counts": counts})
    # Told once a day under one name: what the repetition finds must not be taken for what was told before it.
    case = f"day:{report.day}" if report.is_answered else f"day:{report.day}:not asked"
    alert_staff("books_differ", case=case, day=str(report.day), differences=told)
