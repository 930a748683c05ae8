"""Webhooks: written with the change they tell of, sent afterwards, repeated until somebody says 2xx.

PhonePe publishes neither how often it repeats nor when; the pauses here are ours.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import requests
from django.conf import settings
from django.db.models import F

from simulator import clock, faults, v1_messages, v2_messages
from simulator.models import Attempt, Delivery, Merchant, Order, Refund, State
from simulator.wire import Json, compact

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300, 900))
TIMEOUT = 3
LEASE = timedelta(seconds=60)
OUR_WEBHOOK = "/api/payments/webhook/phonepe/"


def order_ended(order: Order) -> None:
    """Both generations tell of an order's end; V1 tells nothing before it."""
    attempts = list(order.attempts.order_by("pk"))
    if order.merchant.generation == Merchant.Generation.V1:
        said = v1_messages.callback(v1_messages.payment(order, attempts[-1] if attempts else None))
        url = order.callback_url or order.merchant.webhook_url
        _enqueue(order.merchant, "callback", order.merchant_order_id, url, said)
        return
    outcome = "order.completed" if order.state == State.COMPLETED else "order.failed"
    _tell_order(outcome, order, attempts)


def attempt_failed(order: Order, attempt: Attempt) -> None:
    if order.merchant.generation == Merchant.Generation.V2:
        _tell_order("transaction.attempt.failed", order, [attempt])


def refund_moved(refund: Refund) -> None:
    attempt = refund.order.attempts.get(state=State.COMPLETED)
    if refund.merchant.generation == Merchant.Generation.V2:
        outcome = {State.CONFIRMED: "accepted", State.COMPLETED: "completed"}.get(
            State(refund.state), "failed"
        )
        said = v2_messages.refund_event(outcome, refund, attempt.mode)
        _enqueue(refund.merchant, said["event"], refund.merchant_refund_id, refund.merchant.webhook_url, said)
    elif refund.state != State.CONFIRMED:
        said = v1_messages.callback(v1_messages.refund_status(refund, attempt))
        url = refund.callback_url or refund.merchant.webhook_url
        _enqueue(refund.merchant, "callback", refund.merchant_refund_id, url, said)


def send_due(limit: int = 50) -> int:
    """Sends what is due; returns how many deliveries were tried."""
    moment = clock.now()
    due = Delivery.objects.filter(due_at__lte=moment).select_related("merchant").order_by("due_at", "pk")
    claimed = [delivery for delivery in due[:limit] if _claim(delivery)]
    for delivery in claimed:
        _send(delivery)
    return len(claimed)


def _tell_order(outcome: str, order: Order, attempts: Sequence[Attempt]) -> None:
    said = v2_messages.order_event(outcome, order, attempts[-1:])
    _enqueue(order.merchant, said["event"], order.merchant_order_id, order.merchant.webhook_url, said)


def _enqueue(merchant: Merchant, event: str, about: str, url: str, said: Json) -> None:
    moment = clock.now()
    Delivery.objects.create(
        merchant=merchant,
        event=event,
        about=about,
        url=url or settings.PUBLIC_BASE_URL + OUR_WEBHOOK,
        body=compact(said).decode(),
        created_at=moment,
        due_at=moment,
    )


def _claim(delivery: Delivery) -> bool:
    """Several processes may deliver from one database: who moves `due_at` sends."""
    lease = clock.now() + LEASE
    mine = Delivery.objects.filter(pk=delivery.pk, due_at=delivery.due_at)
    if not mine.update(due_at=lease, tries=F("tries") + 1):
        return False
    delivery.tries += 1
    return True


def _send(delivery: Delivery) -> None:
    fault = faults.take("webhook")
    kind = fault.kind if fault else ""
    if fault and kind == "delay":
        _postpone(delivery, timedelta(seconds=int(fault.argument or 30)), error="delayed by a fault")
        return
    if kind == "drop":
        _finish(delivery, last_error="dropped by a fault")
        return
    status, error = None, ""
    if fault is None or fault.carried_out:
        status, error = _post(delivery, forged=kind == "forged")
    if kind == "duplicate":
        status, error = _post(delivery)
    if kind in faults.KINDS:
        status, error = None, f"fault: {kind}"
    _record(delivery, status, error)


def _post(delivery: Delivery, *, forged: bool = False) -> tuple[int | None, str]:
    proof = _proof(delivery)
    if forged:
        proof = {name: "0" * len(value) for name, value in proof.items()}
    headers = {"Content-Type": "application/json", **proof}
    try:
        with requests.Session() as session:
            session.trust_env = False
            answered = session.post(
                delivery.url,
                data=delivery.body.encode(),
                headers=headers,
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,  # what the shop says beyond its status is nobody's business
            )
            return answered.status_code, ""
    except requests.RequestException as error:
        return None, f"{type(error).__name__}: {error}"[:200]


def _proof(delivery: Delivery) -> dict[str, str]:
    if delivery.merchant.generation == Merchant.Generation.V2:
        return v2_messages.webhook_headers(delivery.merchant, delivery.body.encode())
    return {"X-VERIFY": v1_messages.checksum(json.loads(delivery.body)["response"], delivery.merchant)}


def _record(delivery: Delivery, status: int | None, error: str) -> None:
    if status is not None and 200 <= status < 300:
        _finish(delivery, delivered_at=clock.now(), last_status=status, last_error="")
    elif delivery.tries > len(PAUSES):
        _finish(delivery, last_status=status, last_error=error)
    else:
        _postpone(delivery, PAUSES[delivery.tries - 1], status, error)


def _postpone(delivery: Delivery, pause: timedelta, status: int | None = None, error: str = "") -> None:
    changes = {"due_at": clock.now() + pause, "last_status": status, "last_error": error}
    Delivery.objects.filter(pk=delivery.pk, delivered_at=None).update(**changes)


def _finish(delivery: Delivery, **outcome: Any) -> None:
    Delivery.objects.filter(pk=delivery.pk, delivered_at=None).update(due_at=None, **outcome)
