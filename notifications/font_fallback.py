"""Font fallback: which font draws which letter, by its script and by the glyphs of the font files.

Covered are the scripts of the Eighth Schedule of India's constitution, and Latin. A letter that no font has becomes
REPLACEMENT, and is reported.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import uharfbuzz as hb
from fontTools.unicodedata import script as script_of

FONTS = Path(__file__).parent / "fonts"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
ZWNJ, ZWJ = "\u200c", "\u200d"
JOINERS = (ZWNJ, ZWJ)
VARIATION_SELECTOR = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u034f]")
# No spelling has more marks than these on one letter; they would be drawn over the lines above and below.
MOST_MARKS = 5
# Formatting characters that are drawn: signs under which Arabic numbers stand.
DRAWN_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u0890\u0891\u08e2")
VIRAMA = 9  # the canonical combining class of what joins two consonants


@dataclass(frozen=True)
class Face:
    """A font file, and a bold one; without that, bold is drawn by a thicker line."""

    name: str
    bold_name: str = ""

    @property
    def file(self) -> Path:
        return FONTS / f"{self.name}.ttf"


@dataclass(frozen=True)
class Span:
    """Text that one face draws, in one script (ISO 15924)."""

    text: str
    face: Face
    script: str


BASE = Face("Regular", "Bold")
LATIN = Face("Latin")  # rare characters: combining accents, phonetic letters, more punctuation
FACES: dict[str, tuple[Face, ...]] = {
    "Latn": (BASE, LATIN),
    "Deva": (BASE, Face("DevanagariSupplement")),  # Hindi, Marathi, Nepali, Sanskrit, Konkani, Bodo, Dogri …
    "Beng": (Face("Bengali"),),  # Bengali, Assamese, Manipuri
    "Gujr": (Face("Gujarati"),),
    "Guru": (Face("Gurmukhi"),),  # Punjabi
    "Orya": (Face("Odia"),),
    "Taml": (Face("Tamil"), Face("TamilSupplement")),
    "Telu": (Face("Telugu"),),
    "Knda": (Face("Kannada"),),
    "Mlym": (Face("Malayalam"),),
    "Arab": (Face("Arabic"),),  # Urdu, Kashmiri, Sindhi
    "Olck": (Face("OlChiki"),),  # Santali
    "Mtei": (Face("MeeteiMayek"),),  # Manipuri
}
EVERY_FACE = tuple(dict.fromkeys(face for faces in FACES.values() for face in faces))
# Without any letter of its own (Zyyy, Zinh, Zzzz), a cluster belongs to the script that it stands in.
NO_SCRIPT = frozenset(("Zyyy", "Zinh", "Zzzz"))


@lru_cache
def font_face(name: str) -> hb.Face:
    """The font file of this name, as HarfBuzz reads it: once in a process."""
    return hb.Face(hb.Blob.from_file_path(str(FONTS / f"{name}.ttf")))


@lru_cache
def coverage(face: Face) -> frozenset[int]:
    """The code points that this font has a glyph for."""
    return frozenset(font_face(face.name).unicodes)


def clean_text(text: str) -> str:
    """On one line, composed, without what is not drawn: control, direction and variation characters."""
    drawable = ""
    for char in text:
        if char.isspace():
            drawable += " "
        elif unicodedata.category(char) in ("Cc", "Cf"):
            drawable += char if char in DRAWN_FORMATS or char in JOINERS else ""
        elif not VARIATION_SELECTOR.fullmatch(char):
            drawable += char
    return " ".join(unicodedata.normalize("NFC", drawable).split())


def clusters(text: str) -> Iterator[str]:
    """Letters with their marks, and consonants that a virama joins: where a line may not break."""
    cluster = ""
    for char in text:
        category = unicodedata.category(char)
        is_mark = category in ("Mn", "Mc", "Me") or char in JOINERS
        follows_joiner = cluster and (unicodedata.combining(cluster[-1]) == VIRAMA or cluster[-1] == ZWJ)
        if cluster and not is_mark and not (category == "Lo" and follows_joiner):
            yield cluster
            cluster = ""
        cluster += char
    if cluster:
        yield cluster


@lru_cache(maxsize=256)  # the labels stand on every receipt
def split_by_face(text: str) -> tuple[list[Span], list[str]]:
    """The text in reading order, each span with the face that draws it; and the characters that no face has.

    Callers must not change the lists.
    """
    spans: list[Span] = []
    missing: list[str] = []
    for cluster in clusters(text):
        for part in _drawable_parts(cluster, missing):
            before = spans[-1] if spans else None
            script = next((code for code in map(script_of, part) if code not in NO_SCRIPT), "")
            if not script and before and _has(before.face, part):
                face, script = before.face, before.script
            else:
                face, script = _faces_with(part)[0], script or "Latn"
            if before and (before.face, before.script) == (face, script):
                spans[-1] = Span(before.text + part, face, script)
            else:
                spans.append(Span(part, face, script))
    return spans, missing


def _drawable_parts(cluster: str, missing: list[str]) -> Iterable[str]:
    """The cluster whole if a face has it, or its compatible spelling; else letter by letter."""
    kept, marks = "", 0
    for char in cluster:
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if marks <= MOST_MARKS:
            kept += char
        else:
            missing.append(char)
    for spelling in (kept, unicodedata.normalize("NFKC", kept)):
        if _faces_with(spelling):
            return [spelling]
    missing += [char for char in kept if not _faces_with(char)]
    return [char if _faces_with(char) else REPLACEMENT for char in kept]


@lru_cache(maxsize=4096)
def _faces_with(cluster: str) -> tuple[Face, ...]:
    """Those of its own script first; of no script, the base face first."""
    own = [face for char in cluster for face in FACES.get(script_of(char), ())]
    return tuple(face for face in dict.fromkeys((*own, *EVERY_FACE)) if _has(face, cluster))


def _has(face: Face, cluster: str) -> bool:
    """The joiners need no glyph: shaping removes them."""
    return all(ord(char) in coverage(face) for char in cluster if char not in JOINERS)
