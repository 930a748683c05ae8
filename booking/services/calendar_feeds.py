"""A calendar reads a person's bookings by a secret address, without a login, until they end it, or all their logins
are ended: by a new password, a log-out everywhere, or when somebody takes the account over."""

import hashlib
import secrets

from django.db.models import F
from django.utils import timezone

from accounts.models import User
from booking.models import Booking, CalendarFeed

MOST_EVENTS = 500


def open_feed(user: User) -> str:
    """A new secret, which is shown once. The one before ends."""
    secret = secrets.token_urlsafe(32)
    fields = {
        "digest": _digest(secret),
        "session_epoch": user.session_epoch,
        "created_at": timezone.now(),
    }
    CalendarFeed.objects.update_or_create(user=user, defaults=fields)
    return secret


def close_feed(user: User) -> bool:
    """Says whether there was one."""
    deleted, _by_model = CalendarFeed.objects.filter(user=user).delete()
    return bool(deleted)


def find_feed(user: User) -> CalendarFeed | None:
    """The one that can be read."""
    return CalendarFeed.objects.filter(user=user, session_epoch=user.session_epoch).first()


def owner_of(secret: str) -> User | None:
    """Looked up by its digest, so that no answer takes longer the better a guess was."""
    feeds = CalendarFeed.objects.filter(session_epoch=F("user__session_epoch"))
    feed = feeds.select_related("user").filter(digest=_digest(secret)).first()
    return feed.user if feed and feed.user.is_active else None


def bookings_of(user: User) -> list[Booking]:
    """The newest MOST_EVENTS, cancelled ones among them: a calendar takes those out."""
    return list(Booking.objects.select_related("checkout").filter(user=user)[:MOST_EVENTS])


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
