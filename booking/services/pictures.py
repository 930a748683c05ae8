"""Pictures of pujas: re-encoded, kept in the database, shown by an address that names their content."""

import hashlib
import struct

from django.conf import settings
from django.urls import reverse

from booking.models import CataloguePicture, PujaService

# A page is 1,200 points wide, a card 480 with two points for each of a phone's.
SIDES = (1_200, 640)
START_OF_FRAME = {0xC0, 0xC1, 0xC2}


def draw(name: str, content: bytes, field: str) -> CataloguePicture:
    """A picture that is not saved yet. Raises InvalidField at `field`, and Unavailable."""
    from accounts.pictures import redraw  # noqa: PLC0415 - Pillow takes a tenth of a second

    picture, small = redraw(name, content, field, SIDES)
    width, height = size_of_jpeg(picture)
    digest = hashlib.sha256(picture).hexdigest()[:32]
    return CataloguePicture(digest=digest, content=picture, small=small, width=width, height=height)


def keep(picture: CataloguePicture) -> CataloguePicture:
    """The same picture twice is one row."""
    CataloguePicture.objects.bulk_create([picture], ignore_conflicts=True)
    return picture


def show(service: PujaService, picture: CataloguePicture) -> None:
    """In the place of the one before, in the columns of `service`; the caller saves it.

    The one before is kept: bookings go on showing it.
    """
    keep(picture)
    service.picture = picture
    service.picture_width, service.picture_height = picture.width, picture.height
    service.image_url = settings.PUBLIC_BASE_URL + reverse("catalogue-picture", args=[picture.digest])


def read(digest: str, *, small: bool) -> bytes | None:
    """None when there is no such picture."""
    found = CataloguePicture.objects.filter(digest=digest).values_list(
        "small" if small else "content", flat=True
    )
    content = found.first()
    return None if content is None else bytes(content)


def size_of_jpeg(content: bytes) -> tuple[int, int]:
    """Width and height of a JPEG that Pillow has written."""
    at = 2
    while content[at + 1] not in START_OF_FRAME:
        at += 2 + struct.unpack(">H", content[at + 2 : at + 4])[0]
    height, width = struct.unpack(">HH", content[at + 5 : at + 9])
    return width, height
