"""The brand of this shop: what pages, mails, receipts and the admin show. Parsed once, from the settings BRAND_*."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest

LOGO_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
}


@dataclass(frozen=True)
class Brand:
    """`colour` is dark enough for white letters on it. `logo` is the content of the file, empty without one."""

    name: str
    colour: str
    email: str
    phone: str
    address: tuple[str, ...]
    legal: tuple[str, ...]
    logo: bytes
    logo_type: str

    @property
    def version(self) -> str:
        """Changes with what browsers keep of the brand."""
        return hashlib.sha256(f"{self.colour}{self.logo_type}".encode() + self.logo).hexdigest()[:8]

    @property
    def phone_link(self) -> str:
        return "tel:" + "".join(each for each in self.phone if each.isdigit() or each == "+")


@functools.cache
def brand() -> Brand:
    logo = Path(settings.BRAND_LOGO) if settings.BRAND_LOGO else None
    return Brand(
        name=settings.BRAND_NAME,
        colour=settings.BRAND_COLOUR,
        email=settings.BRAND_EMAIL,
        phone=settings.BRAND_PHONE,
        address=tuple(settings.BRAND_ADDRESS),
        legal=tuple(settings.BRAND_LEGAL),
        logo=logo.read_bytes() if logo else b"",
        logo_type=LOGO_TYPES[logo.suffix.lower()] if logo else "",
    )


@receiver(setting_changed)
def forget_brand(*, setting: str, **_: Any) -> None:
    if setting.startswith("BRAND_"):
        brand.cache_clear()


def page_context(request: HttpRequest) -> dict[str, Any]:
    """A context processor: what the base template of all pages for customers reads."""
    return {
        "brand": brand(),
        "has_shop": settings.STOREFRONT,
        "has_donations": settings.STOREFRONT and settings.DONATION_PAGE,
        "is_simulation": settings.PHONEPE_SIMULATION_MODE,
    }
