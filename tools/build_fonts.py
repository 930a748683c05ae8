"""Rebuild the fonts of receipts but Regular.ttf and Bold.ttf: `python tools/build_fonts.py PACKAGES NOTO OUT`.

PACKAGES holds the npm packages of PACKAGED, each unpacked under its name (`npm pack @fontsource/NAME`; versions
in notifications/fonts/README.md); NOTO is Debian's /usr/share/fonts/truetype/noto. Each file keeps one script.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

PACKAGED = {
    "Arabic": ("noto-naskh-arabic", "arabic"),
    "Bengali": ("noto-sans-bengali", "bengali"),
    "DevanagariSupplement": ("noto-sans-devanagari", "devanagari"),
    "Gujarati": ("noto-sans-gujarati", "gujarati"),
    "Gurmukhi": ("noto-sans-gurmukhi", "gurmukhi"),
    "Kannada": ("noto-sans-kannada", "kannada"),
    "Malayalam": ("noto-sans-malayalam", "malayalam"),
    "MeeteiMayek": ("noto-sans-meetei-mayek", "meetei-mayek"),
    "Odia": ("noto-sans-oriya", "oriya"),
    "OlChiki": ("noto-sans-ol-chiki", "ol-chiki"),
    "Tamil": ("noto-sans-tamil", "tamil"),
    "TamilSupplement": ("noto-sans-tamil-supplement", "tamil-supplement"),
    "Telugu": ("noto-sans-telugu", "telugu"),
}
ONLY = {"TamilSupplement": range(0x11FC0, 0x12000), "DevanagariSupplement": range(0x11B00, 0x11B60)}
LATIN = (
    *(
        (0x20, 0x36F),
        (0x1AB0, 0x1AFF),
        (0x1D00, 0x1EFF),
        (0x2000, 0x20CF),
        (0x2100, 0x218F),
        (0x25CC, 0x25CC),
    ),
    *((0x2C60, 0x2C7F), (0xA720, 0xA7FF), (0xAB30, 0xAB6F), (0xFB00, 0xFB06), (0xFFFD, 0xFFFD)),
)
NAMES = (0, 1, 2, 3, 4, 5, 6, 13, 14)


def cut(font: TTFont, code_points: Iterable[int], out: Path) -> None:
    """Without hints: no reader of PDF needs them at these sizes."""
    options = subset.Options(layout_features=["*"], notdef_outline=True, hinting=False, name_IDs=list(NAMES))
    options.glyph_names, options.recalc_timestamp = False, False
    options.drop_tables += ["STAT", "gasp", "DSIG"]
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=code_points)
    cutter.subset(font)
    font.flavor = None
    font.save(out)


def build(packages: Path, noto: Path, out: Path) -> None:
    for name, (package, part) in PACKAGED.items():
        font = TTFont(
            packages / package / "files" / f"{package}-{part}-400-normal.woff", recalcTimestamp=False
        )
        if name == "DevanagariSupplement":  # two fonts of one PDF must not share a name
            for record in font["name"].names:
                if record.nameID in (1, 3, 4, 6):
                    record.string = record.toUnicode().replace("Devanagari", name)
        code_points = set(font.getBestCmap())
        cut(font, code_points & {0x20, *ONLY[name]} if name in ONLY else code_points, out / f"{name}.ttf")
    latin = TTFont(noto / "NotoSans-Regular.ttf", recalcTimestamp=False)
    wanted = {point for first, last in LATIN for point in range(first, last + 1)}
    cut(latin, wanted & set(latin.getBestCmap()), out / "Latin.ttf")


if __name__ == "__main__":
    build(*map(Path, sys.argv[1:4]))
