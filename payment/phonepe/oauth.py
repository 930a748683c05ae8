"""The V2 access token of one merchant: fetched once, shared by threads and processes, renewed half-way."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from django.core.cache import cache
from django.db import DatabaseError

from payment.phonepe.credentials import Merchant
from payment.phonepe.enums import ErrorCategory
from payment.phonepe.errors import RequestFailed
from payment.phonepe.schemas import RequestOutcome
from payment.phonepe.transport import Deadline
from payment.phonepe.v2 import AccessToken

logger = logging.getLogger(__name__)

Fetch = Callable[[Deadline], AccessToken]


LAST_SECONDS = 5
# While a token is still valid nobody's payment waits long for the next one, nor asks for it at every call.
RENEWAL_SECONDS = 3
RENEWAL_PAUSE = 30
# What PhonePe tells of a token's life is believed within these seconds; else it is taken to live for FALLBACK_LIFE.
SHORTEST_LIFE, LONGEST_LIFE = 60, 30 * 86_400
FALLBACK_LIFE = 300
SKEW = 60


class TokenCache(Protocol):
    """Where processes find each other's tokens: a cache."""

    def get(self, key: str, /) -> Any: ...

    def set(self, key: str, value: Any, seconds: int, /) -> Any: ...

    def delete(self, key: str, /) -> Any: ...


class TokenStore:
    """`now` gives seconds since 1970, as PhonePe's `issued_at` and `expires_at` do."""

    def __init__(
        self, merchant: Merchant, now: Callable[[], float] = time.time, store: TokenCache = cache
    ) -> None:
        # The secret is part of the key, hashed: with a new secret a token of the old one is not found.
        secret = f"{merchant.identity}{merchant.client_version}{merchant.client_secret}"
        self._key = "phonepe-token:" + hashlib.sha256(secret.encode()).hexdigest()
        self._now = now
        self._store = store
        self._lock = threading.Lock()
        self._grant: AccessToken | None = None
        self._renew_after = 0.0

    def get(self, fetch: Fetch, deadline: Deadline) -> AccessToken:
        """A token to use now. Only one thread fetches; who holds a valid token does not wait for it.

        Raises RequestFailed when there is no valid token and none can be had.
        """
        held = self._valid(self._grant)
        if held and not self._is_due(held):
            return held
        if not self._lock.acquire(timeout=0 if held else deadline.remaining()):
            if held:
                return held
            raise RequestFailed(ErrorCategory.READ_TIMEOUT, RequestOutcome.NOT_SENT)
        try:
            return self._renewed(fetch, deadline)
        finally:
            self._lock.release()

    def refused(self, grant: AccessToken) -> None:
        """PhonePe does not honour it any more. A newer one, fetched by somebody else meanwhile, stays."""
        if self._grant == grant:
            self._grant = None
        if self._shared() == grant:
            self._share(None)

    def _renewed(self, fetch: Fetch, deadline: Deadline) -> AccessToken:
        held = self._valid(self._newest())
        if held is None:
            held = self._fetched(fetch, deadline)
        elif self._is_due(held):
            try:
                held = self._fetched(fetch, deadline.within(RENEWAL_SECONDS))
            except RequestFailed:
                self._renew_after = self._now() + RENEWAL_PAUSE
        self._grant = held
        return held

    def _fetched(self, fetch: Fetch, deadline: Deadline) -> AccessToken:
        grant = self._believed(fetch(deadline))
        self._share(grant)
        return grant

    def _believed(self, grant: AccessToken) -> AccessToken:
        """On our clock: of a token whose life cannot be what PhonePe says, or whose clock is not ours, little is."""
        now = int(self._now())
        left = grant.expires_at - now
        if SHORTEST_LIFE <= left <= LONGEST_LIFE and grant.issued_at <= now + SKEW:
            return grant
        return replace(grant, issued_at=now, expires_at=now + FALLBACK_LIFE)

    def _newest(self) -> AccessToken | None:
        grants = [grant for grant in (self._grant, self._shared()) if grant]
        return max(grants, key=lambda grant: grant.issued_at, default=None)

    def _valid(self, grant: AccessToken | None) -> AccessToken | None:
        """Not one that was issued in the future: our clock has been set back, and how old it is nobody knows."""
        now = self._now()
        return grant if grant and grant.issued_at - SKEW <= now < grant.expires_at - LAST_SECONDS else None

    def _is_due(self, grant: AccessToken) -> bool:
        half = grant.issued_at + (grant.expires_at - grant.issued_at) // 2
        now = self._now()
        pauses = now < self._renew_after <= now + RENEWAL_PAUSE
        return now >= half and not pauses

    def _shared(self) -> AccessToken | None:
        # Without the cache each process has a token of its own, which works: its failure stops no payment.
        try:
            stored = self._store.get(self._key)
        except DatabaseError:
            logger.warning("the cache does not answer; tokens are not shared between processes")
            return None
        return AccessToken(*stored) if stored else None

    def _share(self, grant: AccessToken | None) -> None:
        try:
            if grant is None:
                self._store.delete(self._key)
            else:
                lifetime = max(grant.expires_at - int(self._now()), 1)
                self._store.set(self._key, (grant.token, grant.issued_at, grant.expires_at), lifetime)
        except DatabaseError:
            logger.warning("the cache does not answer; tokens are not shared between processes")
