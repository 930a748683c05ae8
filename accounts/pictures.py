"""Pictures that people send: decided by their content, bounded, and re-encoded, so that nothing of the file is kept.

Imported where one is drawn, not at the start: Pillow takes a tenth of a second.
"""

import logging
import struct
from io import BytesIO
from pathlib import PurePath

from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from core.errors import InvalidField, Unavailable
from core.waiting import WaitSlots

logger = logging.getLogger(__name__)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
ENDINGS = {"", ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif"}
MOST_BYTES = 5 * 1_048_576
# What takes up to 150 megabytes while it is drawn (measured: 57 to 146). A JPEG is shrunk while it is read, unless it
# is progressive; of other kinds every point is held at once, of WEBP four times.
MOST_PIXELS, MOST_PIXELS_OF_PROGRESSIVE = 30_000_000, 13_000_000
MOST_PIXELS_OF_KIND = {"PNG": 13_000_000, "GIF": 13_000_000, "WEBP": 8_000_000}
# Each scan of a JPEG draws all of it again; honest files have about ten, and chance makes two of the bytes of a video
# that a phone appends look like one in 65,536. In the data of a picture 0xFF is always followed by 0.
SCAN, MOST_SCANS = b"\xff\xda", 100
LONGEST_SIDE, LONGEST_SIDE_OF_THUMBNAIL = 1_600, 160
QUALITY = 85
# What Pillow raises at damaged and hostile files.
DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, MemoryError),
    *(struct.error, Image.DecompressionBombError, Image.DecompressionBombWarning),
)
WRONG_KIND = _("Please choose a picture: JPEG, PNG, WEBP or GIF.")
# Each takes up to 150 megabytes and half a second; 230 and two and a half seconds when the file is made to be slow.
drawing = WaitSlots(2)


def redraw(
    name: str,
    content: bytes,
    field: str,
    sides: tuple[int, int] = (LONGEST_SIDE, LONGEST_SIDE_OF_THUMBNAIL),
) -> tuple[bytes, bytes]:
    """The picture and its thumbnail as JPEG, without metadata, the right way up; `sides`: the longest of each.

    `name` is the caller's file name. Raises InvalidField at `field`, and Unavailable while others are drawn.
    """
    if not content:
        raise InvalidField(field, _("The file is empty."))
    if len(content) > MOST_BYTES:
        raise InvalidField(field, _("The picture is larger than 5 MB."))
    if PurePath(name).suffix.lower() not in ENDINGS:
        raise InvalidField(field, WRONG_KIND)
    with drawing.reserve() as is_free:
        if not is_free:
            raise Unavailable()
        try:
            return _draw(content, field, sides)
        except DAMAGE as error:
            logger.info("a picture was refused", extra={"cause": type(error).__name__})
            raise InvalidField(field, WRONG_KIND) from None


def _draw(content: bytes, field: str, sides: tuple[int, int]) -> tuple[bytes, bytes]:
    longest, longest_of_thumbnail = sides
    with Image.open(BytesIO(content), formats=FORMATS) as image:
        is_jpeg = isinstance(image, JpegImageFile)
        if is_jpeg and content.count(SCAN) > MOST_SCANS:
            raise InvalidField(field, WRONG_KIND)
        most = MOST_PIXELS_OF_KIND.get(image.format or "", MOST_PIXELS)
        if image.info.get("progressive"):
            most = MOST_PIXELS_OF_PROGRESSIVE
        if image.width * image.height > most:
            too_many = _("The picture has more than %(most)d million points. Please choose a smaller one.")
            raise InvalidField(field, too_many % {"most": most // 1_000_000})
        share = min(1, longest / max(image.size))
        image.draft("RGB", (max(int(image.width * share), 1), max(int(image.height * share), 1)))
        image.load()  # the whole file: a truncated one is refused
        small = image.convert("RGBA") if image.mode in ("P", "1") else image
        small.thumbnail((longest, longest))
        flat = _flatten(ImageOps.exif_transpose(small))
    thumbnail = flat.copy()
    thumbnail.thumbnail((longest_of_thumbnail, longest_of_thumbnail))
    return _encode(flat), _encode(thumbnail)


def _flatten(image: Image.Image) -> Image.Image:
    """In 24 bits; what is transparent becomes white. A new image: a converted one takes comments and EXIF along."""
    flat = Image.new("RGB", image.size, "white")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        flat.paste(with_alpha, mask=with_alpha)
    elif image.mode.startswith("I"):  # grey in 16 bits
        flat.paste(image.convert("I").point(lambda grey: grey / 256).convert("RGB"))
    else:
        flat.paste(image.convert("RGB"))
    return flat


def _encode(image: Image.Image) -> bytes:
    output = BytesIO()
    image.save(output, "JPEG", quality=QUALITY)
    return output.getvalue()
