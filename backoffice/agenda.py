"""The bookings of one day, as staff read them: by the hour, with how to reach people and what was paid."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from urllib.parse import quote

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.phones import format_phone, read_phone
from booking.models import Assignment, Booking, PujaService
from core.language import localized
from payment.models import Payment, Refund
from payment.services.refunds.amounts import REQUESTED
from payment.states import RefundState


@dataclass(frozen=True)
class Line:
    """`paid_paise`: what the customer paid; `back_paise`: what of it went or goes back. `phone` is E.164."""

    booking: Booking
    puja: str
    name: str
    phone: str
    place: str
    is_online: bool
    paid_paise: int | None
    back_paise: int
    priests: str

    @property
    def phone_shown(self) -> str:
        return format_phone(self.phone) or self.phone

    @property
    def whatsapp(self) -> str:
        """Opens a chat with a greeting that names the booking. Nothing is sent before staff press Send."""
        with override(self.booking.user.language):
            greeting = _("Namaste, this is about your booking %(number)s.") % {"number": self.booking.book_id}
        return f"https://wa.me/{self.phone.lstrip('+')}?text={quote(greeting)}"


@dataclass(frozen=True)
class AgendaHour:
    starts_at: datetime
    lines: list[Line]


def agenda(day: date) -> list[AgendaHour]:
    """In three statements, however many bookings there are."""
    lines = map(line_of, bookings_of(day))
    return [AgendaHour(hour, [*those]) for hour, those in groupby(lines, _hour)]


def bookings_of(day: date) -> "QuerySet[Booking]":
    midnight = timezone.make_aware(datetime.combine(day, time.min))
    standing = Booking.objects.filter(starts_at__gte=midnight, starts_at__lt=midnight + timedelta(days=1))
    return with_money(standing.exclude(status=Booking.Status.CANCELLED)).order_by("starts_at", "id")


def next_day_with_bookings(day: date) -> date | None:
    """After this one."""
    midnight = timezone.make_aware(datetime.combine(day, time.min)) + timedelta(days=1)
    later = Booking.objects.filter(starts_at__gte=midnight).exclude(status=Booking.Status.CANCELLED)
    starts_at = later.order_by("starts_at").values_list("starts_at", flat=True).first()
    return timezone.localdate(starts_at) if starts_at else None


def with_money(bookings: "QuerySet[Booking]") -> "QuerySet[Booking]":
    """With all that `line_of` reads, in three statements."""
    goes_back = Refund.objects.exclude(state=RefundState.FAILED).exclude(REQUESTED)
    refunds = Prefetch("checkout__payment__refunds", queryset=goes_back)
    comes = Prefetch(
        "assignments", queryset=Assignment.objects.filter(freed_at=None).select_related("priest")
    )
    return bookings.select_related("user", "checkout__payment").prefetch_related(refunds, comes)


def _hour(line: Line) -> datetime:
    return timezone.localtime(line.booking.starts_at).replace(minute=0, second=0, microsecond=0)


def line_of(booking: Booking) -> Line:
    checkout, payment = booking.checkout, _payment(booking)
    phone = booking.user.phone or (payment.payer_mobile if payment else "") or ""
    # Whoever comes to the temple may have given an address, for the prasad.
    at_temple = checkout.puja_type == PujaService.Type.TEMPLE
    parts = () if at_temple else (checkout.address_line1, checkout.address_line2, checkout.address_city)
    return Line(
        booking=booking,
        puja=localized(checkout, "puja_title"),
        name=booking.user.full_name or booking.user.email,
        phone=read_phone(phone) or "",
        place=", ".join(filter(None, parts)) or localized(checkout, "package_location"),
        is_online=checkout.puja_type == PujaService.Type.ONLINE,
        paid_paise=payment.amount_paise if payment else None,
        back_paise=sum(refund.amount_paise for refund in payment.refunds.all()) if payment else 0,
        priests=", ".join(str(localized(each.priest, "name")) for each in booking.assignments.all()),
    )


def _payment(booking: Booking) -> Payment | None:
    return getattr(booking.checkout, "payment", None)
