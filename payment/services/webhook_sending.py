"""Sends events to the endpoints of servers, each at least once. Every try of a delivery has the same `webhook-id`.

One silent server must not hold up the others: when a try fails, all that waits for its endpoint waits with it, so that
it is tried once in a while only.
"""

import functools
import json
import logging
import os
import random
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from core.logging import redact
from core.printable import printable
from notifications.services import alert
from payment.models import ServerEvent, WebhookDelivery, WebhookEndpoint
from payment.phonepe.errors import WIRE_ERRORS
from payment.phonepe.transport import Deadline, Resolver, Session
from payment.services.schedule import DAY, HOUR, MINUTE, scaled
from payment.services.server_events import VERSION
from payment.services.webhook_endpoints import SecretUnreadable, public_addresses, secrets_of, sign

logger = logging.getLogger(__name__)

# Seconds to wait after each failed try, three days in all; then the delivery is given up.
PAUSES = (5, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
JITTER = 0.1
DEADLINE_SECONDS = 15
OTHERS_WAIT = MINUTE  # of an endpoint whose last try failed
SWITCHED_OFF_AFTER = 5 * DAY  # of failures only
GONE = 410  # the server wants no more
DISTRIBUTED_AT_ONCE = 100
KEPT_TRIES, KEPT_ANSWER = 12, 200

State = WebhookDelivery.State


def events_to_distribute(now: datetime) -> "QuerySet[ServerEvent]":
    """Those that an enabled endpoint may want. Without any endpoint there are none, whatever was written."""
    enabled = WebhookEndpoint.objects.filter(is_enabled=True).order_by("first_event")
    return ServerEvent.objects.filter(
        is_distributed=False, pk__gt=enabled.values("first_event")[:1]
    ).order_by("pk")


def distribute(event_id: int) -> None:
    """A delivery for each endpoint that wants this event, or one of the next ones. Twice is once."""
    new = ServerEvent.objects.filter(is_distributed=False, pk__gte=event_id).order_by("pk")
    try:
        _distribute(list(new[:DISTRIBUTED_AT_ONCE]))
    except DatabaseError:  # of another one, perhaps: this one goes by itself
        _distribute(list(new.filter(pk=event_id)))


def _distribute(events: list[ServerEvent]) -> None:
    endpoints = list(WebhookEndpoint.objects.filter(is_enabled=True))
    deliveries = [
        WebhookDelivery(event=event, endpoint=endpoint)
        for event in events
        for endpoint in endpoints
        if event.pk > endpoint.first_event and (not endpoint.types or event.type in endpoint.types)
    ]
    with transaction.atomic():
        WebhookDelivery.objects.bulk_create(deliveries, ignore_conflicts=True)
        ServerEvent.objects.filter(pk__in=[event.pk for event in events]).update(is_distributed=True)


def send(delivery: WebhookDelivery) -> None:
    """One try, and what follows from its answer. Outside any transaction."""
    if delivery.state != State.WAITING:
        return
    endpoint, event = delivery.endpoint, delivery.event
    if not endpoint.is_enabled:
        _end(delivery, State.GIVEN_UP)
        return
    now = timezone.now()
    body = message(event)
    try:
        signature = sign(secrets_of(endpoint, now), event.event_id, int(now.timestamp()), body)
    except SecretUnreadable:
        disable(endpoint, "its secret cannot be read: a key of DATA_KEYS is missing")
        return
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event.event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    made = _post(endpoint.url, body, headers)
    delivery.tries = [*delivery.tries, {"at": now.isoformat(timespec="seconds"), **made}][-KEPT_TRIES:]
    status = made["status"] or 0
    if 200 <= status < 300:
        _delivered(delivery, endpoint)
    elif status == GONE:
        _failed(delivery, endpoint, now)
        disable(endpoint, "it answered 410: it wants no more")
    else:
        _failed(delivery, endpoint, now)


def message(event: ServerEvent) -> bytes:
    """The same at every try."""
    line = {
        "id": event.event_id,
        "type": event.type,
        "version": VERSION,
        "timestamp": event.created_at.isoformat(),
        "data": event.data,
    }
    return json.dumps(line, ensure_ascii=False).encode()


def _post(url: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """`status` (None without an answer), `answer` or `error`, and `ms`."""
    session = _session(os.getpid())
    in_flight = session.start_request(Deadline(DEADLINE_SECONDS))
    try:
        answer = session.send_request(in_flight, "POST", url, body=body, headers=headers)
    except (*WIRE_ERRORS, ValueError) as error:
        text = redact(f"{type(error).__name__}: {error}")
        return {"status": None, "error": printable(text)[:KEPT_ANSWER], "ms": in_flight.elapsed_ms}
    text = answer.body[: 4 * KEPT_ANSWER].decode(errors="replace")
    return {"status": answer.http_status, "answer": printable(text)[:KEPT_ANSWER], "ms": in_flight.elapsed_ms}


@functools.lru_cache(maxsize=2)
def _session(process: int) -> Session:
    """It connects to what `public_addresses` has looked at and to nothing else, whatever DNS says a moment later."""
    made = Session(resolver=Resolver(public_addresses))
    made.headers["User-Agent"] = "okpuja-webhooks/1"
    return made


def _delivered(delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    _end(delivery, State.DELIVERED, delivered_at=timezone.now())
    works_again = WebhookEndpoint.objects.filter(pk=endpoint.pk).exclude(failing_since=None)
    if works_again.update(failing_since=None):
        _reschedule(_waiting(endpoint), timezone.now())


def _failed(delivery: WebhookDelivery, endpoint: WebhookEndpoint, now: datetime) -> None:
    if delivery.checks > len(PAUSES):
        _end(delivery, State.GIVEN_UP)
    else:
        pause = scaled(PAUSES[delivery.checks - 1]) * random.uniform(1 - JITTER, 1 + JITTER)
        _mine(delivery).update(next_check_at=timezone.now() + pause, tries=delivery.tries)
    later = timezone.now() + scaled(OTHERS_WAIT)
    _reschedule(_waiting(endpoint).exclude(pk=delivery.pk).filter(next_check_at__lt=later), later)
    WebhookEndpoint.objects.filter(pk=endpoint.pk, failing_since=None).update(failing_since=now)
    if endpoint.failing_since and now - endpoint.failing_since >= scaled(SWITCHED_OFF_AFTER):
        disable(endpoint, f"every try since {endpoint.failing_since:%Y-%m-%d} failed")


def disable(endpoint: WebhookEndpoint, because: str) -> None:
    """It gets nothing any more, and staff are told. Twice is once."""
    off = {"is_enabled": False, "disabled_because": because[:200]}
    if not WebhookEndpoint.objects.filter(pk=endpoint.pk, is_enabled=True).update(**off):
        return
    _waiting(endpoint).update(state=State.GIVEN_UP, next_check_at=None)
    facts = {"endpoint": endpoint.pk, "host": urlsplit(endpoint.url).hostname or "", "cause": because}
    alert("webhook_endpoint_off", f"endpoint:{endpoint.pk}", facts)


def send_again(delivery: WebhookDelivery) -> bool:
    """From the first try, with the same `webhook-id`. False while it waits anyway, or its endpoint is off."""
    done = WebhookDelivery.objects.filter(pk=delivery.pk, endpoint__is_enabled=True)
    again = {"state": State.WAITING, "checks": 0, "delivered_at": None, "next_check_at": timezone.now()}
    return bool(done.exclude(state=State.WAITING).update(**again))


def send_to_all(event: ServerEvent) -> int:
    """This event once more to every enabled endpoint, also to one that did not want it. Returns how many."""
    enabled = WebhookEndpoint.objects.filter(is_enabled=True)
    sent = 0
    for endpoint in enabled:
        delivery, is_new = WebhookDelivery.objects.get_or_create(event=event, endpoint=endpoint)
        sent += is_new or send_again(delivery)
    return sent


@transaction.atomic
def send_test_event(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """To this endpoint alone, whatever types it wants."""
    data = {"endpoint_id": endpoint.pk, "message": "A test: nothing has happened."}
    event = ServerEvent.objects.create(type=ServerEvent.Type.ENDPOINT_TEST, data=data, is_distributed=True)
    return WebhookDelivery.objects.create(event=event, endpoint=endpoint)


def _reschedule(others: "QuerySet[WebhookDelivery]", at: datetime) -> None:
    """Best effort: a row that cannot be written must not stop the one that was tried."""
    try:
        with transaction.atomic():
            others.update(next_check_at=at)
    except DatabaseError as error:
        logger.warning("deliveries were not rescheduled", extra={"error": type(error).__name__})


def _waiting(endpoint: WebhookEndpoint) -> "QuerySet[WebhookDelivery]":
    return WebhookDelivery.objects.filter(endpoint=endpoint, state=State.WAITING)


def _mine(delivery: WebhookDelivery) -> "QuerySet[WebhookDelivery]":
    """Unless staff have sent it again meanwhile, or its endpoint was switched off."""
    return WebhookDelivery.objects.filter(
        pk=delivery.pk, state=State.WAITING, next_check_at=delivery.next_check_at
    )


def _end(delivery: WebhookDelivery, state: WebhookDelivery.State, **values: Any) -> None:
    _mine(delivery).update(state=state, next_check_at=None, tries=delivery.tries, **values)
