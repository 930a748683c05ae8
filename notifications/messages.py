"""From facts to words: one text per kind and language, which becomes the plain mail and the HTML mail.

A text is a file `<language>/<kind>.txt`: header lines (`Subject:`, `Action:` for the link's button), an empty
line, paragraphs. Both forms are made of it, so that they cannot say different things.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.template import Context, Engine, TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import render_to_string

from notifications.alerts import sentence_of, title_of
from notifications.models import Notification
from notifications.wording import LABELS, WORDS, known, spoken

# What a text asks for and the facts lack comes out as this sign, and the letter is not sent.
MISSING = "\x00"
TEXTS = Engine(
    dirs=[str(Path(__file__).parent / "templates" / "notifications")],
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
    language = known(notification.language)
    try:
        facts = spoken(notification.facts, language)
    except (TypeError, ValueError) as error:
        raise Unwritable(f"a fact cannot be read: {error}") from error
    name = notification.user.full_name if notification.user else ""
    about_alert = {"title": title_of(notification.facts), "sentence": sentence_of(notification.facts)}
    text = _filled(f"{language}/{notification.kind}.txt", facts | about_alert)
    head, paragraphs = _parts(text)
    words = WORDS[language]
    parts: dict[str, Any] = {
        "language": language,
        "subject": head["Subject"],
        "greeting": words["greeting_to"].format(name=name) if name else words["greeting"],
        "paragraphs": paragraphs,
        "rows": _rows(notification, facts, language),
        "action": head.get("Action", words["action"]),
        "link": link,
        "simulated": words["simulated"] if notification.facts.get("simulated") else "",
        "footer": words["footer"],
    }
    mark = "[SIMULATION] " if parts["simulated"] else ""
    return Letter(
        mark + parts["subject"], _plain(parts), render_to_string("notifications/letter.html", parts)
    )


def _rows(notification: Notification, facts: dict[str, Any], language: str) -> list[tuple[str, Any]]:
    """What the letter is about, to be read at a glance; staff get every fact."""
    if notification.channel == Notification.Channel.STAFF:
        return [(name.replace("_", " "), said) for name, said in facts.items()]
    return [(labels[language], facts[name]) for name, labels in LABELS.items() if name in facts]


def _filled(name: str, facts: dict[str, Any]) -> str:
    try:
        text = TEXTS.get_template(name).render(Context(facts, autoescape=False))
    except (TemplateDoesNotExist, TemplateSyntaxError) as error:
        raise Unwritable(f"the text {name} cannot be used: {error}") from error
    if MISSING in text:
        raise Unwritable(f"{name} needs a fact that is missing")
    return text


def _parts(text: str) -> tuple[dict[str, str], list[str]]:
    head, _, body = text.strip().partition("\n\n")
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
