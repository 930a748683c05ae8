"""From text to lines on paper: shaped, broken, and in the order in which they are seen."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise

import uharfbuzz as hb
from fpdf.bidi import BidiParagraph
from fpdf.enums import TextDirection

from notifications.scripts import FONTS, Piece, cleaned, clusters, pieces

RIGHT_TO_LEFT = frozenset(("R", "AL", "AN"))
# Urdu's own forms of digits and of heh.
LANGUAGES = {"Arab": "ur"}


@dataclass(frozen=True)
class Glyph:
    """One shape of a font, from left to right, and the first letter of `text` that it stands for."""

    number: int
    cluster: int
    advance: int
    x_offset: int
    y_offset: int


@dataclass(frozen=True)
class Run:
    """What is drawn at once: one font file, one script, one direction. Widths in thousandths of the font size."""

    text: str
    font_name: str
    is_outlined: bool  # bold, of a face that has no bold font
    script: str
    direction: str
    glyphs: tuple[Glyph, ...]

    @property
    def width(self) -> int:
        return sum(glyph.advance for glyph in self.glyphs)

    def clusters(self) -> Iterator[tuple[str, list[Glyph]]]:
        """The letters and the glyphs that belong together, from left to right."""
        ends = dict(pairwise([*sorted({glyph.cluster for glyph in self.glyphs}), len(self.text)]))
        for start, glyphs in groupby(self.glyphs, key=lambda glyph: glyph.cluster):
            yield self.text[start : ends[start]], list(glyphs)


@dataclass(frozen=True)
class Line:
    """`text` as it is read, `runs` as they stand from left to right."""

    text: str
    runs: tuple[Run, ...]

    @property
    def width(self) -> int:
        return sum(run.width for run in self.runs)


@lru_cache
def _font(name: str) -> hb.Font:
    return hb.Font(hb.Face(hb.Blob.from_file_path(str(FONTS / f"{name}.ttf"))))


def set_lines(text: str, width: float, *, is_bold: bool) -> tuple[list[Line], list[str]]:
    """Lines of at most `width` (in thousandths of the font size), and the characters that no font has."""
    drawable, unwritten = pieces(cleaned(text))
    written = "".join(piece.text for piece in drawable)
    return [line_of(line, is_bold=is_bold) for line in _broken(written, width, is_bold)], unwritten


def line_of(text: str, *, is_bold: bool) -> Line:
    runs = [
        _run(piece, direction, is_bold)
        for part, direction in _in_visual_order(text)
        for piece in _turned(pieces(part)[0], direction)
    ]
    return Line(text, tuple(runs))


def _in_visual_order(text: str) -> list[tuple[str, str]]:
    """Parts of one direction, from left to right. Our lines begin at the left, whatever is written in them."""
    if RIGHT_TO_LEFT.isdisjoint(map(unicodedata.bidirectional, text)):
        return [(text, "ltr")]
    paragraph = BidiParagraph(text=text, base_direction=TextDirection.LTR, preserve_bn_chars=True)
    letters = groupby(paragraph.get_characters(), key=lambda letter: letter.embedding_level)
    levels = [(level, "".join(letter.character for letter in part)) for level, part in letters]
    return [(part, "rtl" if level % 2 else "ltr") for level, part in _reordered(levels)]


def _reordered(levels: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Rule L2 of the bidirectional algorithm: what stands at a level or above it is turned around, for each level."""
    for least in range(max(level for level, _ in levels), 0, -1):
        turned: list[tuple[int, str]] = []
        for is_inside, part in groupby(levels, key=lambda level: level[0] >= least):
            inside = list(part)
            turned += inside[::-1] if is_inside else inside
        levels = turned
    return levels


def _turned(found: list[Piece], direction: str) -> list[Piece]:
    return found[::-1] if direction == "rtl" else found


def _run(piece: Piece, direction: str, is_bold: bool) -> Run:
    name = piece.face.bold_name if is_bold and piece.face.bold_name else piece.face.name
    is_outlined = is_bold and not piece.face.bold_name
    glyphs = shape(name, piece.text, piece.script, direction)
    return Run(piece.text, name, is_outlined, piece.script, direction, glyphs)


def shape(font_name: str, text: str, script: str, direction: str) -> tuple[Glyph, ...]:
    """The glyphs and their places, in units of the font: all of ours have a thousand to the em."""
    buffer = hb.Buffer()
    buffer.cluster_level = hb.BufferClusterLevel.MONOTONE_GRAPHEMES
    buffer.add_str(text)
    buffer.script, buffer.direction = script, direction
    buffer.language = LANGUAGES.get(script, "und")
    hb.shape(_font(font_name), buffer)
    return tuple(
        Glyph(info.codepoint, info.cluster, place.x_advance, place.x_offset, place.y_offset)
        for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True)
    )


def _broken(text: str, width: float, is_bold: bool) -> Iterator[str]:
    """At spaces; a word wider than the line also between its letters, never inside one."""
    line = ""
    for word in text.split():
        if line and line_of(f"{line} {word}", is_bold=is_bold).width <= width:
            line = f"{line} {word}"
            continue
        if line:
            yield line
        *full, line = _torn(word, width, is_bold)
        yield from full
    if line:
        yield line


def _torn(word: str, width: float, is_bold: bool) -> list[str]:
    if line_of(word, is_bold=is_bold).width <= width:
        return [word]
    parts = [""]
    for cluster in clusters(word):
        if parts[-1] and line_of(parts[-1] + cluster, is_bold=is_bold).width > width:
            parts.append("")
        parts[-1] += cluster
    return parts
