"""Checks of each minute: alerts staff when something takes too long. Each case is alerted once a day."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import requests
from django.conf import settings
from django.db.models import Count, Exists, F, Min, Q, QuerySet, Sum
from django.utils import timezone

from accounts.session_ends import expired_admin_sessions, purge_admin
from booking.services import forget_networks, outdated_networks
from booking.services.promos import repair_sums, wrong_sums
from core import counters
from core.backup_files import is_overdue, newest_made_at
from core.clocks import database_now
from core.counters import purge_expired
from core.databases import any_rows
from core.models import Counter
from notifications.services import cases_alerted_today
from payment.models import (
    OPEN_ATTEMPT,
    OPEN_REFUND,
    ManualEntry,
    Payment,
    PaymentAttempt,
    Refund,
    WebhookEvent,
    WorkLease,
)
from payment.models.payments import PHONEPE
from payment.services.clock_repairs import repair_schedules, wrong_schedules
from payment.services.holds import carts_in_review, release_cart_in_review, repair_holds, wrong_holds
from payment.services.leases import WHOLE_KIND, left_leases, left_to_background, process_row
from payment.services.notifications import alert_staff
from payment.services.queue import free, oldest_overdue
from payment.services.receipts import create_missing_credit_note, refunds_without_note
from payment.services.refunds.amounts import REQUESTED
from payment.services.retention import delete_old_records, old_records
from payment.services.schedule import DAY, HOUR, MINUTE, scaled
from payment.states import Fulfilment, PaymentState, RefundState

logger = logging.getLogger(__name__)

UNDECIDED_SECONDS = 2 * HOUR  # after the page has expired
UNFULFILLED_SECONDS = HOUR
UNAPPROVED_SECONDS = HOUR  # the booking of a closed slot stays until somebody approves its refund
UNCONFIRMED_SECONDS = 35 * MINUTE
LATE_SECONDS = 5 * MINUTE
RECENT_SECONDS = 31 * DAY  # an event is polled until PhonePe answers, which may take days
SILENCE_SECONDS, ENOUGH_PAYMENTS = DAY, 5
NEWEST_PAYMENTS = 1_000  # enough to see ENOUGH_PAYMENTS of a day among them
SECONDS_BETWEEN_CHECKS = MINUTE
MOST_GUESS_CASES = 3
MOST_CASES = 20  # of one rule in one run: the next run alerts the rest
MOST_REPAIRS = 50  # of one check in one run
PING_TIMEOUT = (5, 5)
CASH_COUNTED_BY = 9  # o'clock, of the next morning

Signs = Callable[[datetime], Sequence["QuerySet[Any]"]]


@dataclass(frozen=True)
class Case:
    """What staff are alerted to once a day under this name, with plain facts. `row`: the key for the work lease."""

    payment: Payment | None
    name: str
    row: int
    facts: dict[str, Any]

    def alert(self, rule: str, row: int) -> None:
        alert_staff(rule, self.payment, case=self.name, **self.facts)


@dataclass(frozen=True)
class Check:
    """`signs`: queries of which at least one finds a row when there is something to do; None: it always runs."""

    run: Callable[[datetime], object]
    signs: Signs | None


def repair_rows(
    kind: str, rows: Callable[[datetime], "QuerySet[Any]"], repair: Callable[[int], None]
) -> Check:
    """Each row under a lease of its own: one that cannot be repaired is pushed back, and stops no other.

    `rows` gives those that are wrong, `repair` takes the key of one.
    """

    def waiting(now: datetime) -> "QuerySet[Any]":
        return free(rows(now), kind, now)

    def run(now: datetime) -> None:
        for key in waiting(now).values_list("pk", flat=True)[:MOST_REPAIRS]:
            process_row(kind, key, repair)

    return Check(run, lambda now: [waiting(now)])


# By name: part of the kind of a work lease.
CHECKS: dict[str, Check] = {
    "moments": Check(repair_schedules, wrong_schedules),
    "hold moments": Check(repair_holds, lambda now: [wrong_holds(now)]),
    "held payments": repair_rows("carts in review", carts_in_review, release_cart_in_review),
    "networks of holds": Check(forget_networks, outdated_networks),
    "sums of promo codes": repair_rows("sums of promo codes", lambda now: wrong_sums(), repair_sums),
    "sessions of the admin": Check(purge_admin, lambda now: [expired_admin_sessions(now)]),
    "counters": Check(
        lambda now: purge_expired(now.timestamp()), lambda now: [counters.expired(now.timestamp())]
    ),
    "old records": Check(delete_old_records, old_records),
    "leases": Check(lambda now: left_leases(now).delete(), lambda now: [left_leases(now)]),
    "credit notes": repair_rows("missing credit notes", refunds_without_note, create_missing_credit_note),
}


def check(name: str, signs: Signs | None = None) -> Callable[[Callable[[datetime], None]], Check]:
    """Adds a function to CHECKS."""

    def register(function: Callable[[datetime], None]) -> Check:
        CHECKS[name] = Check(function, signs)
        return CHECKS[name]

    return register


def real_or_simulating(simulated: str) -> Q:
    """Without simulated money while the simulator is off: nothing can come of it. `simulated`: the column."""
    return Q() if settings.PHONEPE_SIMULATION_MODE else Q(**{simulated: False})


def checks_due(now: datetime) -> list[int]:
    """Always: the lease of the work says when the next worker runs the checks."""
    return [WHOLE_KIND]


def run_checks(_: int) -> datetime:
    """Runs all checks, each minute, on one of the workers. Returns when to run them again.

    Each check has a work lease of its own, and so has each case: one that fails stops no other.
    """
    now = database_now()
    names = list(CHECKS)
    with left_to_background("watch", WHOLE_KIND):  # signs that cannot be read stop no check
        names = _checks_with_signs(now)
    for name in names:
        process_row(f"watch {name}", WHOLE_KIND, partial(_run_check, name, now))
    return database_now() + timedelta(seconds=SECONDS_BETWEEN_CHECKS)


def _run_check(name: str, now: datetime, row: int) -> None:
    CHECKS[name].run(now)


def _checks_with_signs(now: datetime) -> list[str]:
    """The checks that have something to do, found by one statement: most minutes bring nothing.

    A check that failed has a lease until it has succeeded.
    """
    signs = []
    for name, each in CHECKS.items():
        failed = WorkLease.objects.filter(kind=f"watch {name}", row=WHOLE_KIND)
        signs += [(name, query) for query in (failed, *(each.signs(now) if each.signs else ()))]
    found = any_rows([query for _, query in signs])
    seen = {name for (name, _), is_there in zip(signs, found, strict=True) if is_there}
    return [name for name, each in CHECKS.items() if name in seen or each.signs is None]


def undecided_attempts(now: datetime) -> "QuerySet[PaymentAttempt]":
    return PaymentAttempt.objects.filter(
        real_or_simulating("simulated"),
        state__in=OPEN_ATTEMPT,
        expires_at__lte=now - scaled(UNDECIDED_SECONDS),
    )


def waiting_money(now: datetime) -> "QuerySet[Payment]":
    return Payment.objects.filter(
        fulfilment__in=(Fulfilment.DUE, Fulfilment.HELD_FOR_STAFF),
        created_at__lte=now - scaled(UNFULFILLED_SECONDS),
    )


@check("payments", lambda now: [undecided_attempts(now), waiting_money(now)])
def check_payments(now: datetime) -> None:
    undecided = undecided_attempts(now).select_related("payment__checkout")
    _alert_cases(
        "payment_stuck",
        (
            _payment_case(row.payment, order=row.merchant_order_id, state=row.state)
            for row in undecided.iterator()
        ),
    )
    waiting = waiting_money(now).select_related("checkout")
    _alert_cases("money_waits", map(_payment_case, waiting.iterator()))


def late_refunds(now: datetime) -> "QuerySet[Refund]":
    under_way = Refund.objects.filter(
        real_or_simulating("attempt__simulated"), state__in=(RefundState.WAITING, *OPEN_REFUND)
    )
    return under_way.filter(expected_by__lte=now)


def unapproved_refunds(now: datetime) -> "QuerySet[Refund]":
    return Refund.objects.filter(REQUESTED, created_at__lte=now - scaled(UNAPPROVED_SECONDS))


@check("refunds", lambda now: [late_refunds(now), unapproved_refunds(now)])
def check_refunds(now: datetime) -> None:
    late = late_refunds(now).select_related("payment__checkout")
    cases = (
        Case(
            refund.payment,
            f"refund:{refund.pk}",
            refund.pk,
            {
                "state": refund.state,
                "refund_id": refund.merchant_refund_id,
                "refund_paise": refund.amount_paise,
            },
        )
        for refund in late.iterator()
    )
    _alert_cases("refund_stuck", cases)
    if count := unapproved_refunds(now).count():
        alert_staff("refunds_await_approval", case="requests", refunds=count)


def unconfirmed_events(now: datetime) -> "QuerySet[WebhookEvent]":
    recent = WebhookEvent.objects.filter(
        state=WebhookEvent.State.RECEIVED, received_at__gte=now - scaled(RECENT_SECONDS)
    )
    return recent.filter(Q(received_at__lte=now - scaled(UNCONFIRMED_SECONDS)) | Q(next_check_at=None))


def events_in_review() -> "QuerySet[WebhookEvent]":
    return WebhookEvent.objects.filter(state=WebhookEvent.State.NEEDS_REVIEW)


@check("events", lambda now: [unconfirmed_events(now), events_in_review()])
def check_events(now: datetime) -> None:
    """Webhooks that PhonePe's status has not confirmed for long, and webhooks in review."""
    unconfirmed = unconfirmed_events(now)
    cases = (
        Case(
            event.attempt.payment if event.attempt else None,
            f"event:{event.pk}",
            event.pk,
            {
                "event": event.event,
                "order": event.merchant_order_id,
                "refund_id": event.merchant_refund_id,
            },
        )
        for event in unconfirmed.select_related("attempt__payment__checkout")
    )
    _alert_cases("event_unconfirmed", cases)
    kinds = (
        events_in_review().order_by().values("event", "unclear").annotate(count=Count("pk"), first=Min("pk"))
    )
    # All of a kind at once: one new word of PhonePe may have come with every order.
    cases_of_kinds = (
        Case(
            None,
            f"events:{kind['event']}:{kind['unclear']}"[:100],
            kind["first"],
            {"event": kind["event"], "unclear": kind["unclear"], "count": kind["count"]},
        )
        for kind in kinds.order_by("first")
    )
    _alert_cases("events_in_review", cases_of_kinds)


