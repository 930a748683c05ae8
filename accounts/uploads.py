"""Pictures of people: stored, replaced, shown by links that end, and deleted.

A row is committed before its files are written, and deleted after them. Whatever dies in between, the worker finds the
row and deletes the files.
"""

import logging
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.core import signing
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import Upload, User
from accounts.services import lock_active_user
from accounts.storage import private_storage
from core.errors import Unavailable
from core.signers import PeriodSigner

logger = logging.getLogger(__name__)

LINK_SECONDS = 3_600
STORING_TIME = timedelta(hours=1)  # longer than any request
signer = PeriodSigner(salt="accounts.uploads", period=LINK_SECONDS // 2)


def draw(file: UploadedFile, field: str) -> tuple[bytes, bytes]:
    """The picture and its thumbnail, to be stored. Raises InvalidField at `field`, and Unavailable."""
    from accounts.pictures import redraw  # noqa: PLC0415

    return redraw(file.name or "", file.read(), field)


def store(owner: User, purpose: Upload.Purpose, drawn: tuple[bytes, bytes]) -> Upload:
    """Takes the place of the one before. Raises Unavailable."""
    picture, thumbnail = drawn
    name = secrets.token_hex(16)
    upload = Upload.objects.create(
        owner=owner, purpose=purpose, file=f"{name}.jpg", thumbnail=f"{name}-small.jpg"
    )
    try:
        storage = private_storage()
        storage.save(upload.file.name, ContentFile(picture))
        storage.save(upload.thumbnail.name, ContentFile(thumbnail))
    except OSError as error:  # the disk is full, the folder is not ours
        logger.exception("a picture was not stored", extra={"hop": "disk", "upload": upload.pk})
        delete([upload])
        raise Unavailable(_("The picture could not be stored. Please try again later.")) from error
    return _show(upload)


@transaction.atomic
def _show(upload: Upload) -> Upload:
    lock_active_user(upload.owner_id or 0)
    before = Upload.objects.filter(owner=upload.owner, purpose=upload.purpose, state=Upload.State.LIVE)
    replaced = [*before]
    before.update(state=Upload.State.REPLACED)
    upload.state = Upload.State.LIVE
    upload.save(update_fields=["state"])
    transaction.on_commit(partial(delete, replaced), robust=True)
    return upload


def delete(uploads: Iterable[Upload]) -> None:
    """The files, then the row. What cannot be deleted now, the worker deletes later."""
    for upload in uploads:
        try:
            for name in (upload.file.name, upload.thumbnail.name):
                private_storage().delete(name)
        except OSError:
            logger.exception("a picture was not deleted", extra={"hop": "disk", "upload": upload.pk})
        else:
            # Not one that has been shown meanwhile, and is somebody's.
            live = Q(state=Upload.State.LIVE, owner__isnull=False)
            Upload.objects.filter(~live, pk=upload.pk).delete()


def left_over(now: datetime) -> "QuerySet[Upload]":
    """Replaced ones, those of deleted accounts, and those whose request died."""
    old = Q(created_at__lt=now - STORING_TIME)
    unused = Q(state=Upload.State.REPLACED) | Q(owner=None) | (Q(state=Upload.State.STORING) & old)
    return Upload.objects.filter(unused).order_by("pk")


def links(owner: User, purpose: Upload.Purpose) -> tuple[str | None, str | None]:
    """The picture and its thumbnail, for LINK_SECONDS at most and half of it at least: an <img> sends no token. They
    end with the sessions.
    """
    live = Upload.objects.filter(owner=owner, purpose=purpose, state=Upload.State.LIVE).first()
    if live is None:
        return None, None
    signed = (signer.sign(f"{live.pk}-{size}-{owner.session_epoch}") for size in ("file", "thumbnail"))
    picture, thumbnail = (settings.PUBLIC_BASE_URL + reverse("upload", args=[each]) for each in signed)
    return picture, thumbnail


def read(token: str) -> bytes | None:
    """The picture behind a link. None when the link is not ours or over, or the picture has been replaced."""
    try:
        key, size, epoch = signer.unsign(token, max_age=LINK_SECONDS).split("-")
    except (signing.BadSignature, ValueError):
        return None
    stored = Upload.objects.filter(
        pk=key, state=Upload.State.LIVE, owner__session_epoch=epoch, owner__account_status="ACTIVE"
    )
    if (upload := stored.first()) is None:
        return None
    try:
        with private_storage().open(getattr(upload, size).name) as file:
            content: bytes = file.read()
            return content
    except FileNotFoundError:
        logger.error("a picture is missing on the disk", extra={"hop": "disk", "upload": upload.pk})
        return None
