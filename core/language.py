"""The language of texts for the reader of an answer."""

from typing import Any

from django.utils.translation import get_language_from_request

ENGLISH, HINDI = "en", "hi"


def language_of(request: Any) -> str:
    """`hi` for a browser that prefers Hindi to English, else `en`. Takes Django's requests and REST framework's.

    Nothing is switched on for the whole request: Django's own sentences are only half translated.
    """
    return HINDI if get_language_from_request(request) == HINDI else ENGLISH