def unannounced_payments(now: datetime) -> "QuerySet[Payment]":
    """Real money of a day in which no webhook came, among the newest payments."""
    since = now - scaled(SILENCE_SECONDS)
    newest_events = WebhookEvent.objects.order_by("-pk").values("pk")[:MOST_CASES]
    webhooks = WebhookEvent.objects.filter(pk__in=newest_events, received_at__gte=since)
    newest = Payment.objects.order_by("-pk").values("pk")[:NEWEST_PAYMENTS]
    return Payment.objects.filter(
        ~Exists(webhooks),
        pk__in=newest,
        state=PaymentState.SUCCESS,
        method=PHONEPE,
        simulated=False,
        decided_at__gte=since,
    )


@check("webhooks", lambda now: [unannounced_payments(now)])
def check_webhooks(now: datetime) -> None:
    """Payments succeed, and no webhook arrives: PhonePe has a wrong address, or a firewall stops the webhooks."""
    if (count := unannounced_payments(now).count()) >= ENOUGH_PAYMENTS:
        alert_staff("webhook_silence", case="webhooks", payments=count)


def alarming_counters(now: datetime) -> "QuerySet[Counter]":
    return Counter.objects.filter(is_alarming=True, ends__gt=now.timestamp())


@check("guesses", lambda now: [alarming_counters(now)])
def check_guesses(now: datetime) -> None:
    """Passwords, tokens and codes that somebody guesses at: each case, or, where there are many, one for all."""
    alarming = alarming_counters(now)
    for scope, count in alarming.values_list("scope").annotate(Count("pk")).order_by("scope"):
        worst = (
            alarming.filter(scope=scope).annotate(attempts=F("count") + F("refused")).order_by("-attempts")
        )
        for counter in worst[: MOST_GUESS_CASES if count <= MOST_GUESS_CASES else 1]:
            case = f"{scope} {counter.pk[:12]}" if count <= MOST_GUESS_CASES else f"{scope}: many"
            facts = {"attempts": counter.attempts, "address": counter.address, "count": count}
            alert_staff("guessing", case=case, **facts)


