"""Reads back what lies in a PDF of ours: the outlines that are drawn, and the text that a reader finds."""

import io
import re
import zlib
from dataclasses import dataclass

from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.ttLib import TTFont

OBJECT = re.compile(rb"(\d+) 0 obj\n(.*?)\nendobj", re.S)
OPERATOR = re.compile(
    r"/F(?P<font>\d+) [\d.]+ Tf|<FEFF(?P<text>[0-9A-F]*)>>> BDC"
    r"|1 0 0 1 (?P<x>\S+) (?P<y>\S+) Tm|<(?P<codes>[0-9A-F]+)> Tj"
)


@dataclass(frozen=True)
class Glyphs:
    """Codes at a place of a page, with the outlines that stand for them in the embedded font."""

    font: str
    x: float
    y: float
    outlines: tuple[tuple, ...]


def outline(font, name):
    pen = DecomposingRecordingPen(font.getGlyphSet())
    font.getGlyphSet()[name].draw(pen)
    return tuple(pen.value)


class Pages:
    def __init__(self, pdf):
        self.objects = {int(number): body for number, body in OBJECT.findall(pdf)}

    def stream(self, number):
        head, _, rest = self.objects[number].partition(b"stream\n")
        data = rest.rsplit(b"\nendstream", 1)[0]
        return zlib.decompress(data) if b"FlateDecode" in head else data

    def reference(self, number, key):
        return int(re.search(rb"/%s \[?(\d+) 0 R" % key.encode(), self.objects[number])[1])

    @property
    def numbers(self):
        return [number for number, body in self.objects.items() if re.search(rb"/Type /Page\n", body + b"\n")]

    def fonts(self, page):
        listed = re.findall(rb"/F(\d+) (\d+) 0 R", self.objects[self.reference(page, "Resources")])
        return {int(name): self.font(int(number)) for name, number in listed}

    def font(self, number):
        """Its name, and the outline of each code."""
        cid = self.reference(number, "DescendantFonts")
        descriptor = self.reference(cid, "FontDescriptor")
        file = TTFont(io.BytesIO(self.stream(self.reference(descriptor, "FontFile2"))))
        gids = self.stream(self.reference(cid, "CIDToGIDMap"))
        name = re.search(rb"/BaseFont /\w+\+(\S+)", self.objects[number])[1].decode()
        return name, lambda code: outline(
            file, file.getGlyphName(int.from_bytes(gids[2 * code : 2 * code + 2], "big"))
        )

    def shown(self):
        for page in self.numbers:
            fonts = self.fonts(page)
            name, draw, x, y = "", None, 0.0, 0.0
            for found in OPERATOR.finditer(self.stream(self.reference(page, "Contents")).decode("latin-1")):
                if found["font"]:
                    name, draw = fonts[int(found["font"])]
                elif found["x"]:
                    x, y = float(found["x"]), float(found["y"])
                elif found["codes"]:
                    codes = bytes.fromhex(found["codes"])
                    each = (int.from_bytes(codes[at : at + 2], "big") for at in range(0, len(codes), 2))
                    yield Glyphs(name, x, y, tuple(draw(code) for code in each))

    def texts(self):
        """The text of each span that says how it is read."""
        for page in self.numbers:
            for found in OPERATOR.finditer(self.stream(self.reference(page, "Contents")).decode("latin-1")):
                if found["text"]:
                    yield bytes.fromhex(found["text"]).decode("utf-16-be")
