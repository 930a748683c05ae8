"""API keys: made, found, rotated, revoked. A key is random, so that nothing can be guessed from its SHA-256."""

import hashlib
import logging
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey, User

logger = logging.getLogger(__name__)

BEGINNING = "okp_"
SECRET_BYTES = 32
SHOWN = 12  # characters of a key that are stored readable: 48 of its 256 bits
USE_IS_WRITTEN_AFTER = timedelta(minutes=1)
OVERLAP = timedelta(hours=24)


def create_key(
    name: str,
    scopes: Iterable[str],
    *,
    expires_at: datetime | None = None,
    made_by: User | None = None,
    former: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """The row, and the key itself, which is stored nowhere: show it once."""
    raw = BEGINNING + secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(
        name=name, prefix=raw[:SHOWN], digest=_digest(raw), scopes=sorted(set(scopes)), expires_at=expires_at
    )
    key.made_by = made_by
    if former is not None:
        key.family = former.family
    key.save(force_insert=True)
    logger.info("API key created", extra={"api_key": key.prefix, "by": made_by.pk if made_by else None})
    return key, raw


def find_key(raw: str) -> ApiKey | None:
    """The good key of this text, in one indexed read. Its use is written down at most once a minute."""
    key = ApiKey.objects.filter(digest=_digest(raw)).first()
    now = timezone.now()
    if key is None or not key.is_good(now):
        return None
    if key.last_used_at is None or abs(now - key.last_used_at) >= USE_IS_WRITTEN_AFTER:
        # One of several requests at once writes it.
        unchanged = ApiKey.objects.filter(pk=key.pk, last_used_at=key.last_used_at)
        unchanged.update(last_used_at=now)
    return key


@transaction.atomic
def rotate_key(key: ApiKey, *, overlap: timedelta = OVERLAP, by: User | None = None) -> tuple[ApiKey, str]:
    """A new key with the same name and scopes; the old one ends after `overlap`, or when it would have ended anyway.

    The new one lasts as long as the old one was made for. Raises ApiKey.DoesNotExist for one that is not good any more.
    """
    now = timezone.now()
    good = ApiKey.objects.select_for_update().filter(revoked_at=None)
    current = good.filter(Q(expires_at=None) | Q(expires_at__gt=now)).get(pk=key.pk)
    expires_at = now + (current.expires_at - current.created_at) if current.expires_at else None
    new_key = create_key(current.name, current.scopes, expires_at=expires_at, made_by=by, former=current)
    end = now + overlap
    ApiKey.objects.filter(pk=key.pk).update(
        expires_at=min(current.expires_at, end) if current.expires_at else end
    )
    return new_key


def lock_family(key: ApiKey) -> None:
    """One at a time of all keys that a rotation made, until the caller's transaction ends."""
    list(ApiKey.objects.select_for_update(no_key=True).filter(family=key.family).order_by("pk").values("pk"))


def revoke_key(key: ApiKey, by: User | None = None) -> bool:
    """At once. False when it was revoked before."""
    is_revoked = bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()))
    if is_revoked:
        logger.info("API key revoked", extra={"api_key": key.prefix, "by": by.pk if by else None})
    return is_revoked


def _digest(raw: str) -> str:
    return hashlib.sha256(raw.encode()).hexdigest()
