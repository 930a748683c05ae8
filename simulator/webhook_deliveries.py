"""Webhooks: stored in the transaction of the change, sent afterwards, retried until a 2xx.

PhonePe does not publish its retry schedule; RETRY_DELAYS are ours.
"""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import requests
import urllib3
from django.conf import settings
from django.db.models import F

from simulator import (
    clock,
    destinations,
    events,
    faults,
    v1_messages,
    v2_messages,
    webhook_faults,
    wire_faults,
)
from simulator.models import Attempt, Delivery, Fault, Merchant, Order, Refund, State
from simulator.wire import Json, to_json

RETRY_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300, 900))
TIMEOUT_SECONDS = 3
DELAY_SECONDS, REORDER_SECONDS = 30, 600
LEASE = timedelta(seconds=60)
WEBHOOK_PATH = "/api/payments/webhook/phonepe/"
# For some invalid URLs requests does not wrap the errors of its parts.
SEND_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, ValueError)


def enqueue_order_event(order: Order) -> None:
    """Both generations report the end of an order; V1 reports nothing before it."""
    attempts = list(order.attempts.order_by("pk"))
    if order.merchant.generation == Merchant.Generation.V1:
        message = v1_messages.callback(v1_messages.payment(order, attempts[-1] if attempts else None))
        url = order.callback_url or order.merchant.webhook_url
        _enqueue(order.merchant, "callback", order.merchant_order_id, url, message)
        return
    outcome = "order.completed" if order.state == State.COMPLETED else "order.failed"
    _enqueue_v2_order_event(outcome, order, attempts)


def enqueue_attempt_failed(order: Order, attempt: Attempt) -> None:
    if order.merchant.generation == Merchant.Generation.V2:
        _enqueue_v2_order_event("transaction.attempt.failed", order, [attempt])


def enqueue_refund_event(refund: Refund) -> None:
    attempt = refund.order.attempts.get(state=State.COMPLETED)
    if refund.merchant.generation == Merchant.Generation.V2:
        outcome = {State.CONFIRMED: "accepted", State.COMPLETED: "completed"}.get(
            State(refund.state), "failed"
        )
        message = v2_messages.refund_event(outcome, refund, attempt.mode)
        _enqueue(
            refund.merchant, message["event"], refund.merchant_refund_id, refund.merchant.webhook_url, message
        )
    elif refund.state != State.CONFIRMED:
        message = v1_messages.callback(v1_messages.refund_status(refund, attempt))
        url = refund.callback_url or refund.merchant.webhook_url
        _enqueue(refund.merchant, "callback", refund.merchant_refund_id, url, message)


def enqueue_event(merchant: Merchant, message: Json, scheme: str = "") -> Delivery:
    """An event on demand. `scheme` overrides the merchant's authentication scheme."""
    return _enqueue(
        merchant,
        message["event"],
        events.find_reference(message["payload"]),
        merchant.webhook_url,
        message,
        scheme,
    )


def resend(delivery: Delivery) -> Delivery:
    """Sends a copy, so that the log keeps the result of the first one."""
    moment = clock.now()
    copy: Delivery = Delivery.objects.create(
        merchant=delivery.merchant,
        event=delivery.event,
        about=delivery.about,
        url=delivery.url,
        body=delivery.body,
        scheme=delivery.scheme,
        created_at=moment,
        due_at=moment,
    )
    return copy


def send_due(limit: int = 50) -> int:
    """Sends what is due, each claimed just before it is sent; returns how many were tried."""
    moment = clock.now()
    due = Delivery.objects.filter(due_at__lte=moment).select_related("merchant").order_by("due_at", "pk")
    tried = 0
    for delivery in due[:limit]:
        if _claim(delivery):
            _send(delivery)
            tried += 1
    return tried


def _enqueue_v2_order_event(outcome: str, order: Order, attempts: Sequence[Attempt]) -> None:
    message = v2_messages.order_event(outcome, order, attempts[-1:])
    _enqueue(order.merchant, message["event"], order.merchant_order_id, order.merchant.webhook_url, message)


def _enqueue(
    merchant: Merchant, event: str, about: str, url: str, message: Json, scheme: str = ""
) -> Delivery:
    moment = clock.now()
    delivery: Delivery = Delivery.objects.create(
        merchant=merchant,
        event=event,
        about=about,
        url=url or settings.PUBLIC_BASE_URL + WEBHOOK_PATH,
        body=to_json(message).decode(),
        scheme=scheme,
        created_at=moment,
        due_at=moment,
    )
    return delivery


