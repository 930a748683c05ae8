"""One comparison of a day: what PhonePe says, what our rows say, what the settlement file says.

Nothing is repaired without --fix, and then only by the functions of every day: `apply_status`,
`apply_refund_status`, `fulfil`; fees are added to the ledger. The nightly comparison never repairs: it alerts staff.
The rows of finished comparisons say which days are still to be compared, so a night without a worker is compared later.
"""

import logging
from datetime import date, datetime, timedelta
from itertools import chain

from django.conf import settings
from django.db import transaction
from django.db.models import Min, Q
from django.utils import timezone

from core.clocks import database_now
from payment.models import PaymentAttempt, Reconciliation
from payment.reconciliation.comparison import compare_orders, compare_refunds
from payment.reconciliation.discrepancies import Discrepancy, Fix, Kind, order_discrepancy
from payment.reconciliation.own_rows import (
    find_refunded_bookings,
    find_unconfirmed_events,
    find_unpaid_bookings,
)
from payment.reconciliation.report import Report
from payment.reconciliation.settlement import Settlement
from payment.reconciliation.settlement_rows import compare_settlement
from payment.reconciliation.status_checks import StatusChecks
from payment.services.notifications import alert_staff

logger = logging.getLogger(__name__)

NIGHT_ENDS = 3  # o'clock in our time zone: payments of late yesterday are decided by then
SECONDS = 45 * 60  # for all status requests of one comparison
MOST_DAYS = 31  # days that are compared later; older ones are left to `manage.py reconcile`
ROWS_KEPT = 400
DIFFERENCES_KEPT = 300  # of one comparison: many thousands must not fill the database
AskedBy = Reconciliation.AskedBy


def reconcile(day: date, settlement: Settlement | None = None, *, fix: bool = False) -> Report:
    """Compares that day and keeps the result; with `fix` also repairs what can be repaired."""
    run = Reconciliation(day=day, asked_by=AskedBy.COMMAND, started_at=timezone.now())
    report = compare(day, settlement, fix=fix)
    _save_report(run, report)
    return report


def compare(day: date, settlement: Settlement | None = None, *, fix: bool = False) -> Report:
    """Repairs what one comparison finds before the next one begins, so that nothing is reported twice."""
    checks = StatusChecks(SECONDS)
    comparisons = [
        compare_orders(day, checks),
        compare_refunds(day, checks),
        find_unpaid_bookings(day),
        find_refunded_bookings(day),
        find_unconfirmed_events(day),
    ]
    if settlement is not None:
        comparisons.append(compare_settlement(day, settlement))
    discrepancies: dict[tuple[object, ...], Discrepancy] = {}
    for each in chain.from_iterable(comparisons):
        if each.subject not in discrepancies:
            discrepancies[each.subject] = each.apply_repair() if fix else each
    for attempt in checks.parked:
        parked = order_discrepancy(attempt, Kind.NOT_ASKED, Fix.CREDENTIALS)
        discrepancies.setdefault(parked.subject, parked)
    if checks.unanswered:
        detail = f"{checks.unanswered} status requests without an answer"
        silence = Discrepancy(Kind.NOT_ASKED, Fix.LATER, detail=detail)
        discrepancies[silence.subject] = silence
    return Report(
        day=day,
        checked_at=timezone.now(),
        answered=checks.answered,
        unanswered=checks.unanswered,
        settled_rows=None if settlement is None else settlement.rows,
        settled_repeats=0 if settlement is None else settlement.repeats,
        discrepancies=list(discrepancies.values()),
        bad_rows=[] if settlement is None else settlement.bad_rows,
    )


def days_due(now: datetime) -> list[int]:
    """Days whose nightly comparison is due, as ordinals of `date`, the oldest first.

    A day is due when the night after it has ended and no nightly comparison of it has been finished, or one that
    PhonePe did not answer is to be repeated. Not for longer than MOST_DAYS, and not before the first order.
    """
    if not settings.RECONCILE_NIGHTLY:
        return []
    last = timezone.localtime(now - timedelta(hours=NIGHT_ENDS)).date() - timedelta(days=1)
    oldest = last - timedelta(days=MOST_DAYS - 1)
    all_nightly = Reconciliation.objects.filter(asked_by=AskedBy.WORKER)
    first_order = PaymentAttempt.objects.order_by("pk").values_list("created_at", flat=True).first()
    first_days = (
        first_order and timezone.localtime(first_order).date(),
        all_nightly.aggregate(first=Min("day"))["first"],
        timezone.localtime(now).date() - timedelta(days=1),
    )
    first = max(oldest, min(filter(None, first_days)))
    finished = all_nightly.filter(day__gte=oldest, finished_at__isnull=False)
    done = set(finished.exclude(compare_again_at__lte=now).values_list("day", flat=True))
    days = range(first.toordinal(), last.toordinal() + 1)
    return [day for day in days if date.fromordinal(day) not in done]


def compare_day(ordinal: int) -> None:
    """The nightly comparison of one day, under the lease of its kind of work: once for all workers."""
    day, now = date.fromordinal(ordinal), database_now()
    # The one nightly row of a day is new, or of a worker that died or failed while comparing, or to be repeated.
    new = Reconciliation(day=day, asked_by=AskedBy.WORKER, occasion=f"nightly {day}", started_at=now)
    Reconciliation.objects.bulk_create([new], ignore_conflicts=True)
    nightly = Reconciliation.objects.filter(asked_by=AskedBy.WORKER, day=day)
    nightly.update(started_at=now, finished_at=None, compare_again_at=None)
    run = nightly.get()
    report = compare(day)
    with transaction.atomic():
        _save_report(run, report)
        if report.is_clean:
            return
        counts = report.to_json(most=0)["counts"]
        logger.error("the reconciliation found differences", extra={"day": str(day), "counts": counts})
        # Alerted once a day under one name: a repetition after unanswered requests needs a name of its own.
        case = f"day:{day}:not asked" if report.unanswered else f"day:{day}"
        differences = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        alert_staff("books_differ", case=case, day=str(day), differences=differences)


def _save_report(run: Reconciliation, report: Report) -> None:
    run.finished_at, run.is_clean = timezone.now(), report.is_clean
    if run.asked_by == AskedBy.WORKER:
        run.compare_again_at = database_now() + Reconciliation.AGAIN if report.unanswered else None
    run.differences = len(report.discrepancies) + len(report.bad_rows)
    run.report = report.to_json(most=DIFFERENCES_KEPT)
    run.save()
    # The nightly rows of this window say which days are done: they stay, however many comparisons follow.
    recent = Q(asked_by=AskedBy.WORKER, day__gte=timezone.localdate() - timedelta(days=MOST_DAYS + 1))
    rows = Reconciliation.objects.exclude(recent).order_by("-pk")
    old = rows.values_list("pk", flat=True)[ROWS_KEPT : ROWS_KEPT + 100]
    Reconciliation.objects.filter(pk__in=list(old)).delete()
