"""The one guard of every secret that can be guessed: passwords, promo codes, OPS_TOKEN, one-time codes.

An attempt is counted before the secret is looked at, so that parallel guesses gain nothing. After `free` attempts in
`window` seconds each one begins a wait, which doubles up to `longest_wait`. During a wait nothing is looked at: the
right secret is refused as well, and tells nothing. A wait is bounded. An account's owner is not locked out for good
while others take each turn: a network where they have shown to be it has counters of its own
(`accounts.known_networks`), and a code from their mailbox shows it.
"""

import logging
import secrets
import time
from dataclasses import dataclass

from django.db import connection
from django.db.models import Case, F, When
from django.utils.translation import gettext_lazy as _

from core.clocks import SKEW
from core.counters import RUNNING, key_of
from core.errors import Refusal
from core.models import Counter

logger = logging.getLogger(__name__)

MINUTE, HOUR, DAY = 60, 3_600, 86_400


class TooManyAttempts(Refusal):
    """`wait`: seconds, for Retry-After."""

    status_code = 429
    default_code = "too_many_attempts"
    default_detail = _("Too many attempts. Please wait a few minutes, then try again.")
    retryable = True

    def __init__(self, wait: float) -> None:
        super().__init__()
        self.wait = wait


@dataclass(frozen=True)
class Limit:
    """How often one subject may be guessed at. Staff are alerted from `alert_at` attempts on, refused ones included."""

    scope: str
    free: int
    window: int = DAY
    first_wait: int = 30
    longest_wait: int = 15 * MINUTE
    alert_at: int = 10

    def free_at(self, now: str, attempts: str) -> str:
        """SQL: when the next attempt may be looked at, after so many. 0 where there is no wait: clocks differ."""
        past = f"({attempts}) - {self.free}"
        doubled = f"{self.first_wait} << ({past})"
        doublings = (self.longest_wait // self.first_wait).bit_length()
        is_longest = f"{past} >= {doublings} OR {doubled} > {self.longest_wait}"
        waits = f"CASE WHEN {is_longest} THEN {self.longest_wait} ELSE {doubled} END"
        return f"CASE WHEN {past} < 0 THEN 0 ELSE {now} + {waits} END"


@dataclass
class Attempt:
    """Attempts that were counted, one row for each limit. Those that nobody calls right stay counted as wrong."""

    admitted: int
    limits: list[tuple[Limit, str]]

    def was_right(self) -> None:
        """Takes this attempt back, and no other one: an own account does not buy guesses at somebody else's."""
        for limit, key in self.limits:
            ends_wait = When(count__lte=limit.free, then=0.0), When(admitted=self.admitted, then=0.0)
            Counter.objects.filter(pk=key, count__gt=0).update(
                count=F("count") - 1, free_at=Case(*ends_wait, default=F("free_at"))
            )


def begin_attempt(address: str, *limits: tuple[Limit, str]) -> Attempt:
    """Counts an attempt at each (limit, subject), in this order. Raises TooManyAttempts; then nothing may be looked at.

    The limit of the caller's network comes first: a caller who is stopped there makes nobody else wait.
    """
    attempt = Attempt(secrets.randbits(62) + 1, [])
    for limit, subject in limits:
        key = key_of(limit.scope, subject)
        wait = _admit(limit, key, attempt.admitted, address)
        if wait is not None:
            details = {"scope": limit.scope, "subject": key[:12], "address": address, "wait": round(wait)}
            logger.warning("too many attempts", extra=details)
            raise TooManyAttempts(wait)
        attempt.limits.append((limit, key))
    return attempt


def refuse_while_waiting(limit: Limit, subject: str) -> None:
    """For a right secret that is not counted. Raises TooManyAttempts during a wait that wrong ones began."""
    now = time.time()
    row = Counter.objects.filter(
        pk=key_of(limit.scope, subject), ends__gt=now, started__lte=now + SKEW.total_seconds()
    )
    free_at = row.values_list("free_at", flat=True).first() or 0.0
    if now < free_at <= now + limit.longest_wait + SKEW.total_seconds():
        raise TooManyAttempts(free_at - now)


def _admit(limit: Limit, key: str, admitted: int, address: str) -> float | None:
    """Counts one attempt in one statement. Returns seconds to wait, None for an attempt that may be looked at."""
    now = time.time()
    waits = f"""
        ({RUNNING} AND core_counter.free_at > excluded.started
        AND core_counter.free_at <= excluded.started + {limit.longest_wait + SKEW.total_seconds()})
    """
    attempts = f"(CASE WHEN {RUNNING} THEN core_counter.count ELSE 0 END) + 1"
    all_attempts = f"(CASE WHEN {RUNNING} THEN core_counter.count + core_counter.refused ELSE 0 END) + 1"
    statement = f"""
        INSERT INTO core_counter
            (key, scope, count, started, ends, refused, free_at, admitted, is_alarming, address)
        VALUES (%s, %s, 1, %s, %s, 0, {limit.free_at("%s", "1")}, %s, {limit.alert_at <= 1}, %s)
        ON CONFLICT (key) DO UPDATE SET
            count = CASE WHEN {waits} THEN core_counter.count ELSE {attempts} END,
            refused = CASE WHEN {waits} THEN core_counter.refused + 1
                WHEN {RUNNING} THEN core_counter.refused ELSE 0 END,
            free_at = CASE WHEN {waits} THEN core_counter.free_at
                ELSE {limit.free_at("excluded.started", attempts)} END,
            admitted = CASE WHEN {waits} THEN core_counter.admitted ELSE excluded.admitted END,
            is_alarming = {all_attempts} >= {limit.alert_at},
            started = CASE WHEN {RUNNING} THEN core_counter.started ELSE excluded.started END,
            ends = CASE WHEN {RUNNING} THEN core_counter.ends ELSE excluded.ends END,
            address = excluded.address
        RETURNING admitted, free_at
    """  # noqa: S608 - numbers and names of columns only
    values: list[str | float] = [key, limit.scope, now, now + limit.window, now, admitted, address]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        last, free_at = cursor.fetchone()
    return None if last == admitted else float(free_at) - now
