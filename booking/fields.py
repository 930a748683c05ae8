"""Columns that refuse or clean what must never reach a browser."""

from typing import Any
from urllib.parse import urlsplit

import nh3
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import models

# The frontend's image component throws the whole page away for any other host.
IMAGE_HOSTS = ("ik.imagekit.io", "example.com", "randomuser.me", "okpuja.com", "api.okpuja.com")


def on_image_host(url: str) -> None:
    if urlsplit(url).hostname not in IMAGE_HOSTS:
        raise ValidationError(f"Images must lie on one of: {', '.join(IMAGE_HOSTS)}.")


class ImageAddressField(models.CharField):
    default_validators = [URLValidator(schemes=["https"]), on_image_host]


class HtmlField(models.TextField):
    """Cleaned on every way into the database: the frontend shows it as it is, beside the visitor's tokens."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return nh3.clean(value) if isinstance(value, str) else value
