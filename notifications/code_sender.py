"""Who carries one-time codes to people: the class or function that CODE_SENDER names. docs/code-senders.md says how to
write one."""

import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from accounts.codes import sender
from core.databases import release_connections


@dataclass(frozen=True)
class CodeMessage:
    """One code for one person, with the text in their language. `id` is the same at every try."""

    id: str
    via: str  # the channel that was asked for: one of the sender's `channels`
    purpose: str  # "confirm", "reset" or "login"
    email: str
    phone: str  # E.164, or "" when we know none
    language: str
    code: str
    subject: str
    text: str
    html: str


class CodeNotSent(OSError):
    """A try that failed; there will be another one. Its text does not hold the code."""


class CodeRefused(ValueError):
    """No try can succeed. Its text does not hold the code."""


class MailSender:
    """By the mail server of EMAIL_URL; files in a folder when that is not set."""

    channels: ClassVar[tuple[str, ...]] = ("email",)

    def __call__(self, message: CodeMessage, timeout: float) -> None:
        """Django's mail backends take the timeout from EMAIL_TIMEOUT. Raises OSError."""
        headers = {"Message-ID": message.id, "Auto-Submitted": "auto-generated"}
        mail = EmailMultiAlternatives(message.subject, message.text, to=[message.email], headers=headers)
        mail.attach_alternative(message.html, "text/html")
        mail.send()


def send_code(message: CodeMessage) -> None:
    """One try, outside any transaction. Raises CodeNotSent and CodeRefused, and what smtplib raises in MailSender."""
    call_sender(sender(), message, message.code, "[code]", CodeNotSent, CodeRefused)


def call_sender(
    send: Callable[..., None],
    message: Any,
    hidden: str,
    mark: str,
    not_sent: type[OSError],
    refused: type[ValueError],
) -> None:
    """One call of a sender of the installation. Its error becomes one of the two, with `mark` instead of `hidden`."""
    if not isinstance(send, MailSender):
        release_connections()
    try:
        send(message, timeout=settings.EMAIL_TIMEOUT)
    except Exception as error:
        if isinstance(send, MailSender) and isinstance(error, smtplib.SMTPException):
            raise  # who calls knows what each of its answers means
        cause = f"{type(error).__name__}: {error}".replace(hidden, mark)
        is_hopeless = isinstance(error, ValueError) and not isinstance(error, OSError)
        raise (refused if is_hopeless else not_sent)(cause) from None
