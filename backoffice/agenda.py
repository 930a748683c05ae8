"""The bookings of one day, as staff read them: by the hour, with how to reach people and what was paid."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any
from urllib.parse import quote

from django.db.models import BigIntegerField, Exists, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.phones import format_phone, read_phone
from booking.models import Assignment, Booking, PujaService
from core.language import localized
from payment.models import PAYING, LedgerEntry, Refund
from payment.services.refunds.amounts import REQUESTED
from payment.states import RefundState

# All that a line is made of: on a day with hundreds of bookings, their models would cost more than the whole page.
COLUMNS = (
    *("pk", "book_id", "starts_at", "status", "choose_until"),
    *("checkout__puja_type", "checkout__priest_count"),
    *("checkout__puja_title", "checkout__puja_title_hi"),
    *("checkout__package_location", "checkout__package_location_hi"),
    *("checkout__address_line1", "checkout__address_line2", "checkout__address_city"),
    *("checkout__payment__amount_paise", "checkout__payment__payer_mobile"),
    *("user__first_name", "user__last_name", "user__email", "user__phone", "user__language"),
)
STATUS_LABELS = dict(Booking.Status.choices)


@dataclass(frozen=True)
class Line:
    """`number` and `status` are those of the booking, `language` is the customer's, `phone` E.164.

    `paid_paise`: what the customer paid; `back_paise`: what of it went or goes back. `lacks_priest`: as the pages
    about priests count.
    """

    number: str
    starts_at: datetime
    status: str
    puja: str
    name: str
    language: str
    phone: str
    place: str
    is_online: bool
    paid_paise: int | None
    back_paise: int
    priests: str
    lacks_priest: bool

    @property
    def phone_shown(self) -> str:
        return format_phone(self.phone) or self.phone

    @property
    def whatsapp(self) -> str:
        """Opens a chat with a greeting that names the booking. Nothing is sent before staff press Send."""
        greeting = _greeting(self.language) % {"number": self.number}
        return f"https://wa.me/{self.phone.lstrip('+')}?text={quote(greeting)}"


@dataclass(frozen=True)
class AgendaHour:
    starts_at: datetime
    lines: list[Line]


def agenda(day: date) -> list[AgendaHour]:
    midnight = timezone.make_aware(datetime.combine(day, time.min))
    standing = Booking.objects.filter(starts_at__gte=midnight, starts_at__lt=midnight + timedelta(days=1))
    lines = lines_of(standing.exclude(status=Booking.Status.CANCELLED).order_by("starts_at", "id"))
    return [AgendaHour(hour, [*those]) for hour, those in groupby(lines, _hour)]


def next_day_with_bookings(day: date) -> date | None:
    """After this one."""
    midnight = timezone.make_aware(datetime.combine(day, time.min)) + timedelta(days=1)
    later = Booking.objects.filter(starts_at__gte=midnight).exclude(status=Booking.Status.CANCELLED)
    starts_at = later.order_by("starts_at").values_list("starts_at", flat=True).first()
    return timezone.localdate(starts_at) if starts_at else None


def lines_of(bookings: "QuerySet[Booking]") -> list[Line]:
    """In two statements, however many bookings there are."""
    # Of what paid for it: what came a second time goes back, too.
    pays = LedgerEntry.objects.filter(attempt=OuterRef("attempt"), kind__in=PAYING)
    refunds = Refund.objects.filter(Exists(pays), payment=OuterRef("checkout__payment")).order_by()
    goes_back = refunds.exclude(state=RefundState.FAILED).exclude(REQUESTED)
    sums = goes_back.values("payment").annotate(sum=Sum("amount_paise")).values("sum")
    back_paise = Coalesce(Subquery(sums), 0, output_field=BigIntegerField())
    rows = [*bookings.annotate(back_paise=back_paise).values_list(*COLUMNS, "back_paise", named=True)]
    priests = _priests_of([row.pk for row in rows])
    return [_line(row, priests.get(row.pk, ())) for row in rows]


def _priests_of(bookings: list[int]) -> dict[int, list[str]]:
    """The names of those who come, by the key of the booking."""
    standing = Assignment.objects.filter(booking__in=bookings, freed_at=None).order_by("begins", "id")
    names = defaultdict(list)
    for row in standing.values_list("booking_id", "priest__name", "priest__name_hi", named=True):
        names[row.booking_id].append(localized(row, "priest__name"))
    return names


def _hour(line: Line) -> datetime:
    return timezone.localtime(line.starts_at).replace(minute=0, second=0, microsecond=0)


def _line(row: Any, priests: "list[str] | tuple[()]") -> Line:
    # Whoever comes to the temple may have given an address, for the prasad.
    at_temple = row.checkout__puja_type == PujaService.Type.TEMPLE
    street = (row.checkout__address_line1, row.checkout__address_line2, row.checkout__address_city)
    address = "" if at_temple else ", ".join(filter(None, street))
    is_certain = row.status == Booking.Status.CONFIRMED and row.choose_until is None
    return Line(
        number=row.book_id,
        starts_at=row.starts_at,
        status=str(STATUS_LABELS.get(row.status, row.status)),
        puja=localized(row, "checkout__puja_title"),
        name=f"{row.user__first_name} {row.user__last_name}".strip() or row.user__email,
        language=row.user__language,
        phone=read_phone(row.user__phone or row.checkout__payment__payer_mobile or "") or "",
        place=address or localized(row, "checkout__package_location"),
        is_online=row.checkout__puja_type == PujaService.Type.ONLINE,
        paid_paise=row.checkout__payment__amount_paise,
        back_paise=row.back_paise,
        priests=", ".join(priests),
        lacks_priest=is_certain and len(priests) < row.checkout__priest_count,
    )


@lru_cache
def _greeting(language: str) -> str:
    with override(language):
        return _("Namaste, this is about your booking %(number)s.")
