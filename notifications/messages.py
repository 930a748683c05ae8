"""From facts to words: one text per kind of notification, which becomes the plain mail and the HTML mail.

A text is a template `messages/<kind>.txt`: header lines (`Subject:`, `Action:` for the link's button), an empty line,
paragraphs. Both forms are made of it, so that they cannot say different things.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.template import Context, Engine, TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import User
from core.brand import brand
from core.language import supported_language
from core.texts import safe_line
from notifications.alerts import sentence_of, title_of
from notifications.formatting import LABELS, format_facts
from notifications.models import Notification

# A template prints this for a fact that is missing, and the message is not sent.
MISSING = "\x00"
TEXTS = Engine(
    dirs=[str(Path(__file__).parent / "templates" / "notifications" / "messages")],
    libraries={"i18n": "django.templatetags.i18n"},
    string_if_invalid=MISSING,
)


class Unwritable(Exception):
    """The message cannot be written from these facts; trying again would change nothing."""


@dataclass(frozen=True)
class Message:
    subject: str
    text: str
    html: str
    language: str


def write(notification: Notification, link: str = "", change_link: str = "", map_link: str = "") -> Message:
    """In its reader's language, with links to go on, to change a booking, and to find it. Raises Unwritable."""
    language = supported_language(notification.language)
    with translation.override(language):
        try:
            facts = format_facts(notification.facts)
        except (TypeError, ValueError) as error:
            raise Unwritable(f"a fact cannot be read: {error}") from error
        if notification.channel == Notification.Channel.STAFF:  # staff get every fact
            rows = [(name.replace("_", " "), value) for name, value in facts.items()]
        else:
            rows = [(str(label), facts[name]) for name, label in LABELS.items() if name in facts]
        about_alert = {"title": title_of(notification.facts), "sentence": sentence_of(notification.facts)}
        headers, paragraphs = _render_text(notification.kind, facts | about_alert | {"brand": brand().name})
        name = _name_of(notification.user) if notification.user else ""
        simulated = _("Simulation: no money has moved.") if notification.facts.get("simulated") else ""
        parts = {
            "language": language,
            "subject": headers["Subject"],
            "greeting": _("Namaste {name},").format(name=name) if name else _("Namaste,"),
            "paragraphs": paragraphs,
            "rows": rows,
            "action": headers.get("Action", _("See your payment")),
            "link": link,
            "change": _("Cancel or move your booking"),
            "change_link": change_link,
            "find": _("Show it on a map"),
            "map_link": map_link,
            "simulated": simulated,
            "footer": _(
                "{brand}. This message was sent automatically; please keep it for your records."
            ).format(brand=brand().name),
            "contact": " · ".join(filter(None, (brand().phone, brand().email))),
            "brand": brand(),
        }
        return Message(
            subject=f"[SIMULATION] {headers['Subject']}" if simulated else headers["Subject"],
            text=render_to_string("notifications/message.txt", parts),
            html=render_to_string("notifications/message.html", parts),
            language=language,
        )


def _name_of(user: User) -> str:
    """To an unconfirmed address nothing is written that its owner may not have chosen."""
    return safe_line(user.full_name) if user.email_confirmed_at else ""


def _render_text(kind: str, facts: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """The headers and paragraphs of the text of this kind. Raises Unwritable."""
    try:
        text = TEXTS.get_template(f"{kind}.txt").render(Context(facts, autoescape=False))
    except (TemplateDoesNotExist, TemplateSyntaxError) as error:
        raise Unwritable(f"the text {kind} cannot be used: {error}") from error
    if MISSING in text:
        raise Unwritable(f"the text {kind} needs a fact that is missing")
    head, _separator, body = text.strip().partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines())
    paragraphs = (" ".join(paragraph.split()) for paragraph in body.split("\n\n"))
    return headers, [paragraph for paragraph in paragraphs if paragraph]
