"""In which language somebody reads. The texts themselves stand in `locale/`, as gettext catalogues.

A text is English until one is written for a reader: who writes an answer, a page, a mail or a receipt enters
`translation.override(language)` around it, and around nothing else. No language is switched on for a whole request:
the sentences of Django and REST framework are only half translated.
"""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import get_language_from_request

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise as Text
else:
    # A text of gettext_lazy is written in the language that is active when it is turned into `str`.
    Text = str | Promise

ENGLISH = "en"


def language_of(request: Any) -> str:
    """The language of ours that this browser prefers. Takes Django's requests and REST framework's."""
    return get_language_from_request(request).partition("-")[0]


def supported_language(language: str) -> str:
    """`language` if we write it, else English."""
    supported = {code.partition("-")[0] for code, _ in settings.LANGUAGES}
    return language if language in supported else ENGLISH
