"""In which language somebody reads. The texts themselves stand in `locale/`, as gettext catalogues.

A text is English until one is written for a reader: who writes an answer, a page, a mail or a receipt enters
`translation.override(language)` around it, and around nothing else. No language is switched on for a whole request of
the API: `error`, `detail` and `fields` are English, `user_message` is the reader's. A page of the desk has one reader
(backoffice/language.py).
"""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import get_language, get_language_from_request, override
from django.utils.translation import gettext_noop as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise as Text
else:
    # A text of gettext_lazy is written in the language that is active when it is turned into `str`.
    Text = str | Promise

ENGLISH = "en"

# Sentences of the libraries that customers read, and which have no Hindi there; and months that are misspelt there.
OF_LIBRARIES = (
    _("This field is required."),
    _("This field may not be blank."),
    _("This field may not be null."),
    _("A valid integer is required."),
    _("A valid number is required."),
    _("Must be a valid boolean."),
    _("Not a valid string."),
    _("Enter a valid email address."),
    _("Enter a valid URL."),
    _("Not found."),
    _("Authentication credentials were not provided."),
    _("Incorrect authentication credentials."),
    _("You do not have permission to perform this action."),
    _("Malformed request."),
    _("Invalid page."),
    _("Token is invalid"),
    _("Given token not valid for any token type"),
    _("User not found"),
    _("User is inactive"),
    _("September"),
    _("November"),
    _("December"),
    _("Monday"),
    _("Thursday"),
)


def language_of(request: Any) -> str:
    """The language of ours that this browser prefers. Takes Django's requests and REST framework's."""
    return get_language_from_request(request).partition("-")[0]


def in_both_languages(request: Any, sentence: Text) -> dict[str, str]:
    """As an error does: in English, and in the language of the reader."""
    with override(ENGLISH):
        message = str(sentence)
    with override(language_of(request)):
        return {"message": message, "user_message": str(sentence)}


def localized(row: Any, column: str, language: str = "") -> str:
    """What stands in the column for this language (`title_hi` beside `title`), else in English.

    `language`: the active one where it is not given.
    """
    language = (language or get_language() or ENGLISH).partition("-")[0]
    return getattr(row, f"{column}_{language}", "") or getattr(row, column)


def supported_language(language: str) -> str:
    """`language` if we write it, else English."""
    supported = {code.partition("-")[0] for code, _ in settings.LANGUAGES}
    return language if language in supported else ENGLISH
