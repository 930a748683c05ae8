"""The figures of the admin pages of today's frontend: money by the ledger, bookings by their state."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from booking.models import Assignment, Booking, PujaService
from booking.services.priests import assignable
from payment.models import LedgerEntry

Status = Booking.Status
PENDING = Q(status=Status.CONFIRMED, choose_until__isnull=False)
CONFIRMED = Q(status=Status.CONFIRMED, choose_until=None)
REJECTED = Q(status=Status.CANCELLED, rejected=True)
CANCELLED = Q(status=Status.CANCELLED, rejected=False)
ASSIGNED = Exists(Assignment.objects.filter(booking=OuterRef("pk"), freed_at=None))
UNASSIGNED = ~ASSIGNED & ~Q(status=Status.CANCELLED)
REPORT_DAYS = 30


@dataclass(frozen=True)
class Period:
    """From the first moment of a day to the first one of the day after the last."""

    begins: datetime
    ends: datetime

    @classmethod
    def of_days(cls, first: date, last: date) -> "Period":
        begins, ends = (timezone.make_aware(datetime.combine(day, time.min)) for day in (first, last))
        return cls(begins, ends + timedelta(days=1))

    @property
    def bookings(self) -> QuerySet[Booking]:
        return Booking.objects.filter(created_at__gte=self.begins, created_at__lt=self.ends).order_by()


def last_days(days: int) -> Period:
    today = timezone.localdate()
    return Period.of_days(today - timedelta(days=days - 1), today)


def money_of(bookings: QuerySet[Booking]) -> int:
    """What came for these bookings less what went back, in paise. Fees of PhonePe are not taken off."""
    entries = LedgerEntry.objects.filter(payment__checkout__in=bookings.values("checkout"))
    return entries.exclude(kind=LedgerEntry.Kind.FEE).aggregate(sum=Sum("amount_paise"))["sum"] or 0


def overview(bookings: QuerySet[Booking]) -> dict[str, int]:
    """Money in paise."""
    now, today = timezone.now(), timezone.localdate()
    day = Period.of_days(today, today)
    is_today = Q(status=Status.CONFIRMED, starts_at__gte=day.begins, starts_at__lt=day.ends)
    counts = bookings.order_by().aggregate(
        total_bookings=Count("pk"),
        confirmed_bookings=Count("pk", filter=CONFIRMED),
        pending_bookings=Count("pk", filter=PENDING),
        completed_bookings=Count("pk", filter=Q(status=Status.COMPLETED)),
        cancelled_bookings=Count("pk", filter=CANCELLED),
        rejected_bookings=Count("pk", filter=REJECTED),
        today_bookings=Count("pk", filter=is_today),
        overdue_bookings=Count("pk", filter=Q(status=Status.CONFIRMED, starts_at__lt=now)),
        assigned_bookings=Count("pk", filter=ASSIGNED),
        unassigned_bookings=Count("pk", filter=UNASSIGNED),
    )
    revenue, number = money_of(bookings), counts["total_bookings"]
    return counts | {
        "failed_bookings": 0,
        "active_employees": assignable().count(),
        "active_services": PujaService.objects.filter(is_active=True).count(),
        "total_revenue": revenue,
        "average_booking_value": revenue // number if number else 0,
    }


def revenue_report(period: Period) -> dict[str, Any]:
    """Money in paise. A day is the one on which a booking was made."""
    bookings = period.bookings
    of_day = bookings.annotate(day=TruncDate("created_at")).values("day").annotate(number=Count("pk"))
    numbers = dict(of_day.values_list("day", "number"))
    entries = LedgerEntry.objects.filter(payment__checkout__in=bookings.values("checkout"))
    sums = entries.exclude(kind=LedgerEntry.Kind.FEE).order_by()
    by_day = sums.annotate(day=TruncDate("payment__checkout__booking__created_at")).values("day")
    money = dict(by_day.annotate(sum=Sum("amount_paise")).values_list("day", "sum"))
    revenue, number = sum(money.values()), sum(numbers.values())
    return {
        "total_revenue": revenue,
        "total_bookings": number,
        "average_booking_value": revenue // number if number else 0,
        "daily": {day: (money.get(day, 0), numbers[day]) for day in sorted(numbers)},
    }


def performance_report(period: Period) -> dict[str, Any]:
    """How many bookings have each state, and their shares in percent."""
    states = {
        "CONFIRMED": CONFIRMED,
        "PENDING": PENDING,
        "COMPLETED": Q(status=Status.COMPLETED),
        "CANCELLED": CANCELLED,
        "REJECTED": REJECTED,
    }
    counts = period.bookings.aggregate(
        total=Count("pk"), **{name: Count("pk", filter=state) for name, state in states.items()}
    )
    total = counts.pop("total")
    ended = counts["CANCELLED"] + counts["REJECTED"]
    return {
        "total_bookings": total,
        "completion_rate": percent(counts["COMPLETED"], total),
        "cancellation_rate": percent(ended, total),
        "counts": counts,
    }


def assignment_report(period: Period) -> dict[str, Any]:
    """How many bookings have a priest, and how many of theirs each has completed: the busiest first."""
    counts = period.bookings.aggregate(
        total_bookings=Count("pk"),
        assigned_bookings=Count("pk", filter=ASSIGNED),
        unassigned_bookings=Count("pk", filter=UNASSIGNED),
    )
    held = Assignment.objects.filter(freed_at=None, booking__in=period.bookings)
    of_priest = held.order_by().values(
        "priest", "priest__name", "priest__user", "priest__email", "priest__user__email"
    )
    performed = of_priest.annotate(
        held=Count("pk"), completed=Count("pk", filter=Q(booking__status=Status.COMPLETED))
    ).order_by("-held", "priest__name", "priest")
    assigned = counts["assigned_bookings"]
    return counts | {
        "assignment_rate": percent(assigned, assigned + counts["unassigned_bookings"]),
        "employee_performance": [
            {
                "employee_id": each["priest__user"],
                "name": each["priest__name"],
                "email": each["priest__user__email"] or each["priest__email"],
                "total_assigned": each["held"],
                "completed": each["completed"],
                "completion_rate": percent(each["completed"], each["held"]),
            }
            for each in performed
        ],
    }


def percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1) if whole else 0.0