def _claim(delivery: Delivery) -> bool:
    """Several processes may share the database: the one that changes `due_at` sends."""
    lease = clock.now() + LEASE
    mine = Delivery.objects.filter(pk=delivery.pk, due_at=delivery.due_at)
    if not mine.update(due_at=lease, tries=F("tries") + 1):
        return False
    delivery.tries += 1
    return True


def _send(delivery: Delivery) -> None:
    fault = faults.take("webhook", delivery.about)
    if fault and fault.kind in POSTPONING:
        POSTPONING[fault.kind](delivery, fault.argument)
        return
    status, error = _send_with_fault(delivery, fault)
    if status is not None and 200 <= status < 300:
        _finish(delivery, delivered_at=clock.now(), last_status=status, last_error="")
    elif delivery.tries > len(RETRY_DELAYS):
        _finish(delivery, last_status=status, last_error=error)
    else:
        _postpone(delivery, RETRY_DELAYS[delivery.tries - 1], status, error)
    # Release the webhooks that waited for a later one to be sent (fault `reorder`).
    held = Delivery.objects.filter(merchant=delivery.merchant, held=True, due_at__isnull=False)
    held.update(held=False, due_at=clock.now())


def _send_with_fault(delivery: Delivery, fault: Fault | None) -> tuple[int | None, str]:
    """The status of the shop's response, or the error."""
    if fault is None:
        return _post(delivery)
    times = int(fault.argument or 2) if fault.kind == "duplicate" else 1
    answers = [_post(delivery, fault.kind, fault.argument) for _ in range(times) if fault.carried_out]
    if fault.kind in wire_faults.KINDS:
        return None, f"fault: {fault.kind}"
    return answers[-1]


def _hold(delivery: Delivery, argument: str) -> None:
    """Until a later webhook has been sent, or REORDER_SECONDS have passed."""
    Delivery.objects.filter(pk=delivery.pk).update(held=True)
    _postpone(delivery, timedelta(seconds=int(argument or REORDER_SECONDS)), error="held back by a fault")


POSTPONING: dict[str, Callable[[Delivery, str], None]] = {
    "drop": lambda delivery, argument: _finish(delivery, last_error="dropped by a fault"),
    "delay": lambda delivery, argument: _postpone(
        delivery, timedelta(seconds=int(argument or DELAY_SECONDS)), error="delayed by a fault"
    ),
    "reorder": _hold,
}


def _post(delivery: Delivery, kind: str = "", argument: str = "") -> tuple[int | None, str]:
    if not destinations.is_allowed(delivery.url):
        return None, "not sent: this is no address of the shop"
    body = webhook_faults.apply_fault(delivery, kind, argument)
    headers = {"Content-Type": "application/json", **authentication_headers(delivery, kind, body)}
    try:
        with requests.Session() as session:
            session.trust_env = False
            answered = session.post(
                delivery.url,
                data=body,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,  # only the status is read, never the body
            )
            return answered.status_code, ""
    except SEND_ERRORS as error:
        return None, f"{type(error).__name__}: {error}"[:200]


def authentication_headers(delivery: Delivery, kind: str = "", body: bytes = b"") -> dict[str, str]:
    """`kind`: `forged` makes the headers invalid, `other_scheme` uses the scheme that is not configured."""
    body = body or delivery.body.encode()
    merchant = delivery.merchant
    if merchant.generation == Merchant.Generation.V2:
        proof = v2_messages.webhook_headers(
            merchant, body, delivery.scheme, other_scheme=kind == "other_scheme"
        )
    elif kind == "other_scheme":
        proof = v2_messages.signature(merchant.salt_key, str(merchant.salt_index), body)
    else:
        proof = {"X-VERIFY": v1_messages.checksum(json.loads(body)["response"], merchant)}
    return {name: "0" * len(value) for name, value in proof.items()} if kind == "forged" else proof


def _postpone(delivery: Delivery, pause: timedelta, status: int | None = None, error: str = "") -> None:
    changes = {"due_at": clock.now() + pause, "last_status": status, "last_error": error}
    Delivery.objects.filter(pk=delivery.pk, delivered_at=None).update(**changes)


def _finish(delivery: Delivery, **outcome: Any) -> None:
    Delivery.objects.filter(pk=delivery.pk, delivered_at=None).update(due_at=None, **outcome)
