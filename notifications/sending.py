"""Sends the messages of the outbox, each at least once. A repeat carries the Message-ID of the first try."""

import logging
import smtplib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import requests
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F, QuerySet
from django.utils import timezone

from core.compiled import CompiledValues
from core.databases import update_row, write_together
from core.errors import Unavailable
from core.logging import events, redact
from core.printable import printable
from notifications import hooks
from notifications.alerts import sentence_of
from notifications.code_sender import CodeMessage, send_code
from notifications.message_sender import send_text, write_text
from notifications.messages import Unwritable, write
from notifications.models import Notification
from notifications.services import AT_WORK, CODES, MONEY_CAME, alert

logger = logging.getLogger(__name__)

MINUTE, HOUR = 60, 3_600
# Seconds to wait after each failed try, three days in all. After that a message is given up when the mail server
# answers, and waits for the last pause again and again when it does not.
PAUSES = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR)
DAY = timedelta(days=1)
BUSY_PAUSE = timedelta(seconds=30)  # while another process makes what belongs to the message
OLDEST_NEWS = timedelta(days=14)  # an older message is of no use to its reader


@dataclass(frozen=True)
class Attachments:
    """What is added to a message when it is sent: a link to go on, files by name (PDF, calendar), and newer facts.

    `change_link`: to cancel or move a booking. `map_link`: where it takes place. `over` says why the message is no
    longer true: then it is dropped.
    """

    link: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    over: str = ""
    change_link: str = ""
    map_link: str = ""


Attach = Callable[[Notification], Attachments]


def send(notification: Notification, attach: Attach) -> None:
    """One try. Outside any transaction; whatever goes wrong with it stays in the notification."""
    if notification.state != Notification.State.WAITING:
        return
    is_text = notification.channel == Notification.Channel.TEXT
    if is_text and not (settings.MESSAGE_SENDER and notification.user and notification.user.phone):
        _move(
            notification, Notification.State.DROPPED, dropped_because="there is no phone or sender any more"
        )
        return
    if notification.user and not is_text:  # staff may have corrected the address since it was written
        notification.email = notification.user.email
    if until := _limited_until(notification):
        _delay_or_drop(notification, until)
        return
    try:
        attachments = attach(notification)
        if not attachments.over:
            _deliver(notification, attachments)
    except Unavailable as error:  # a receipt that others are drawing
        _postpone(notification, timezone.now() + BUSY_PAUSE, _error_text(error))
    except OSError as error:  # refused, silent, no such host, SMTP and HTTP refusals: all of them are one
        _retry_or_give_up(notification, error)
    except (Unwritable, ValueError) as error:  # ValueError: an address or header that no mail can carry
        logger.exception("a message cannot be written", extra={"notification": notification.key})
        _give_up(notification, error)
    else:
        if attachments.over:
            over = {"notification": notification.key, "cause": attachments.over}
            logger.info("a message was dropped: it is not true any more", extra=over)
            _move(notification, Notification.State.DROPPED, dropped_because=attachments.over[:200])
        else:
            if _move(notification, Notification.State.SENT, sent_at=timezone.now(), last_error=""):
                events.info("told", extra={"kind": notification.kind, "channel": notification.channel})


def pause_after(notification: Notification) -> int | None:
    """Seconds until the next try; None when there is none."""
    if notification.state != Notification.State.WAITING:
        return None
    return PAUSES[min(notification.checks, len(PAUSES)) - 1]


def _limited_until(notification: Notification) -> datetime | None:
    """When the next one may go to this reader: to an address that has had MAILS_PER_ADDRESS within a day, or to a phone
    that has had TEXTS_PER_PHONE, from whichever accounts name it."""
    now = timezone.now()
    if notification.channel == Notification.Channel.TEXT and notification.user:
        reader = {"channel": notification.channel, "user__phone": notification.user.phone}
        last = _sent_before(reader, settings.TEXTS_PER_PHONE, now - DAY, now).first()
    elif notification.channel == Notification.Channel.PERSON and notification.kind not in AT_WORK:
        last = _mails_before(settings.MAILS_PER_ADDRESS).first(notification.email, now - DAY, now)
    else:
        return None
    return last[0] + DAY if last else None


def _sent_before(
    reader: dict[str, Any], limit: int, since: datetime, until: datetime
) -> QuerySet[Notification, Any]:
    """When the last but `limit` message to a reader was sent, within this span."""
    sent = Notification.objects.filter(**reader, state=Notification.State.SENT, sent_at__range=(since, until))
    return sent.order_by("-sent_at")[limit - 1 : limit].values_list("sent_at")


