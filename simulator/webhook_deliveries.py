"""Webhooks: written with the change they tell of, sent afterwards, repeated until somebody says 2xx.

PhonePe publishes neither how often it repeats nor when; the pauses here are ours.
"""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import requests
import urllib3
from django.conf import settings
from django.db.models import F

from simulator import clock, events, faults, v1_messages, v2_messages, webhook_faults, wire_faults
from simulator.models import Attempt, Delivery, Fault, Merchant, Order, Refund, State
from simulator.wire import Json, compact

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300, 900))
TIMEOUT = 3
DELAY, LONGEST_HELD = 30, 600
LEASE = timedelta(seconds=60)
OUR_WEBHOOK = "/api/payments/webhook/phonepe/"
# For some addresses that lead nowhere requests lets through what its parts raise, unwrapped.
NOT_HEARD = (requests.RequestException, urllib3.exceptions.HTTPError, ValueError)


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


def announce(merchant: Merchant, said: Json, scheme: str = "") -> Delivery:
    """What was not caused by anything in the books. `scheme`: proved so, whatever the merchant has agreed to."""
    return _enqueue(
        merchant, said["event"], events.about(said["payload"]), merchant.webhook_url, said, scheme
    )


def send_again(delivery: Delivery) -> Delivery:
    """A copy, so that the log keeps what became of the first one."""
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
    """Sends what is due, each claimed only when its turn has come; returns how many deliveries were tried."""
    moment = clock.now()
    due = Delivery.objects.filter(due_at__lte=moment).select_related("merchant").order_by("due_at", "pk")
    tried = 0
    for delivery in due[:limit]:
        if _claim(delivery):
            _send(delivery)
            tried += 1
    return tried


def _tell_order(outcome: str, order: Order, attempts: Sequence[Attempt]) -> None:
    said = v2_messages.order_event(outcome, order, attempts[-1:])
    _enqueue(order.merchant, said["event"], order.merchant_order_id, order.merchant.webhook_url, said)


def _enqueue(merchant: Merchant, event: str, about: str, url: str, said: Json, scheme: str = "") -> Delivery:
    moment = clock.now()
    delivery: Delivery = Delivery.objects.create(
        merchant=merchant,
        event=event,
        about=about,
        url=url or settings.PUBLIC_BASE_URL + OUR_WEBHOOK,
        body=compact(said).decode(),
        scheme=scheme,
        created_at=moment,
        due_at=moment,
    )
    return delivery


def _claim(delivery: Delivery) -> bool:
    """Several processes may deliver from one database: who moves `due_at` sends."""
    lease = clock.now() + LEASE
    mine = Delivery.objects.filter(pk=delivery.pk, due_at=delivery.due_at)
    if not mine.update(due_at=lease, tries=F("tries") + 1):
        return False
    delivery.tries += 1
    return True


def _send(delivery: Delivery) -> None:
    fault = faults.take("webhook", delivery.about)
    if fault and fault.kind in PUT_OFF:
        PUT_OFF[fault.kind](delivery, fault.argument)
        return
    status, error = _call(delivery, fault)
    _record(delivery, status, error)
    # Whatever was held back until a later webhook had gone may go now.
    held = Delivery.objects.filter(merchant=delivery.merchant, held=True, due_at__isnull=False)
    held.update(held=False, due_at=clock.now())


def _call(delivery: Delivery, fault: Fault | None) -> tuple[int | None, str]:
    """The status of the shop's answer, or why there is none."""
    if fault is None:
        return _post(delivery)
    times = int(fault.argument or 2) if fault.kind == "duplicate" else 1
    answers = [_post(delivery, fault.kind, fault.argument) for _ in range(times) if fault.carried_out]
    if fault.kind in wire_faults.KINDS:
        return None, f"fault: {fault.kind}"
    return answers[-1]


def _drop(delivery: Delivery, argument: str) -> None:
    _finish(delivery, last_error="dropped by a fault")


def _delay(delivery: Delivery, argument: str) -> None:
    _postpone(delivery, timedelta(seconds=int(argument or DELAY)), error="delayed by a fault")


def _hold(delivery: Delivery, argument: str) -> None:
    """Until another one has overtaken it; not for ever, in case there is none."""
    Delivery.objects.filter(pk=delivery.pk).update(held=True)
    _postpone(delivery, timedelta(seconds=int(argument or LONGEST_HELD)), error="held back by a fault")


PUT_OFF: dict[str, Callable[[Delivery, str], None]] = {"drop": _drop, "delay": _delay, "reorder": _hold}


def _post(delivery: Delivery, kind: str = "", argument: str = "") -> tuple[int | None, str]:
    body = webhook_faults.told(delivery, kind, argument)
    headers = {"Content-Type": "application/json", **_proof(delivery, kind, body)}
    try:
        with requests.Session() as session:
            session.trust_env = False
            answered = session.post(
                delivery.url,
                data=body,
                headers=headers,
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,  # what the shop says beyond its status is nobody's business
            )
            return answered.status_code, ""
    except NOT_HEARD as error:
        return None, f"{type(error).__name__}: {error}"[:200]


def _proof(delivery: Delivery, kind: str = "", body: bytes = b"") -> dict[str, str]:
    """The headers that say who speaks. `kind`: `forged` proves nothing, `other_scheme` is not what was agreed."""
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
