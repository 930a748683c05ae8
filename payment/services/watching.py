"""What staff must hear of because time has passed and nothing has happened. Each case is told once a day."""

import logging
from datetime import datetime
from itertools import islice

import requests
from django.conf import settings

from payment.models import OPEN_ATTEMPT, OPEN_REFUND, Payment, PaymentAttempt, Refund, WebhookEvent
from payment.services.backlog import database_now, oldest_overdue
from payment.services.schedule import DAY, HOUR, MINUTE, scaled
from payment.services.telling import alert_staff
from payment.states import Fulfilment, PaymentState, RefundState

logger = logging.getLogger(__name__)

UNDECIDED_SECONDS = 2 * HOUR  # after the page has expired
UNFULFILLED_SECONDS = HOUR
LATE_SECONDS = 5 * MINUTE
SILENCE_SECONDS, ENOUGH_PAYMENTS = DAY, 5
MOST_CASES = 20  # of one rule at one look: the rest is told at the next
PING_TIMEOUT = (5, 5)


def watch(limit: int) -> int:
    """One look at everything, for a worker that looks every minute."""
    now = database_now()
    _watch_payments(now)
    _watch_refunds(now)
    _watch_webhooks(now)
    if _is_late(now):
        alert_staff("worker_overdue", case="worker")
    elif settings.DEAD_MAN_URL:
        _report_alive()
    return 0


def _watch_payments(now: datetime) -> None:
    undecided = PaymentAttempt.objects.filter(
        state__in=OPEN_ATTEMPT, expires_at__lte=now - scaled(UNDECIDED_SECONDS)
    )
    for attempt in islice(undecided.select_related("payment__checkout"), MOST_CASES):
        alert_staff("payment_stuck", attempt.payment, order=attempt.merchant_order_id, state=attempt.state)
    waiting = Payment.objects.filter(
        fulfilment__in=(Fulfilment.DUE, Fulfilment.HELD_FOR_STAFF),
        created_at__lte=now - scaled(UNFULFILLED_SECONDS),
    )
    for payment in islice(waiting.select_related("checkout"), MOST_CASES):
        alert_staff("money_waits", payment)


def _watch_refunds(now: datetime) -> None:
    open_ones = Refund.objects.filter(state__in=(RefundState.WAITING, *OPEN_REFUND), expected_by__lte=now)
    for refund in islice(open_ones.select_related("payment__checkout"), MOST_CASES):
        about = {"refund_id": refund.merchant_refund_id, "refund_paise": refund.amount_paise}
        case = f"refund:{refund.pk}"
        alert_staff("refund_stuck", refund.payment, case=case, state=refund.state, **about)


def _watch_webhooks(now: datetime) -> None:
    """Payments are confirmed, and PhonePe has not called once: it has a wrong address, or a wall is between."""
    since = now - scaled(SILENCE_SECONDS)
    if WebhookEvent.objects.filter(received_at__gte=since).exists():
        return
    paid = Payment.objects.filter(state=PaymentState.SUCCESS, simulated=False, decided_at__gte=since)
    if (count := paid.count()) >= ENOUGH_PAYMENTS:
        alert_staff("webhook_silence", case="webhooks", payments=count)


def _is_late(now: datetime) -> bool:
    oldest = oldest_overdue()
    return oldest is not None and oldest <= now - scaled(LATE_SECONDS)


def _report_alive() -> None:
    """Silence is the alarm: whoever does not get through here has an alarm that is false, and work goes on."""
    try:
        requests.get(settings.DEAD_MAN_URL, timeout=PING_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        logger.warning("the dead-man address does not answer", extra={"cause": str(error)})
