"""`Idempotency-Key`: the same key and body get the stored answer; the same key with another body is refused.

A request claims the key before it works, and stores its answer or releases the key afterwards. The database decides
which of several requests with one key works.
"""

import hashlib
import json
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from core.clocks import database_now, lease_ended
from core.errors import Conflict, Refusal
from payment.models import IdempotencyKey

LEASE = timedelta(seconds=60)
KEPT = timedelta(hours=24)
GUEST = "guest"
# Anybody may send a guest's key: it must be as hard to guess as 128 random bits (22 characters of base64).
SHORTEST_GUEST_KEY, SHORTEST_KEY, LONGEST_KEY = 22, 8, 255


class KeyInUse(Conflict):
    default_code = "idempotency_in_flight"
    default_detail = _("The same request is still being worked on.")
    retryable = True
    retry_after = 3


class KeyReused(Refusal):
    status_code = 422
    default_code = "idempotency_mismatch"
    default_detail = "This Idempotency-Key was used with another request."


def claim_key(caller: str, route: str, key: str, body: Any, good_until: str = "") -> IdempotencyKey:
    """The row of this key. With a `status_code` it has the stored answer; without one, the caller does the work.

    `caller` is `user:<id>` or GUEST. `good_until` names the member of the answer that says when it is worthless: then
    the work is done again. Raises Refusal for an invalid key, KeyReused, KeyInUse.
    """
    shortest = SHORTEST_GUEST_KEY if caller == GUEST else SHORTEST_KEY
    if not (shortest <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise Refusal(
            f"Idempotency-Key must have {shortest} to {LONGEST_KEY} printable characters.",
            code="idempotency_key_invalid",
        )
    lease = uuid.uuid4()
    rows = IdempotencyKey.objects.filter(caller=caller, route=route, key_digest=_digest(key))
    new = IdempotencyKey(
        caller=caller,
        route=route,
        key_digest=_digest(key),
        body_digest=_digest(json.dumps(body, sort_keys=True, default=str)),
        lease=lease,
    )
    if new.insert_or_replace(LEASE, KEPT):
        return new
    row = rows.first()
    if row is None:  # another request had the key, ended without an answer to store, and released it just now
        raise KeyInUse
    if row.body_digest != new.body_digest:
        raise KeyReused
    # Read after the row: a lease may have been claimed after an earlier look at the clock.
    now = database_now()
    if row.status_code is not None:
        if not _is_worthless(row, good_until, now):
            return row
        _leased(row).delete()
        return claim_key(caller, route, key, body, good_until)
    # The lease of another request. If it has ended, that request died; one of those that come now takes it over.
    abandoned = IdempotencyKey.objects.filter(pk=row.pk, lease=row.lease, status_code=None)
    abandoned = abandoned.filter(lease_ended("lease_until", now, LEASE))
    if not abandoned.update(lease=lease, lease_until=now + LEASE):
        raise KeyInUse
    row.lease = lease
    return row


def store_answer(row: IdempotencyKey, status_code: int, body: Any) -> None:
    """Only 2xx, 400 and 422 are stored: after any other answer the same key may be tried again."""
    if status_code < 300 or status_code in (400, 422):
        stored = json.loads(json.dumps(body, default=str))
        _leased(row).update(status_code=status_code, answer=stored)
    else:
        release_key(row)


def release_key(row: IdempotencyKey) -> None:
    _leased(row).delete()


def _is_worthless(row: IdempotencyKey, good_until: str, now: datetime) -> bool:
    if not good_until or row.answer is None or row.status_code not in (200, 201):
        return False
    return now >= datetime.fromisoformat(row.answer[good_until])


def _leased(row: IdempotencyKey) -> QuerySet[IdempotencyKey]:
    """The row, unless another request has taken over the lease."""
    return IdempotencyKey.objects.filter(pk=row.pk, lease=row.lease)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
