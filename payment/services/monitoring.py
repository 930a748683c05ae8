"""Checks of each minute: alerts staff when something takes too long. Each case is alerted once a day."""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import requests
from django.conf import settings
from django.db.models import Count, Min, Q

from core.clocks import database_now
from notifications.services import cases_alerted_today
from payment.models import OPEN_ATTEMPT, OPEN_REFUND, Payment, PaymentAttempt, Refund, WebhookEvent
from payment.services.clock_repairs import repair_schedules
from payment.services.holds import release_carts_in_review, repair_holds
from payment.services.leases import WHOLE_KIND, process_row
from payment.services.notifications import alert_staff
from payment.services.queue import oldest_overdue
from payment.services.schedule import DAY, HOUR, MINUTE, scaled
from payment.states import Fulfilment, PaymentState, RefundState

logger = logging.getLogger(__name__)

UNDECIDED_SECONDS = 2 * HOUR  # after the page has expired
UNFULFILLED_SECONDS = HOUR
UNCONFIRMED_SECONDS = 35 * MINUTE
LATE_SECONDS = 5 * MINUTE
RECENT_SECONDS = (
    31 * DAY
)  # an event is asked about until PhonePe answers and a worker runs, which may take days
SILENCE_SECONDS, ENOUGH_PAYMENTS = DAY, 5
SECONDS_BETWEEN_CHECKS = MINUTE
MOST_CASES = 20  # of one rule at one look: the rest is told at the next
PING_TIMEOUT = (5, 5)


@dataclass(frozen=True)
class Case:
    """What is told once a day under this name, with plain facts."""

    payment: Payment | None
    name: str
    row: int
    facts: dict[str, Any]


def real_or_simulating(simulated: str) -> Q:
    """Play money whose simulator is switched off is nobody's loss. `simulated`: the column that says what it is."""
    return Q() if settings.PHONEPE_SIMULATION_MODE else Q(**{simulated: False})


def checks_due(now: datetime) -> list[int]:
    """Always: its lease says when somebody looks again."""
    return [WHOLE_KIND]


def run_checks(_: int) -> datetime:
    """One look at everything, each minute, by one of the workers. Returns when to look again.

    Each rule is work of its own, and so is each case of a rule: one that cannot be told stops no other.
    """
    now = database_now()
    for rule, look in RULES.items():
        process_row(f"watch {rule}", WHOLE_KIND, partial(_run_check, look, now))
    return database_now() + timedelta(seconds=SECONDS_BETWEEN_CHECKS)


def _run_check(look: Callable[[datetime], object], now: datetime, _: int) -> None:
    look(now)


def _alert_cases(rule: str, cases: Iterable[Case]) -> None:
    """Those that were told today take no room from the others."""
    told = cases_alerted_today(rule)
    untold = (case for case in cases if case.name not in told)
    tried = (case for case in untold if process_row(f"tell {rule}", case.row, partial(_alert, rule, case)))
    deque(islice(tried, MOST_CASES), maxlen=0)


def _alert(rule: str, case: Case, _: int) -> None:
    alert_staff(rule, case.payment, case=case.name, **case.facts)


def _case(payment: Payment, **facts: Any) -> Case:
    return Case(payment, f"payment:{payment.pk}", payment.pk, facts)


def _late_refund(refund: Refund) -> Case:
    facts = {"refund_id": refund.merchant_refund_id, "refund_paise": refund.amount_paise}
    return Case(refund.payment, f"refund:{refund.pk}", refund.pk, {"state": refund.state, **facts})


def _unconfirmed(event: WebhookEvent) -> Case:
    payment = event.attempt.payment if event.attempt else None
    facts = {"event": event.event, "order": event.merchant_order_id, "refund_id": event.merchant_refund_id}
    return Case(payment, f"event:{event.pk}", event.pk, facts)


def _in_review(kind: dict[str, Any]) -> Case:
    """All of a kind at once: one new word of PhonePe may have come with every order."""
    facts = {"event": kind["event"], "unclear": kind["unclear"], "count": kind["count"]}
    return Case(None, f"events:{kind['event']}:{kind['unclear']}"[:100], kind["first"], facts)


def _check_payments(now: datetime) -> None:
    undecided = PaymentAttempt.objects.filter(
        real_or_simulating("simulated"),
        state__in=OPEN_ATTEMPT,
        expires_at__lte=now - scaled(UNDECIDED_SECONDS),
    ).select_related("payment__checkout")
    _alert_cases(
        "payment_stuck",
        (_case(row.payment, order=row.merchant_order_id, state=row.state) for row in undecided.iterator()),
    )
    waiting = Payment.objects.filter(
        fulfilment__in=(Fulfilment.DUE, Fulfilment.HELD_FOR_STAFF),
        created_at__lte=now - scaled(UNFULFILLED_SECONDS),
    )
    _alert_cases("money_waits", map(_case, waiting.select_related("checkout").iterator()))


def _check_refunds(now: datetime) -> None:
    under_way = Refund.objects.filter(
        real_or_simulating("attempt__simulated"), state__in=(RefundState.WAITING, *OPEN_REFUND)
    )
    late = under_way.filter(expected_by__lte=now).select_related("payment__checkout")
    _alert_cases("refund_stuck", map(_late_refund, late.iterator()))


def _check_events(now: datetime) -> None:
    """What PhonePe told and, asked about it again and again, has not confirmed."""
    recent = WebhookEvent.objects.filter(
        state=WebhookEvent.State.RECEIVED, received_at__gte=now - scaled(RECENT_SECONDS)
    )
    unconfirmed = recent.filter(Q(received_at__lte=now - scaled(UNCONFIRMED_SECONDS)) | Q(next_check_at=None))
    _alert_cases(
        "event_unconfirmed", map(_unconfirmed, unconfirmed.select_related("attempt__payment__checkout"))
    )
    in_review = WebhookEvent.objects.filter(state=WebhookEvent.State.NEEDS_REVIEW).order_by()
    kinds = in_review.values("event", "unclear").annotate(count=Count("pk"), first=Min("pk"))
    _alert_cases("events_in_review", map(_in_review, kinds.order_by("first")))


def _check_webhooks(now: datetime) -> None:
    """Payments are confirmed, and PhonePe has not called once: it has a wrong address, or a wall is between."""
    since = now - scaled(SILENCE_SECONDS)
    if WebhookEvent.objects.filter(received_at__gte=since).exists():
        return
    paid = Payment.objects.filter(state=PaymentState.SUCCESS, simulated=False, decided_at__gte=since)
    if (count := paid.count()) >= ENOUGH_PAYMENTS:
        alert_staff("webhook_silence", case="webhooks", payments=count)


def _check_worker(now: datetime) -> None:
    if _is_late(now):
        alert_staff("worker_overdue", case="worker")
    elif settings.DEAD_MAN_URL:
        _report_alive()


def _is_late(now: datetime) -> bool:
    oldest = oldest_overdue()
    return oldest is not None and oldest <= now - scaled(LATE_SECONDS)


def _report_alive() -> None:
    """Silence is the alarm: whoever does not get through here has an alarm that is false, and work goes on."""
    try:
        requests.get(settings.DEAD_MAN_URL, timeout=PING_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        logger.warning("the dead-man address does not answer", extra={"cause": str(error)})


RULES: dict[str, Callable[[datetime], object]] = {
    "moments": repair_schedules,
    "hold moments": repair_holds,
    "held payments": release_carts_in_review,
    "payments": _check_payments,
    "refunds": _check_refunds,
    "events": _check_events,
    "webhooks": _check_webhooks,
    "worker": _check_worker,
}
