"""Lays out text as lines: shaped by HarfBuzz, broken at the width, in visual order."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise

import uharfbuzz as hb
from fpdf.bidi import BidiParagraph
from fpdf.enums import TextDirection

from notifications.font_fallback import clean_text, clusters, font_face, split_by_face

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

    def parts(self) -> Iterator[tuple[str, list[Glyph], int]]:
        """Text with its glyphs and where they begin, from left to right.

        A run from right to left has one part per letter, its marks apart: programs that read a PDF find letters by
        their positions on the page, and reverse them themselves.
        """
        if self.direction == "ltr":
            yield self.text, list(self.glyphs), 0
            return
        ends = dict(pairwise([*sorted({glyph.cluster for glyph in self.glyphs}), len(self.text)]))
        position = 0
        for start, cluster in groupby(self.glyphs, key=lambda glyph: glyph.cluster):
            text = self.text[start : ends[start]]
            for is_letter, part in groupby(cluster, key=lambda glyph: bool(glyph.advance)):
                glyphs = list(part)
                yield text if is_letter else "", glyphs, position
                text = "" if is_letter else text
                position += sum(glyph.advance for glyph in glyphs)


@dataclass(frozen=True)
class Line:
    """`text` in reading order, `runs` from left to right."""

    text: str
    runs: tuple[Run, ...]

    @property
    def width(self) -> int:
        return sum(run.width for run in self.runs)


@lru_cache(maxsize=256)  # the labels stand on every receipt
def set_lines(text: str, width: float, *, is_bold: bool) -> tuple[list[Line], list[str]]:
    """Lines of at most `width` (in thousandths of the font size), and the characters that no font has.

    A line breaks at a space. A word that is wider than the line breaks between its letters, never inside one.
    Callers must not change the lists.
    """

    def fits(part: str) -> bool:
        return set_line(part, is_bold=is_bold).width <= width

    spans, missing = split_by_face(clean_text(text))
    words = "".join(span.text for span in spans).split()
    whole = set_line(" ".join(words), is_bold=is_bold)
    if whole.width <= width:
        return [whole] if words else [], missing
    lines: list[str] = []
    for word in words:
        if lines and fits(f"{lines[-1]} {word}"):
            lines[-1] += f" {word}"
        elif fits(word):
            lines.append(word)
        else:
            lines.append("")
            for cluster in clusters(word):
                if lines[-1] and not fits(lines[-1] + cluster):
                    lines.append("")
                lines[-1] += cluster
    return [set_line(line, is_bold=is_bold) for line in lines], missing


def set_line(text: str, *, is_bold: bool) -> Line:
    runs = []
    for part, direction in _in_visual_order(text):
        spans, _ = split_by_face(part)
        for span in spans if direction == "ltr" else reversed(spans):
            name = span.face.bold_name if is_bold and span.face.bold_name else span.face.name
            is_outlined = is_bold and not span.face.bold_name
            glyphs = shape(name, span.text, span.script, direction)
            runs.append(Run(span.text, name, is_outlined, span.script, direction, glyphs))
    return Line(text, tuple(runs))


def shape(font_name: str, text: str, script: str, direction: str) -> tuple[Glyph, ...]:
    """The glyphs and their positions, in units of the font: all of ours have a thousand to the em."""
    buffer = hb.Buffer()
    buffer.cluster_level = hb.BufferClusterLevel.MONOTONE_GRAPHEMES
    buffer.add_str(text)
    buffer.script, buffer.direction = script, direction
    buffer.language = LANGUAGES.get(script, "und")
    hb.shape(_font(font_name), buffer)
    return tuple(
        Glyph(info.codepoint, info.cluster, position.x_advance, position.x_offset, position.y_offset)
        for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True)
    )


@lru_cache
def _font(name: str) -> hb.Font:
    return hb.Font(font_face(name))


def _in_visual_order(text: str) -> list[tuple[str, str]]:
    """Parts of one direction, from left to right. Our lines begin at the left, whatever is written in them."""
    if RIGHT_TO_LEFT.isdisjoint(map(unicodedata.bidirectional, text)):
        return [(text, "ltr")]
    paragraph = BidiParagraph(text=text, base_direction=TextDirection.LTR, preserve_bn_chars=True)
    letters = groupby(paragraph.get_characters(), key=lambda letter: letter.embedding_level)
    levels = [(level, "".join(letter.character for letter in part)) for level, part in letters]
    # Rule L2 of the bidirectional algorithm: for each level, what stands at it or above is reversed.
    for least in range(max(level for level, _ in levels), 0, -1):
        reordered: list[tuple[int, str]] = []
        for is_inside, group in groupby(levels, key=lambda level: level[0] >= least):
            inside = list(group)
            reordered += inside[::-1] if is_inside else inside
        levels = reordered
    return [(part, "rtl" if level % 2 else "ltr") for level, part in levels]
