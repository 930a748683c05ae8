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
from notices import hooks
from notices.alerts import sentence_of
from notices.letters import Unwritable, write
from notices.models import Notice
from notices.services import alert

logger = logging.getLogger(__name__)

MINUTE, HOUR = 60, 3_600
# Seconds after each failed try, three days in all; then an answer gives it up, and silence makes the last one repeat.
PAUSES = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR)
OLDEST_NEWS = timedelta(days=14)  # a mail server that is away for longer has made it worthless


@dataclass(frozen=True)
class Enclosed:
    """What is made for a message at the moment it is sent: a link to go on, PDF files by name, and newer facts.

    `over` says why the message is not true any more: then it is dropped.
    """

    link: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    over: str = ""


Enclose = Callable[[Notice], Enclosed]


def send(notice: Notice, enclose: Enclose) -> None:
    """One try. Outside any transaction; whatever goes wrong with it stays in the notice."""
    if notice.state != Notice.State.WAITING:
        return
    _correct_address(notice)
    try:
        enclosed = enclose(notice)
        if not enclosed.over:
            _deliver(notice, enclosed)
    except OSError as error:  # refused, silent, no such host, SMTP and HTTP refusals: all of them are one
        _failed(notice, error)
    except (Unwritable, ValueError) as error:  # ValueError: an address or header that no mail can carry
        logger.exception("a message cannot be written", extra={"notice": notice.key})
        _give_up(notice, error)
    else:
        if enclosed.over:
            logger.info("a message is over", extra={"notice": notice.key, "cause": enclosed.over})
            _move(notice, Notice.State.DROPPED, dropped_because=enclosed.over[:200])
        else:
            _move(notice, Notice.State.SENT, sent_at=timezone.now(), last_error="")


def pause_after(notice: Notice) -> int | None:
    """Seconds until the next try; None when there is none."""
    if notice.state != Notice.State.WAITING:
        return None
    return PAUSES[min(notice.checks, len(PAUSES)) - 1]


def _correct_address(notice: Notice) -> None:
    """Staff may have mended a mistyped one since the notice was written."""
    if notice.user:
        notice.email = notice.user.email


def _deliver(notice: Notice, enclosed: Enclosed) -> None:
    notice.facts = notice.facts | enclosed.facts  # said so, and not kept
    if notice.channel == Notice.Channel.HOOK:
        text = {"sentence": sentence_of(notice.facts), "at": notice.created_at.isoformat()}
        hooks.call(notice.message_id, {**text, **notice.facts})
    else:
        _mail(notice, enclosed).send()


def _mail(notice: Notice, enclosed: Enclosed) -> EmailMultiAlternatives:
    to = [notice.email] if notice.channel == Notice.Channel.PERSON else settings.STAFF_EMAILS
    if not to:
        raise Unwritable("nobody to send it to")
    letter = write(notice, enclosed.link)
    headers = {"Message-ID": notice.message_id, "Auto-Submitted": "auto-generated"}
    mail = EmailMultiAlternatives(letter.subject, letter.text, to=to, headers=headers)
    mail.attach_alternative(letter.html, "text/html")
    for name, content in enclosed.files.items():
        mail.attach(name, content, "application/pdf")
    return mail


def _failed(notice: Notice, error: OSError) -> None:
    logger.warning("a message was not sent", extra={"notice": notice.key, "cause": str(error)})
    last_pause_is_over = notice.checks > len(PAUSES)
    too_old = timezone.now() - notice.created_at > OLDEST_NEWS
    if _is_for_good(error) or (last_pause_is_over and (_is_answer(error) or too_old)):
        _give_up(notice, error)
        return
    is_kept = _move(notice, Notice.State.WAITING, last_error=_told(error))
    if is_kept and last_pause_is_over and notice.kind != "alert":
        alert("messages_wait", "mail", {"message": notice.key, "cause": _told(error)})


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


def _give_up(notice: Notice, error: Exception) -> None:
    is_ended = _move(notice, Notice.State.GIVEN_UP, last_error=_told(error))
    if is_ended and notice.kind != "alert":  # an alert about an alert would go the same way
        alert("message_given_up", f"notice:{notice.pk}", {"message": notice.key, "cause": _told(error)})


def _move(notice: Notice, to: Notice.State, **values: object) -> bool:
    """What has been sent meanwhile by a second worker stays sent, and then False. The address is the one tried."""
    waiting = Notice.objects.filter(pk=notice.pk, state=Notice.State.WAITING)
    if not waiting.update(state=to, email=notice.email, **values):
        notice.refresh_from_db(fields=["state"])
        return False
    notice.state = to
    return True


def _told(error: Exception) -> str:
    """Without the reader's address: it goes to the staff's own program, too."""
    return redact(f"{type(error).__name__}: {error}")[:300]