@cache
def _mails_before(limit: int) -> CompiledValues[[str, datetime, datetime]]:
    def build(email: str, since: datetime, until: datetime) -> QuerySet[Notification, Any]:
        reader = {"channel": Notification.Channel.PERSON, "email": email}
        return _sent_before(reader, limit, since, until)

    return CompiledValues(build)


def _delay_or_drop(notification: Notification, until: datetime) -> None:
    """A mail that tells of money waits for the next day, and that is no try. A code, "nothing was paid", and a text,
    which repeats a mail, are dropped."""
    is_text = notification.channel == Notification.Channel.TEXT
    cause = f"too many messages to this {'phone' if is_text else 'address'} today"
    if is_text or notification.kind not in MONEY_CAME:
        _move(notification, Notification.State.DROPPED, dropped_because=cause)
    else:
        _postpone(notification, until, cause)


def _postpone(notification: Notification, until: datetime, cause: str) -> None:
    """Nothing was sent, and that is no try."""
    waiting = Notification.objects.filter(pk=notification.pk, state=Notification.State.WAITING)
    waiting.update(next_check_at=until, checks=F("checks") - 1, last_error=cause)


def _deliver(notification: Notification, attachments: Attachments) -> None:
    notification.facts = notification.facts | attachments.facts  # written into the message, not stored
    if notification.channel == Notification.Channel.HOOK:
        alert_text = {
            "sentence": sentence_of(notification.facts),
            "at": notification.created_at.isoformat(),
        }
        hooks.call(notification.message_id, {**alert_text, **notification.facts})
        return
    if notification.channel == Notification.Channel.TEXT:
        phone = notification.user.phone if notification.user else ""
        send_text(write_text(notification, phone or ""))
        return
    is_for_person = notification.channel == Notification.Channel.PERSON
    recipients = [notification.email] if is_for_person else settings.STAFF_EMAILS
    if not recipients:
        raise Unwritable("nobody to send it to")
    message = write(notification, attachments.link, attachments.change_link, attachments.map_link)
    headers = {"Message-ID": notification.message_id, "Auto-Submitted": "auto-generated"}
    subject = printable(message.subject)
    text, html = (printable(each, keep="\n\t") for each in (message.text, message.html))
    if notification.kind in CODES:
        send_code(
            CodeMessage(
                id=notification.message_id,
                via=notification.facts["via"],
                purpose=notification.kind,
                email=notification.email,
                phone=(notification.user.phone if notification.user else None) or "",
                language=notification.language,
                code=notification.facts["code"],
                subject=subject,
                text=text,
                html=html,
            )
        )
        return
    mail = EmailMultiAlternatives(subject, text, to=recipients, headers=headers)
    mail.attach_alternative(html, "text/html")
    for name, content in attachments.files.items():
        mail.attach(name, content, "text/calendar" if name.endswith(".ics") else "application/pdf")
    mail.send()


def _retry_or_give_up(notification: Notification, error: OSError) -> None:
    """Silence says nothing about this message, and a refused sender or login is a mistake of ours: both are retried."""
    logger.warning("a message was not sent", extra={"notification": notification.key, "cause": str(error)})
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        is_refused_for_good = all(code >= 500 for code, _ in error.recipients.values())
    else:
        is_refused_for_good = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500
    answers = (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, requests.HTTPError)
    is_last_try = notification.checks > len(PAUSES)
    is_too_old = timezone.now() - notification.created_at > OLDEST_NEWS
    is_text = notification.channel == Notification.Channel.TEXT  # the same news went by mail
    if is_refused_for_good or (is_last_try and (isinstance(error, answers) or is_too_old or is_text)):
        _give_up(notification, error)
        return
    is_waiting = _move(notification, Notification.State.WAITING, last_error=_error_text(error))
    if is_waiting and is_last_try and notification.kind != "alert":
        alert("messages_wait", "mail", {"message": notification.key, "cause": _error_text(error)})


def _give_up(notification: Notification, error: Exception) -> None:
    is_ended = _move(notification, Notification.State.GIVEN_UP, last_error=_error_text(error))
    if is_ended and notification.kind != "alert":  # an alert about an alert would fail the same way
        alert(
            "message_given_up",
            f"notification:{notification.pk}",
            {"message": notification.key, "cause": _error_text(error)},
        )


def _move(notification: Notification, to: Notification.State, **values: object) -> bool:
    """False if another worker has sent or ended it meanwhile. Stores the address that was tried."""
    waiting = {"id": notification.pk, "state": Notification.State.WAITING}
    values = {"state": to, "email": notification.email, **values}
    if not any(write_together([update_row(Notification, waiting, values)])):
        notification.refresh_from_db(fields=["state"])
        return False
    notification.state = to
    return True


def _error_text(error: Exception) -> str:
    """Without the reader's address: staff's own program gets this text, too."""
    return redact(f"{type(error).__name__}: {error}")[:300]
