"""How logins end. Apart from `accounts.sessions`: who only ends them needs no tokens, which take long to import."""

from datetime import datetime, timedelta

from django.contrib.sessions.models import Session as AdminSession
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.models import OneTimeCode, Session, User

KEPT = timedelta(days=30)  # after its end, for questions to support
PURGED_AT_ONCE = 10_000


def end(sessions: "QuerySet[Session]", because: Session.EndedBecause) -> int:
    """How many of them were open."""
    return sessions.filter(ended_at=None).update(ended_at=timezone.now(), ended_because=because)


@transaction.atomic
def end_all(user: User, because: Session.EndedBecause, *, except_for: Session | None = None) -> int:
    """Every login of a person to the API and the admin, and every one-time code. Returns how many of the API were open.

    A login or a rotation that runs meanwhile carries the former epoch, and is worthless.
    """
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    now = User.objects.get(pk=user.pk)
    user.session_epoch = now.session_epoch
    OneTimeCode.objects.filter(user=user, used_at=None).update(used_at=timezone.now())
    others = Session.objects.filter(user=user)
    if except_for is not None:
        others = others.exclude(pk=except_for.pk)
        Session.objects.filter(pk=except_for.pk).update(user_hash=now.get_session_auth_hash())
    return end(others, because)


def over(now: datetime) -> "QuerySet[Session]":
    """Sessions that nobody asks about any more, the oldest first."""
    return Session.objects.filter(Q(ended_at__lt=now - KEPT) | Q(expires_at__lt=now - KEPT)).order_by("pk")


def purge_admin(now: datetime) -> int:
    """Deletes sessions of the admin that have expired; returns how many. In parts, so that no lock is held for long."""
    expired, purged = expired_admin_sessions(now), 0
    while keys := list(expired.values_list("pk", flat=True)[:PURGED_AT_ONCE]):
        purged += expired.filter(pk__in=keys).delete()[0]
    return purged


def expired_admin_sessions(now: datetime) -> "QuerySet[AdminSession]":
    return AdminSession.objects.filter(expire_date__lt=now)
