"""The words that somebody reads on a page: its text and its labels, without scripts, icons and marked foreign text."""

import re
from collections.abc import Collection
from html.parser import HTMLParser

VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
LABELS = {"placeholder", "title", "aria-label", "data-label", "alt"}
ADDRESS = re.compile(r"https?://\S+")
WORD = re.compile(r"[^\s,;:·()\[\]{}“”\"'|/…–+=<>!?]+")


class ReadableText(HTMLParser):
    """`texts`: what stands in the language of the page. An element with another `lang` is read in that one."""

    def __init__(self, language: str, without: Collection[str] = ()) -> None:
        super().__init__()
        self.language, self.texts = language, list[str]()
        self._hidden = {"script", "style", "template", "svg", *without}
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        is_icon = "material-symbols" in found.get("class", "") or tag in self._hidden
        is_foreign = found.get("lang", self.language) != self.language
        is_hidden = is_icon or is_foreign or (bool(self._open) and self._open[-1][1])
        if not is_hidden:
            self.texts += [value for name, value in found.items() if name in LABELS]
            if tag == "input" and found.get("type") in ("submit", "button"):
                self.texts.append(found.get("value", ""))
        if tag not in VOID:
            self._open.append((tag, is_hidden))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            continue

    def handle_data(self, data: str) -> None:
        if not (self._open and self._open[-1][1]):
            self.texts.append(data)


def latin_words(page: str, language: str = "hi", without: Collection[str] = ()) -> dict[str, str]:
    """Each English-looking word with the text that it stands in. No references, addresses or abbreviations.

    `without`: elements whose words are not looked at.
    """
    reader = ReadableText(language, without)
    reader.feed(page)
    found = {}
    for text in reader.texts:
        for word in WORD.findall(ADDRESS.sub("", text)):
            word = word.strip(".*&#-₹%")
            if re.fullmatch(r"[A-Za-z]{2,}(?:[-’][A-Za-z]+)*", word) and not word.isupper():
                found[word] = " ".join(text.split())[:120]
    return found
