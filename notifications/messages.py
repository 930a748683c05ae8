"""From facts to words: one text per kind of notification, which becomes the plain mail and the HTML mail.

A text is a template `<kind>.txt`: header lines (`Subject:`, `Action:` for the link's button), an empty line,
paragraphs. Both forms are made of it, so that they cannot say different things.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.template import Context, Engine, TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from core.language import supported_language
from notifications.alerts import sentence_of, title_of
from notifications.models import Notification
from notifications.wording import LABELS, format_facts

# What a text asks for and the facts lack comes out as this sign, and the letter is not sent.
MISSING = "\x00"
TEXTS = Engine(
    dirs=[str(Path(__file__).parent / "templates" / "notifications" / "messages")],
    libraries={"i18n": "django.templatetags.i18n"},
    string_if_invalid=MISSING,
)


class Unwritable(Exception):
    """The letter cannot be written from these facts; trying again would change nothing."""


@dataclass(frozen=True)
class Letter:
    subject: str
    text: str
    html: str


def write(notification: Notification, link: str = "") -> Letter:
    """The notification in its reader's language, with a link to go on. Raises Unwritable."""
    language = supported_language(notification.language)
    with translation.override(language):
        try:
            facts = format_facts(notification.facts)
        except (TypeError, ValueError) as error:
            raise Unwritable(f"a fact cannot be read: {error}") from error
        about_alert = {"title": title_of(notification.facts), "sentence": sentence_of(notification.facts)}
        head, paragraphs = _parts(_filled(f"{notification.kind}.txt", facts | about_alert))
        name = notification.user.full_name if notification.user else ""
        parts: dict[str, Any] = {
            "language": language,
            "subject": head["Subject"],
            "greeting": _("Namaste {name},").format(name=name) if name else _("Namaste,"),
            "paragraphs": paragraphs,
            "rows": _rows(notification, facts),
            "action": head.get("Action", _("See your payment")),
            "link": link,
            "simulated": _("Simulation: no money has moved.") if notification.facts.get("simulated") else "",
            "footer": _("OkPuja. This message was sent automatically; please keep it for your records."),
        }
        html = render_to_string("notifications/letter.html", parts)
    mark = "[SIMULATION] " if parts["simulated"] else ""
    return Letter(mark + parts["subject"], _plain(parts), html)


def _rows(notification: Notification, facts: dict[str, Any]) -> list[tuple[str, Any]]:
    """What the letter is about, to be read at a glance; staff get every fact."""
    if notification.channel == Notification.Channel.STAFF:
        return [(name.replace("_", " "), said) for name, said in facts.items()]
    return [(str(label), facts[name]) for name, label in LABELS.items() if name in facts]


def _filled(name: str, facts: dict[str, Any]) -> str:
    try:
        text = TEXTS.get_template(name).render(Context(facts, autoescape=False))
    except (TemplateDoesNotExist, TemplateSyntaxError) as error:
        raise Unwritable(f"the text {name} cannot be used: {error}") from error
    if MISSING in text:
        raise Unwritable(f"{name} needs a fact that is missing")
    return text


def _parts(text: str) -> tuple[dict[str, str], list[str]]:
    head, _separator, body = text.strip().partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines())
    paragraphs = [" ".join(part.split()) for part in body.split("\n\n")]
    return headers, [part for part in paragraphs if part]


def _plain(parts: dict[str, Any]) -> str:
    rows = "\n".join(f"{label}: {said}" for label, said in parts["rows"])
    link = f"{parts['action']}:\n{parts['link']}" if parts["link"] else ""
    blocks = [
        parts["simulated"],
        parts["greeting"],
        *parts["paragraphs"],
        rows,
        link,
        f"-- \n{parts['footer']}",
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"
