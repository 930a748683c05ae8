"""How dates and times are written for people, in English and in Hindi; moments in our time zone.

The names of months and weekdays are those of CLDR (Babel): Django's Hindi catalogue misspells several of them.
`language` is the active one where it is not given.
"""

from datetime import date, datetime, time
from functools import lru_cache

from babel import Locale
from babel.dates import format_date, format_time
from django.utils import timezone
from django.utils.translation import get_language

from core.language import ENGLISH, supported_language

LOCALES = {"en": "en_IN", "hi": "hi"}
# Hindi names the part of the day, as people say it: its "am" and "pm" would be English.
TIMES = {"en": "h:mm a", "hi": "B h:mm"}


def spell_date(value: date, language: str = "", *, weekday: bool = False, year: bool = True) -> str:
    """17 September 2026. Takes moments, too."""
    day = timezone.localtime(value).date() if isinstance(value, datetime) else value
    pattern = "EEEE, " * weekday + "d MMMM" + " y" * year
    return _format_date(day, pattern, _language(language))


def spell_time(value: datetime | time, language: str = "") -> str:
    """4:30 PM; in Hindi the part of the day, then 4:30."""
    hour = timezone.localtime(value).time() if isinstance(value, datetime) else value
    return _format_time(hour, _language(language))


def spell_moment(value: datetime, language: str = "") -> str:
    """Thursday, 17 September 2026, 4:30 PM."""
    return f"{spell_date(value, language, weekday=True)}, {spell_time(value, language)}"


def spell_month(day: date, language: str = "") -> str:
    """September 2026, as the heading of a calendar."""
    return _format_date(day, "LLLL y", _language(language))


def weekday_names(language: str = "") -> list[tuple[str, str]]:
    """From Sunday on, in full and short."""
    locale = Locale.parse(LOCALES[_language(language)])
    full, short = (locale.days["stand-alone"][width] for width in ("wide", "abbreviated"))
    return [(full[number], short[number]) for number in (6, 0, 1, 2, 3, 4, 5)]


# Babel reads its pattern again for each date, and a page has a hundred bookings of the same few days.
@lru_cache(maxsize=2_048)
def _format_date(day: date, pattern: str, language: str) -> str:
    return format_date(day, pattern, locale=LOCALES[language])


@lru_cache(maxsize=2_048)
def _format_time(hour: time, language: str) -> str:
    return format_time(hour, TIMES[language], locale=LOCALES[language])


def _language(language: str) -> str:
    return supported_language((language or get_language() or ENGLISH).partition("-")[0])