@check("backups")
def check_backups(now: datetime) -> None:
    """The backup of each night fails, or its timer does not run: nothing else notices until it is needed."""
    if is_overdue(now):
        made_at = newest_made_at()
        alert_staff("backup_overdue", case="backup", made_at=made_at and made_at.isoformat())


def uncounted_cash(now: datetime) -> "QuerySet[ManualEntry]":
    """Taken on a day whose next morning has come, and not counted."""
    local = timezone.localtime(now)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    due = midnight if local.hour >= CASH_COUNTED_BY else midnight - timedelta(days=1)
    return ManualEntry.objects.filter(means=ManualEntry.Means.CASH, closing=None, created_at__lt=due)


@check("cash", lambda now: [uncounted_cash(now)])
def check_cash(now: datetime) -> None:
    """One case for each person. The alert names nobody: the desk does."""
    rows = uncounted_cash(now).order_by().values("person")
    people = rows.annotate(paise=Sum("entry__amount_paise"), since=Min("created_at")).order_by("person")
    cases = (
        Case(
            None,
            f"cash:{row['person']}",
            row["person"],
            {"uncounted_paise": row["paise"], "since": timezone.localdate(row["since"]).isoformat()},
        )
        for row in people
    )
    _alert_cases("cash_not_counted", cases)


@check("worker")
def check_worker(now: datetime) -> None:
    """Alerts staff when due rows wait for too long. Otherwise calls DEAD_MAN_URL, which raises an alarm by silence."""
    oldest = oldest_overdue()
    if oldest is not None and oldest <= now - scaled(LATE_SECONDS):
        alert_staff("worker_overdue", case="worker")
    elif settings.DEAD_MAN_URL:
        try:
            requests.get(settings.DEAD_MAN_URL, timeout=PING_TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            logger.warning("DEAD_MAN_URL does not answer", extra={"cause": str(error)})


def _alert_cases(rule: str, cases: Iterable[Case]) -> None:
    """At most MOST_CASES. Cases that were alerted today do not count."""
    alerted_today, alerts = cases_alerted_today(rule), 0
    for case in cases:
        if case.name not in alerted_today:
            alerts += process_row(f"tell {rule}", case.row, partial(case.alert, rule))
        if alerts == MOST_CASES:
            return


def _payment_case(payment: Payment, **facts: Any) -> Case:
    return Case(payment, f"payment:{payment.pk}", payment.pk, facts)
