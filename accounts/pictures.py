"""Pictures that people send: decided by their content, bounded, and drawn anew, so that nothing of the file is kept.

Imported where one is drawn, not at the start: Pillow takes a tenth of a second.
"""

import logging
import re
import struct
from io import BytesIO
from pathlib import PurePath

from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps

from core.errors import InvalidField, Unavailable
from core.language import Text
from core.waiting import WaitSlots

logger = logging.getLogger(__name__)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
ENDINGS = {"", ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif"}
MOST_BYTES = 5 * 1_048_576
MOST_PIXELS = 30_000_000  # a hundred megabytes while it is drawn
LONGEST_SIDE, LONGEST_SIDE_OF_THUMBNAIL = 1_600, 160
QUALITY = 85
# What browsers or servers run when a file is taken for something else. No compressed picture has these by chance.
SCRIPTS = re.compile(rb"<\s*(?:script|svg|html|!doctype|iframe|\?php)|javascript:|%PDF-", re.IGNORECASE)
# What Pillow raises at damaged and hostile files.
DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, MemoryError),
    *(struct.error, Image.DecompressionBombError, Image.DecompressionBombWarning),
)
WRONG_KIND = _("Please choose a picture: JPEG, PNG, WEBP or GIF.")
# Each takes up to a hundred megabytes and a second.
drawing = WaitSlots(2)


def redraw(name: str, content: bytes, field: str) -> tuple[bytes, bytes]:
    """The picture and its thumbnail as JPEG, without metadata, the right way up.

    `name` is the caller's file name. Raises InvalidField at `field`, and Unavailable while others are drawn.
    """
    if not content:
        raise InvalidField(field, _("The file is empty."))
    if len(content) > MOST_BYTES:
        raise InvalidField(field, _("The picture is larger than 5 MB."))
    if PurePath(name).suffix.lower() not in ENDINGS or SCRIPTS.search(content):
        raise InvalidField(field, WRONG_KIND)
    with drawing.reserve() as is_free:
        if not is_free:
            raise Unavailable()
        try:
            return _draw(content, field)
        except DAMAGE as error:
            logger.info("a picture was refused", extra={"cause": type(error).__name__})
            raise InvalidField(field, WRONG_KIND) from None


def _draw(content: bytes, field: str) -> tuple[bytes, bytes]:
    with Image.open(BytesIO(content), formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            too_many: Text = _("The picture has more than 30 million points. Please choose a smaller one.")
            raise InvalidField(field, too_many)
        image.load()  # the whole file: a truncated one is refused
        upright = ImageOps.exif_transpose(image)
    flat = _flatten(upright)
    return _encode(flat, LONGEST_SIDE), _encode(flat, LONGEST_SIDE_OF_THUMBNAIL)


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


def _encode(image: Image.Image, longest: int) -> bytes:
    smaller = image.copy()
    smaller.thumbnail((longest, longest))
    written = BytesIO()
    smaller.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()
