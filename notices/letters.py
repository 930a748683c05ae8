"""From facts to words: one text per kind and language, which becomes the plain mail and the HTML mail.

A text is a file `<language>/<kind>.txt`: header lines (`Subject:`, `Action:` for the link's button), an empty
line, paragraphs. Both forms are made of it, so that they cannot say different things.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.template import Context, Engine, TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import render_to_string

from notices.alerts import sentence_of, title_of
from notices.models import Notice
from notices.wording import LABELS, WORDS, known, spoken

# What a text asks for and the facts lack comes out as this sign, and the letter is not sent.
MISSING = "\x00"
TEXTS = Engine(
    dirs=[str(Path(__file__).parent / "templates" / "notices")], autoescape=False, string_if_invalid=MISSING
)


class Unwritable(Exception):
    """The letter cannot be written from these facts; trying again would change nothing."""


@dataclass(frozen=True)
class Letter:
    subject: str
    text: str
    html: str


def write(notice: Notice, link: str = "") -> Letter:
    """The notice in its reader's language, with a link to go on. Raises Unwritable."""
    language = known(notice.language)
    try:
        facts = spoken(notice.facts, language)
    except (TypeError, ValueError) as error:
        raise Unwritable(f"a fact cannot be read: {error}") from error
    name = notice.user.full_name if notice.user else ""
    about_alert = {"title": title_of(notice.facts), "sentence": sentence_of(notice.facts)}
    text = _filled(f"{language}/{notice.kind}.txt", facts | about_alert)
    head, paragraphs = _parts(text)
    words = WORDS[language]
    parts: dict[str, Any] = {
        "language": language,
        "subject": head["Subject"],
        "greeting": words["greeting_to"].format(name=name) if name else words["greeting"],
        "paragraphs": paragraphs,
        "rows": _rows(notice, facts, language),
        "action": head.get("Action", words["action"]),
        "link": link,
        "simulated": words["simulated"] if notice.facts.get("simulated") else "",
        "footer": words["footer"],
    }
    mark = "[SIMULATION] " if parts["simulated"] else ""
    return Letter(mark + parts["subject"], _plain(parts), render_to_string("notices/letter.html", parts))


def _rows(notice: Notice, facts: dict[str, Any], language: str) -> list[tuple[str, Any]]:
    """What the letter is about, to be read at a glance; staff get every fact."""
    if notice.channel == Notice.Channel.STAFF:
        return [(name.replace("_", " "), said) for name, said in facts.items()]
    return [(labels[language], facts[name]) for name, labels in LABELS.items() if name in facts]


def _filled(name: str, facts: dict[str, Any]) -> str:
    try:
        text = TEXTS.get_template(name).render(Context(facts))
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
