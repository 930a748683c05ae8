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
# While a token is valid no payment waits long for the next one, and not every call tries to fetch it.
RENEWAL_SECONDS = 3
RENEWAL_PAUSE = 30
# A lifetime outside of these seconds cannot be right on our clock: FALLBACK_LIFE is assumed instead.
SHORTEST_LIFE, LONGEST_LIFE = 60, 30 * 86_400
FALLBACK_LIFE = 300
SKEW = 60


class TokenCache(Protocol):
    """The cache through which processes share a token."""

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
        self._token: AccessToken | None = None
        self._renew_after = 0.0

    def get(self, fetch: Fetch, deadline: Deadline) -> AccessToken:
        """A token to use now. Only one thread fetches; a thread with a valid token does not wait for it.

        Raises RequestFailed when there is no valid token and none can be had.
        """
        token = self._if_valid(self._token)
        if token and not self._is_due(token):
            return token
        if not self._lock.acquire(timeout=0 if token else deadline.remaining()):
            if token:
                return token
            raise RequestFailed(ErrorCategory.READ_TIMEOUT, RequestOutcome.NOT_SENT)
        try:
            return self._renew(fetch, deadline)
        finally:
            self._lock.release()

    def discard(self, token: AccessToken) -> None:
        """Drops a token that PhonePe rejected. A newer one, fetched by another thread meanwhile, stays."""
        if self._token == token:
            self._token = None
        if self._read_cache() == token:
            self._write_cache(None)

    def _renew(self, fetch: Fetch, deadline: Deadline) -> AccessToken:
        """A token from the memory or the cache, else a new one. A valid token is used when its renewal fails."""
        stored = [token for token in (self._token, self._read_cache()) if token]
        token = self._if_valid(max(stored, key=lambda token: token.issued_at, default=None))
        if token is None:
            token = self._fetch_and_share(fetch, deadline)
        elif self._is_due(token):
            try:
                token = self._fetch_and_share(fetch, deadline.within(RENEWAL_SECONDS))
            except RequestFailed:
                self._renew_after = self._now() + RENEWAL_PAUSE
        self._token = token
        return token

    def _fetch_and_share(self, fetch: Fetch, deadline: Deadline) -> AccessToken:
        token, now = fetch(deadline), int(self._now())
        is_plausible = SHORTEST_LIFE <= token.expires_at - now <= LONGEST_LIFE
        if not is_plausible or token.issued_at > now + SKEW:
            token = replace(token, issued_at=now, expires_at=now + FALLBACK_LIFE)
        self._write_cache(token)
        return token

    def _if_valid(self, token: AccessToken | None) -> AccessToken | None:
        """A token issued in the future is not valid: our clock was set back, and its age is unknown."""
        now = self._now()
        return token if token and token.issued_at - SKEW <= now < token.expires_at - LAST_SECONDS else None

    def _is_due(self, token: AccessToken) -> bool:
        half = token.issued_at + (token.expires_at - token.issued_at) // 2
        now = self._now()
        pauses = now < self._renew_after <= now + RENEWAL_PAUSE
        return now >= half and not pauses

    def _read_cache(self) -> AccessToken | None:
        # Without the cache each process has a token of its own: a failure of the cache stops no payment.
        try:
            stored = self._store.get(self._key)
        except DatabaseError:
            logger.warning("the cache does not answer; tokens are not shared between processes")
            return None
        return AccessToken(*stored) if stored else None

    def _write_cache(self, token: AccessToken | None) -> None:
        try:
            if token is None:
                self._store.delete(self._key)
            else:
                lifetime = max(token.expires_at - int(self._now()), 1)
                self._store.set(self._key, (token.value, token.issued_at, token.expires_at), lifetime)
        except DatabaseError:
            logger.warning("the cache does not answer; tokens are not shared between processes")
