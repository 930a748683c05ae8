"""Bookings as a calendar file (RFC 5545): one beside a mail, and the feed of all of them that a calendar reads."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from booking.models import Booking, PujaService
from core.language import localized, supported_language
from core.texts import safe_line

CONTENT_TYPE = "text/calendar; charset=utf-8"
LONGEST_LINE = 75  # octets, without the line break
ADDRESS_LINES = ("address_line1", "address_line2", "city", "state", "postal_code")


def calendar_file(
    bookings: Iterable[Booking], language: str, name: str = "", *, with_address: bool = True
) -> bytes:
    """`name` is that of a feed. Needs `checkout` of each booking. Without address: for others than their customer."""
    language = supported_language(language)
    with translation.override(language):
        lines = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//OkPuja//Bookings//EN",
            "CALSCALE:GREGORIAN",
            "METHOD:PUBLISH",
            *([f"X-WR-CALNAME:{_escape(name)}", "REFRESH-INTERVAL;VALUE=DURATION:PT1H"] if name else ()),
            *(line for booking in bookings for line in _event(booking, language, with_address)),
            "END:VCALENDAR",
        ]
    return "".join(f"{_fold(line)}\r\n" for line in lines).encode()


def place_of(booking: Booking, language: str, *, with_address: bool = True) -> str:
    """Where it takes place: the address of the customer for a puja at home, if they gave one."""
    checkout = booking.checkout
    is_at_home = with_address and checkout.puja_type == PujaService.Type.HOME
    address = checkout.agreed_address if is_at_home else None
    if address is None:
        return str(localized(checkout, "package_location", language))
    return ", ".join(filter(None, (safe_line(getattr(address, part)) for part in ADDRESS_LINES)))


def _event(booking: Booking, language: str, with_address: bool) -> Iterator[str]:
    """The id stays the same, and the sequence rises with each change, so that a calendar replaces what it has."""
    checkout, host = booking.checkout, urlsplit(settings.PUBLIC_BASE_URL).hostname or "localhost"
    is_cancelled = booking.status == Booking.Status.CANCELLED
    status = "CANCELLED" if is_cancelled else "TENTATIVE" if booking.choose_until else "CONFIRMED"
    number = _("Booking {book_id}").format(book_id=booking.book_id)
    yield from (
        "BEGIN:VEVENT",
        f"UID:{booking.book_id}@{host}",
        f"SEQUENCE:{booking.changes + is_cancelled}",
        f"DTSTAMP:{_utc(booking.updated_at)}",
        f"DTSTART:{_utc(booking.starts_at)}",
        f"DTEND:{_utc(booking.starts_at + timedelta(minutes=checkout.puja_duration_minutes))}",
        f"SUMMARY:{_escape(localized(checkout, 'puja_title', language))}",
        f"LOCATION:{_escape(place_of(booking, language, with_address=with_address))}",
        f"DESCRIPTION:{_escape(number)}",
        f"STATUS:{status}",
        f"TRANSP:{'TRANSPARENT' if is_cancelled else 'OPAQUE'}",
        "END:VEVENT",
    )


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escape(text: str) -> str:
    for letter in ("\\", ";", ","):
        text = text.replace(letter, f"\\{letter}")
    return " ".join(text.split())


def _fold(line: str) -> str:
    """At most 75 octets in a line, and no character of two lines; each further one begins with a blank."""
    folded, length = [], 0
    for letter in line:
        size = len(letter.encode())
        if length + size > LONGEST_LINE:
            folded.append("\r\n ")
            length = 1
        folded.append(letter)
        length += size
    return "".join(folded)
