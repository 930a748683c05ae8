"""A signed link by which staff look at a puja as customers will see it, before it is shown to them."""

from django.core import signing

from booking.models import PujaService

LASTS_SECONDS = 3_600
signer = signing.TimestampSigner(salt="booking.previews")


def preview_token(service: PujaService) -> str:
    return signer.sign(str(service.pk))


def is_preview_of(token: str, service_id: int) -> bool:
    """Whether the link is ours, of this puja, and not too old."""
    try:
        return signer.unsign(token, max_age=LASTS_SECONDS) == str(service_id)
    except signing.BadSignature:
        return False
