"""Reads gettext catalogues and finds marked sentences in the sources, without the gettext programs."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.utils.translation.template import templatize

from okpuja.build import PACKAGES
from tests.harness import ROOT

# What marks a sentence, and which of its arguments are the context, the sentence and its plural.
MARKS = {
    "_": ("text",),
    "gettext": ("text",),
    "gettext_lazy": ("text",),
    "ngettext": ("text", "plural"),
    "ngettext_lazy": ("text", "plural"),
    "pgettext": ("context", "text"),
    "pgettext_lazy": ("context", "text"),
    "npgettext": ("context", "text", "plural"),
    "npgettext_lazy": ("context", "text", "plural"),
}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}")
# What templatize leaves of a template: calls among characters that mean nothing.
CALL = re.compile(
    r"\b(?:n?p?gettext)\((?:u?(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"),? ?|count)+\)", re.DOTALL
)

Key = tuple[str, str]  # context, English text


@dataclass
class Entry:
    """One sentence of a catalogue; `texts` are the translations by plural form."""

    context: str = ""
    text: str = ""
    plural: str = ""
    texts: dict[int, str] = field(default_factory=dict)
    is_fuzzy: bool = False

    @property
    def key(self) -> Key:
        return self.context, self.text


def read_catalogue(path: Path) -> list[Entry]:
    """The sentences of a .po file in order, without its header."""
    entries: list[Entry] = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        parts: dict[str, str] = {}
        keyword = ""
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if not line.startswith('"'):
                keyword, line = line.split(" ", 1)
            parts[keyword] = parts.get(keyword, "") + ast.literal_eval(line)
        texts = {
            int(name[7:-1] or 0) if name != "msgstr" else 0: text
            for name, text in parts.items()
            if name.startswith("msgstr")
        }
        is_fuzzy = re.search(r"^#,.*\bfuzzy\b", block, re.MULTILINE) is not None
        entry = Entry(
            parts.get("msgctxt", ""), parts.get("msgid", ""), parts.get("msgid_plural", ""), texts, is_fuzzy
        )
        if entry.text:
            entries.append(entry)
    return entries


def sentences_of_sources() -> set[Key]:
    """Every sentence that is marked for translation in our packages. The simulator speaks English only."""
    found: set[Key] = set()
    for package in sorted(set(PACKAGES) - {"simulator"}):
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix == ".py":
                found |= set(_marked(ast.parse(path.read_text(encoding="utf-8")), path))
            elif path.suffix in (".html", ".txt"):
                code = templatize(path.read_text(encoding="utf-8"), origin=str(path))
                for call in CALL.findall(code):
                    found |= set(_marked(ast.parse(call), path))
    return found


def _marked(tree: ast.AST, path: Path) -> Iterator[Key]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in MARKS:
            continue
        said = dict(zip(MARKS[node.func.id], node.args, strict=False))
        if not isinstance(said["text"], ast.Constant):
            raise ValueError(f"{path}:{node.lineno}: only a literal sentence can be translated")
        context = said.get("context")
        yield context.value if isinstance(context, ast.Constant) else "", said["text"].value
