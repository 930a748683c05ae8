"""Writes into the outbox, in the transaction of the fact that a message is about. No network, and no errors."""

import hashlib
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from notifications.message_sender import TEXTS
from notifications.models import Notification

Facts = dict[str, Any]
LONGEST_KEY = 120
# What goes to an address whose owner has not confirmed it: anybody may have registered it.
CODES = ("confirm", "reset", "login")
BY_STAFF = ("pay_link",)  # whoever it is for has just given staff the address
ABOUT_LOGIN = (*CODES, "registered")
# To priests, whom staff have entered.
AT_WORK = ("priest_assigned", "priest_moved", "priest_freed")
MONEY_CAME = (
    *("received", "booked", "paid_twice", "offer", "offer_closed", "called_off", "moved", "cancelled"),
    *("moved_by_customer", "reminder", "priest_known"),
    *("refund_started", "refund_credited"),
)


def notify(
    kind: str, key: str, facts: Facts, *, user: User | None, email: str = "", language: str = ""
) -> None:
    """Notify a person once per key, by mail as `compose` says, and by `compose_text` on their phone."""
    found = (
        compose(kind, key, facts, user=user, email=email, language=language),
        compose_text(kind, key, facts, user),
    )
    for notification in filter(None, found):
        _put(notification)


def compose(
    kind: str, key: str, facts: Facts, *, user: User | None, email: str = "", language: str = ""
) -> Notification | None:
    """The row of a notification of a person, not written yet. None without any address.

    `email` and `language` are of people without an account.

    To an unconfirmed address go codes and what tells of money that came, and nothing else.

    `facts` are plain JSON: `*_paise` ints, moments as ISO 8601 text, references. The template of the kind says which
    it needs (`notifications/templates/notifications/messages`).
    """
    address = user.email if user else email.lower()
    is_for_all = kind in (*MONEY_CAME, *ABOUT_LOGIN, *BY_STAFF)
    is_allowed = is_for_all or user is None or user.email_confirmed_at is not None
    if address and is_allowed:
        language = user.language if user else language or settings.LANGUAGE_CODE[:2]
        return _row(kind=kind, key=key, facts=facts, user=user, email=address, language=language)
    return None


def compose_text(kind: str, key: str, facts: Facts, user: User | None) -> Notification | None:
    """The row of a short message beside the mail of the same key. None without a phone, or without MESSAGE_SENDER."""
    if not settings.MESSAGE_SENDER or kind not in TEXTS or user is None or not user.phone:
        return None
    text = Notification.Channel.TEXT
    return _row(kind=kind, key=f"{key}:text", facts=facts, user=user, language=user.language, channel=text)


def alert(rule: str, case: str, facts: Facts) -> None:
    """Notify the staff by every channel that is set up, once per rule, case and day."""
    key = f"alert:{rule}:{case}:{timezone.localdate():%Y-%m-%d}"
    facts = {"rule": rule, "case": case, **facts}
    if settings.STAFF_EMAILS:
        _put(_row(kind="alert", key=f"{key}:mail", facts=facts, channel=Notification.Channel.STAFF))
    if settings.STAFF_WEBHOOK_URL:
        _put(_row(kind="alert", key=f"{key}:hook", facts=facts, channel=Notification.Channel.HOOK))


def cases_alerted_today(rule: str) -> set[str]:
    """The cases of this rule that staff have been alerted to since midnight."""
    today = f":{timezone.localdate():%Y-%m-%d}:"
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    alerts = Notification.objects.filter(
        kind="alert", created_at__gte=midnight, key__startswith=f"alert:{rule}:", key__contains=today
    )
    return set(alerts.values_list("facts__case", flat=True))


def was_notified(key: str) -> bool:
    """Whether it was sent, or is to be sent."""
    states = (Notification.State.WAITING, Notification.State.SENT)
    return Notification.objects.filter(key=key, state__in=states).exists()


def send_again(notification: Notification) -> bool:
    """One more time, from the first try. False while it is waiting anyway."""
    done = Notification.objects.filter(pk=notification.pk).exclude(state=Notification.State.WAITING)
    waiting = {"state": Notification.State.WAITING, "checks": 0, "last_error": "", "dropped_because": ""}
    return bool(done.update(**waiting, next_check_at=timezone.now()))


def _row(*, key: str, **fields: Any) -> Notification:
    if len(key) > LONGEST_KEY:
        key = f"{key[:50]}:{hashlib.sha256(key.encode()).hexdigest()}"
    domain = urlsplit(settings.PUBLIC_BASE_URL).hostname or "localhost"
    message_id = f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{domain}>"
    return Notification(key=key, message_id=message_id, **fields)


def _put(notification: Notification) -> None:
    """The database keeps a key once. An error here would take the caller's whole transaction with it."""
    Notification.objects.bulk_create([notification], ignore_conflicts=True)
