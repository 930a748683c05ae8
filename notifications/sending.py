"""Out of the outbox, at least once. A repeat carries the Message-ID of the first try."""

import logging
import smtplib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import requests
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from core.logging import redact
from notifications import hooks
from notifications.alerts import sentence_of
from notifications.messages import Unwritable, write
from notifications.models import Notification
from notifications.services import alert

logger = logging.getLogger(__name__)

MINUTE, HOUR = 60, 3_600
# Seconds after each failed try, three days in all; then an answer gives it up, and silence makes the last one repeat.
PAUSES = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR)
OLDEST_NEWS = timedelta(days=14)  # a mail server that is away for longer has made it worthless


@dataclass(frozen=True)
class Attachments:
    """What is made for a message at the moment it is sent: a link to go on, PDF files by name, and newer facts.

    `over` says why the message is not true any more: then it is dropped.
    """

    link: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    over: str = ""


Attach = Callable[[Notification], Attachments]


def send(notification: Notification, enclose: Attach) -> None:
    """One try. Outside any transaction; whatever goes wrong with it stays in the notification."""
    if notification.state != Notification.State.WAITING:
        return
    _correct_address(notification)
    try:
        enclosed = enclose(notification)
        if not enclosed.over:
            _deliver(notification, enclosed)
    except OSError as error:  # refused, silent, no such host, SMTP and HTTP refusals: all of them are one
        _failed(notification, error)
    except (Unwritable, ValueError) as error:  # ValueError: an address or header that no mail can carry
        logger.exception("a message cannot be written", extra={"notification": notification.key})
        _give_up(notification, error)
    else:
        if enclosed.over:
            logger.info("a message is over", extra={"notification": notification.key, "cause": enclosed.over})
            _move(notification, Notification.State.DROPPED, dropped_because=enclosed.over[:200])
        else:
            _move(notification, Notification.State.SENT, sent_at=timezone.now(), last_error="")


def pause_after(notification: Notification) -> int | None:
    """Seconds until the next try; None when there is none."""
    if notification.state != Notification.State.WAITING:
        return None
    return PAUSES[min(notification.checks, len(PAUSES)) - 1]


def _correct_address(notification: Notification) -> None:
    """Staff may have mended a mistyped one since the notification was written."""
    if notification.user:
        notification.email = notification.user.email


def _deliver(notification: Notification, enclosed: Attachments) -> None:
    notification.facts = notification.facts | enclosed.facts  # said so, and not kept
    if notification.channel == Notification.Channel.HOOK:
        text = {"sentence": sentence_of(notification.facts), "at": notification.created_at.isoformat()}
        hooks.call(notification.message_id, {**text, **notification.facts})
    else:
        _mail(notification, enclosed).send()


def _mail(notification: Notification, enclosed: Attachments) -> EmailMultiAlternatives:
    to = (
        [notification.email] if notification.channel == Notification.Channel.PERSON else settings.STAFF_EMAILS
    )
    if not to:
        raise Unwritable("nobody to send it to")
    letter = write(notification, enclosed.link)
    headers = {"Message-ID": notification.message_id, "Auto-Submitted": "auto-generated"}
    mail = EmailMultiAlternatives(letter.subject, letter.text, to=to, headers=headers)
    mail.attach_alternative(letter.html, "text/html")
    for name, content in enclosed.files.items():
        mail.attach(name, content, "application/pdf")
    return mail


def _failed(notification: Notification, error: OSError) -> None:
    logger.warning("a message was not sent", extra={"notification": notification.key, "cause": str(error)})
    last_pause_is_over = notification.checks > len(PAUSES)
    too_old = timezone.now() - notification.created_at > OLDEST_NEWS
    if _is_for_good(error) or (last_pause_is_over and (_is_answer(error) or too_old)):
        _give_up(notification, error)
        return
    is_kept = _move(notification, Notification.State.WAITING, last_error=_error_text(error))
    if is_kept and last_pause_is_over and notification.kind != "alert":
        alert("messages_wait", "mail", {"message": notification.key, "cause": _error_text(error)})


def _is_answer(error: OSError) -> bool:
    """The other side has spoken. Silence, a refused connection or a lost one say nothing about the message."""
    return isinstance(
        error, (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, requests.HTTPError)
    )


def _is_for_good(error: OSError) -> bool:
    """This reader or this mail is refused by a 5xx. A refused sender or login is a mistake of ours, to be mended."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500


def _give_up(notification: Notification, error: Exception) -> None:
    is_ended = _move(notification, Notification.State.GIVEN_UP, last_error=_error_text(error))
    if is_ended and notification.kind != "alert":  # an alert about an alert would go the same way
        alert(
            "message_given_up",
            f"notification:{notification.pk}",
            {"message": notification.key, "cause": _error_text(error)},
        )


def _move(notification: Notification, to: Notification.State, **values: object) -> bool:
    """What has been sent meanwhile by a second worker stays sent, and then False. The address is the one tried."""
    waiting = Notification.objects.filter(pk=notification.pk, state=Notification.State.WAITING)
    if not waiting.update(state=to, email=notification.email, **values):
        notification.refresh_from_db(fields=["state"])
        return False
    notification.state = to
    return True


def _error_text(error: Exception) -> str:
    """Without the reader's address: it goes to the staff's own program, too."""
    return redact(f"{type(error).__name__}: {error}")[:300]
