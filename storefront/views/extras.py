"""The choice of the language; and, in simulation, the mails that the shop has sent."""

from dataclasses import dataclass
from datetime import datetime, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from core.language import supported_language
from payment.views.pages import SeeOther
from storefront.views.page import Page, may_see_demo

YEAR = 365 * 86_400
MAILS_SHOWN = 50
LARGEST_MAIL = 2_000_000


class LanguagePage(Page):
    """Keeps the choice in a cookie. It changes nothing else, so a link is enough."""

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        if supported_language(code) != code:
            raise Http404
        target = request.GET.get("next", "")
        is_ours = target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None)
        response = SeeOther(target if is_ours else "/")
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            code,
            max_age=YEAR,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
        return response


@dataclass(frozen=True)
class Mail:
    name: str
    subject: str
    to: str
    at: datetime | None
    text: str
    files: list[str]


class OutboxPage(Page):
    """In simulation only, and for people at this machine and operators: whoever reads it can sign in as anybody."""

    template: ClassVar[str] = "storefront/outbox.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        folder: str = settings.EMAIL_FOLDER  # type: ignore[misc]
        if not may_see_demo(request) or not folder:
            raise Http404
        newest = sorted(Path(folder).glob("*.eml"), reverse=True)[:MAILS_SHOWN]
        return self.show(mails=[read_mail(file) for file in newest if file.stat().st_size < LARGEST_MAIL])


def read_mail(file: Path) -> Mail:
    message = message_from_bytes(file.read_bytes(), _class=EmailMessage, policy=policy.default)
    body = message.get_body(("plain",))
    return Mail(
        name=file.stem,
        subject=str(message.get("Subject", "")),
        to=str(message.get("To", "")),
        at=_moment_of(message),
        text=body.get_content() if body else "",
        files=[each.get_filename() or "" for each in message.iter_attachments()],
    )


def _moment_of(message: EmailMessage) -> datetime | None:
    """Django writes -0000, which the library reads as a moment without a zone."""
    at: datetime | None = message["Date"].datetime if message["Date"] else None
    return at.replace(tzinfo=timezone.utc) if at and at.tzinfo is None else at
