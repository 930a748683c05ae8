"""Checks of each minute: alerts staff when something takes too long. Each case is alerted once a day."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import requests
from django.conf import settings
from django.db.models import Count, F, Min, Q

from accounts.sessions import purge_admin
from booking.services import forget_networks
from core.clocks import database_now
from core.counters import purge_expired
from core.models import Counter
from notifications.services import cases_alerted_today
from payment.models import OPEN_ATTEMPT, OPEN_REFUND, Payment, PaymentAttempt, Refund, WebhookEvent
from payment.services.clock_repairs import repair_schedules
from payment.services.holds import release_carts_in_review, repair_holds
from payment.services.leases import WHOLE_KIND, process_row
from payment.services.notifications import alert_staff
from payment.services.queue import oldest_overdue
from payment.services.refunds.amounts import REQUESTED
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
SECONDS_BETWEEN_CHECKS = MINUTE
MOST_GUESS_CASES = 3
MOST_CASES = 20  # of one rule in one run: the next run alerts the rest
PING_TIMEOUT = (5, 5)


Check = Callable[[datetime], object]


@dataclass(frozen=True)
class Case:
    """What staff are alerted to once a day under this name, with plain facts. `row`: the key for the work lease."""

    payment: Payment | None
    name: str
    row: int
    facts: dict[str, Any]

    def alert(self, rule: str, row: int) -> None:
        alert_staff(rule, self.payment, case=self.name, **self.facts)


# By name: part of the kind of a work lease.
CHECKS: dict[str, Check] = {
    "moments": repair_schedules,
    "hold moments": repair_holds,
    "held payments": release_carts_in_review,
    "networks of holds": forget_networks,
    "sessions of the admin": purge_admin,
    "counters": lambda now: purge_expired(now.timestamp()),
}


def check(name: str) -> Callable[[Check], Check]:
    """Adds a function to CHECKS."""

    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

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
    for name, function in CHECKS.items():
        process_row(f"watch {name}", WHOLE_KIND, partial(_run_check, function, now))
    return database_now() + timedelta(seconds=SECONDS_BETWEEN_CHECKS)


def _run_check(function: Check, now: datetime, row: int) -> None:
    function(now)


@check("payments")
def check_payments(now: datetime) -> None:
    undecided = PaymentAttempt.objects.filter(
        real_or_simulating("simulated"),
        state__in=OPEN_ATTEMPT,
        expires_at__lte=now - scaled(UNDECIDED_SECONDS),
    ).select_related("payment__checkout")
    _alert_cases(
        "payment_stuck",
        (
            _payment_case(row.payment, order=row.merchant_order_id, state=row.state)
            for row in undecided.iterator()
        ),
    )
    waiting = Payment.objects.filter(
        fulfilment__in=(Fulfilment.DUE, Fulfilment.HELD_FOR_STAFF),
        created_at__lte=now - scaled(UNFULFILLED_SECONDS),
    )
    _alert_cases("money_waits", map(_payment_case, waiting.select_related("checkout").iterator()))


@check("refunds")
def check_refunds(now: datetime) -> None:
    under_way = Refund.objects.filter(
        real_or_simulating("attempt__simulated"), state__in=(RefundState.WAITING, *OPEN_REFUND)
    )
    late = under_way.filter(expected_by__lte=now).select_related("payment__checkout")
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
    requested = Refund.objects.filter(REQUESTED, created_at__lte=now - scaled(UNAPPROVED_SECONDS))
    if count := requested.count():
        alert_staff("refunds_await_approval", case="requests", refunds=count)


@check("events")
def check_events(now: datetime) -> None:
    """Webhooks that PhonePe's status has not confirmed for long, and webhooks in review."""
    recent = WebhookEvent.objects.filter(
        state=WebhookEvent.State.RECEIVED, received_at__gte=now - scaled(RECENT_SECONDS)
    )
    unconfirmed = recent.filter(Q(received_at__lte=now - scaled(UNCONFIRMED_SECONDS)) | Q(next_check_at=None))
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
    in_review = WebhookEvent.objects.filter(state=WebhookEvent.State.NEEDS_REVIEW).order_by()
    kinds = in_review.values("event", "unclear").annotate(count=Count("pk"), first=Min("pk"))
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


@check("webhooks")
def check_webhooks(now: datetime) -> None:
    """Payments succeed, and no webhook arrives: PhonePe has a wrong address, or a firewall stops the webhooks."""
    since = now - scaled(SILENCE_SECONDS)
    if WebhookEvent.objects.filter(received_at__gte=since).exists():
        return
    paid = Payment.objects.filter(state=PaymentState.SUCCESS, simulated=False, decided_at__gte=since)
    if (count := paid.count()) >= ENOUGH_PAYMENTS:
        alert_staff("webhook_silence", case="webhooks", payments=count)


@check("guesses")
def check_guesses(now: datetime) -> None:
    """Passwords, tokens and codes that somebody guesses at: each case, or, where there are many, one for all."""
    alarming = Counter.objects.filter(is_alarming=True, ends__gt=now.timestamp())
    for scope, count in alarming.values_list("scope").annotate(Count("pk")).order_by("scope"):
        worst = (
            alarming.filter(scope=scope).annotate(attempts=F("count") + F("refused")).order_by("-attempts")
        )
        for counter in worst[: MOST_GUESS_CASES if count <= MOST_GUESS_CASES else 1]:
            case = f"{scope} {counter.pk[:12]}" if count <= MOST_GUESS_CASES else f"{scope}: many"
            facts = {"attempts": counter.attempts, "address": counter.address, "count": count}
            alert_staff("guessing", case=case, **facts)


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
            logger.warning("the dead-man address does not answer", extra={"cause": str(error)})


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
