"""Which font draws which letters: a table by script, and what the font files hold. Nothing is left to chance.

Every script of the Eighth Schedule of India's constitution, and Latin. A letter that no font has becomes
REPLACEMENT, and is reported.
"""

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
# More marks than these on one letter are no spelling; they would be drawn over the lines above and below.
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
class Piece:
    """Text that one face draws, in one script (ISO 15924)."""

    text: str
    face: Face
    script: str


BASE = Face("Regular", "Bold")
LATIN = Face("Latin")  # what is rare: combining accents, phonetic letters, more punctuation
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
def coverage(face: Face) -> frozenset[int]:
    """The code points that this font has a glyph for."""
    return frozenset(hb.Face(hb.Blob.from_file_path(str(face.file))).unicodes)


def cleaned(text: str) -> str:
    """On one line, composed, without what is not drawn: control, direction and variation characters."""
    spaced = "".join(" " if char.isspace() else char for char in text)
    kept = "".join(char for char in spaced if _is_drawn(char))
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _is_drawn(char: str) -> bool:
    if unicodedata.category(char) in ("Cc", "Cf"):
        return char in DRAWN_FORMATS or char in (ZWNJ, ZWJ)
    return not ("\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef" or char == "\u034f")


def clusters(text: str) -> Iterator[str]:
    """Letters with their marks, and consonants that a virama joins: what may not be torn apart."""
    cluster = ""
    for char in text:
        if cluster and not _joins(cluster[-1], char):
            yield cluster
            cluster = ""
        cluster += char
    if cluster:
        yield cluster


def _joins(before: str, char: str) -> bool:
    if unicodedata.category(char) in ("Mn", "Mc", "Me") or char in (ZWNJ, ZWJ):
        return True
    is_letter = unicodedata.category(char) == "Lo"
    return is_letter and (unicodedata.combining(before) == VIRAMA or before == ZWJ)


def pieces(text: str) -> tuple[list[Piece], list[str]]:
    """The text in the order it is read, each piece with the face that draws it; and what no face can draw."""
    found: list[Piece] = []
    unwritten: list[str] = []
    for cluster in clusters(text):
        for part in _spellings(cluster, unwritten):
            _append(found, _piece(part, found[-1] if found else None))
    return found, unwritten


def _spellings(cluster: str, unwritten: list[str]) -> Iterable[str]:
    """The cluster whole if a face has it, or its compatible spelling; else letter by letter."""
    cluster = _bounded(cluster, unwritten)
    for spelling in (cluster, unicodedata.normalize("NFKC", cluster)):
        if _faces_with(spelling):
            return [spelling]
    drawn = []
    for char in cluster:
        if _faces_with(char):
            drawn.append(char)
        else:
            unwritten.append(char)
            drawn.append(REPLACEMENT)
    return drawn


def _bounded(cluster: str, unwritten: list[str]) -> str:
    """Without the marks that stand beyond the first few on one letter."""
    kept, marks = "", 0
    for char in cluster:
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if marks <= MOST_MARKS:
            kept += char
        else:
            unwritten.append(char)
    return kept


def _piece(cluster: str, before: Piece | None) -> Piece:
    script = next((code for code in map(script_of, cluster) if code not in NO_SCRIPT), "")
    if not script and before and _has(before.face, cluster):
        return Piece(cluster, before.face, before.script)
    face = _faces_with(cluster)[0]
    return Piece(cluster, face, script or "Latn")


@lru_cache(maxsize=4096)
def _faces_with(cluster: str) -> tuple[Face, ...]:
    """Those of its own script first; of no script, the base face first."""
    own = [face for char in cluster for face in FACES.get(script_of(char), ())]
    return tuple(face for face in dict.fromkeys((*own, *EVERY_FACE)) if _has(face, cluster))


def _has(face: Face, cluster: str) -> bool:
    """The joiners need no glyph: shaping takes them out."""
    return all(ord(char) in coverage(face) for char in cluster if char not in (ZWNJ, ZWJ))


def _append(found: list[Piece], piece: Piece) -> None:
    if found and (found[-1].face, found[-1].script) == (piece.face, piece.script):
        piece = Piece(found.pop().text + piece.text, piece.face, piece.script)
    found.append(piece)
