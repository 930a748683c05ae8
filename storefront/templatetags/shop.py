"""How the pages write amounts, durations, words of the catalogue, and descriptions."""

from datetime import date, datetime, time

import nh3
from django import template
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from booking.fields import text_of
from booking.models import Booking, Package, PujaService
from core.dates import spell_month
from core.language import Text
from core.money import grouped

register = template.Library()
register.filter("spell_month", spell_month)
register.filter("plain", text_of)  # autoescaped by the template

WORDS: dict[str, Text] = {
    PujaService.Type.HOME: _("At your home"),
    PujaService.Type.TEMPLE: _("In the temple"),
    PujaService.Type.ONLINE: _("Online"),
    Package.Language.HINDI: _("Hindi"),
    Package.Language.ENGLISH: _("English"),
    Package.Language.SANSKRIT: _("Sanskrit"),
    Package.Language.REGIONAL: _("Regional language"),
    Package.PackageType.BASIC: _("Basic"),
    Package.PackageType.STANDARD: _("Standard"),
    Package.PackageType.PREMIUM: _("Premium"),
    Package.PackageType.CUSTOM: _("Custom"),
    Booking.Status.CONFIRMED: _("Booked"),
    Booking.Status.COMPLETED: _("Completed"),
    Booking.Status.CANCELLED: _("Cancelled"),
}
# Of a description, which may bring headings and pictures of other hosts.
KEPT_TAGS = {"p", "br", "ul", "ol", "li", "strong", "em", "b", "i"}


@register.filter
def rupees(paise: int) -> str:
    """₹2,10,000, and with paise where there are any."""
    return f"₹{grouped(paise).removesuffix('.00')}"


@register.filter
def iso_day(day: date) -> str:
    """For links, as the next two."""
    return day.isoformat()


@register.filter
def iso_month(day: date) -> str:
    return f"{day:%Y-%m}"


@register.filter
def iso_time(moment: datetime | time) -> str:
    return f"{timezone.localtime(moment) if isinstance(moment, datetime) else moment:%H:%M}"


@register.filter
def word(value: str) -> Text:
    return WORDS.get(value, value)


@register.filter
def description(text: str) -> SafeString:
    return mark_safe(nh3.clean(text, tags=KEPT_TAGS))  # noqa: S308 - cleaned here


@register.filter
def hours(minutes: int) -> str:
    whole, rest = divmod(minutes, 60)
    parts = [pgettext("duration", "{n} h").format(n=whole)] if whole else []
    return " ".join([*parts, *([pgettext("duration", "{n} min").format(n=rest)] if rest else [])])
