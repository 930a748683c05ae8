"""`Idempotency-Key`: the same key and body gives the stored answer, the same key with another body is refused."""

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import timedelta

from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from core.clocks import database_now, lease_ended
from core.errors import Conflict, Refusal, handle_exception
from payment.models import IdempotencyKey

LEASE = timedelta(seconds=60)
KEPT = timedelta(hours=24)
# Anybody may send a guest's key: it must be as hard to guess as 128 random bits (22 characters of base64).
SHORTEST_GUEST_KEY, SHORTEST_KEY, LONGEST_KEY = 22, 8, 255


class KeyInUse(Conflict):
    default_code = "idempotency_in_flight"
    default_detail = "The same request is still being worked on."
    retryable = True
    retry_after = 3


class KeyReused(Refusal):
    status_code = 422
    default_code = "idempotency_mismatch"
    default_detail = "This Idempotency-Key was used with another request."


def answer_once(request: Request, route: str, work: Callable[[], Response]) -> Response:
    """Do `work`, unless its answer is stored under the request's key. Only 2xx, 400 and 422 are stored."""
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        return work()
    row, is_ours = _claim(request, route, key)
    if not is_ours:
        response = Response(row.answer, status=row.status_code)
        response["Idempotent-Replayed"] = "true"
        return response
    answer = None
    try:
        answer = work()
        return answer
    except APIException as refusal:
        answer = handle_exception(refusal, {})
        raise
    finally:
        _end(row, answer)


def _claim(request: Request, route: str, key: str) -> tuple[IdempotencyKey, bool]:
    now, mine = database_now(), uuid.uuid4()
    caller = f"user:{request.user.pk}" if request.user.is_authenticated else "guest"
    _check(key, caller)
    found = IdempotencyKey.objects.filter(caller=caller, route=route, key_digest=_digest(key))
    found.exclude(created_at__gte=now - KEPT, created_at__lte=now + KEPT).delete()
    wanted = IdempotencyKey(
        caller=caller,
        route=route,
        key_digest=_digest(key),
        body_digest=_digest(json.dumps(request.data, sort_keys=True, default=str)),
        lease=mine,
        lease_until=now + LEASE,
    )
    IdempotencyKey.objects.bulk_create([wanted], ignore_conflicts=True)
    row = found.first()
    if row is None:  # whoever had the key has just ended without an answer to keep, and freed it
        raise KeyInUse
    if row.body_digest != wanted.body_digest:
        raise KeyReused
    if row.lease == mine or _take_over(row, mine):
        return row, True
    if row.status_code is None:
        raise KeyInUse
    return row, False


def _check(key: str, caller: str) -> None:
    shortest = SHORTEST_GUEST_KEY if caller == "guest" else SHORTEST_KEY
    if not (shortest <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise Refusal(
            f"Idempotency-Key must have {shortest} to {LONGEST_KEY} printable characters.",
            code="idempotency_key_invalid",
        )


def _take_over(row: IdempotencyKey, mine: uuid.UUID) -> bool:
    """Whoever held the lease died with it."""
    now = database_now()
    unanswered = IdempotencyKey.objects.filter(pk=row.pk, lease=row.lease, status_code=None)
    if not unanswered.filter(lease_ended("lease_until", now, LEASE)).update(
        lease=mine, lease_until=now + LEASE
    ):
        return False
    row.lease = mine
    return True


def _end(row: IdempotencyKey, response: Response | None) -> None:
    held = IdempotencyKey.objects.filter(pk=row.pk, lease=row.lease)
    if response is not None and (response.status_code < 300 or response.status_code in (400, 422)):
        held.update(
            status_code=response.status_code, answer=json.loads(json.dumps(response.data, default=str))
        )
    else:
        held.delete()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
