"""Bookings on the admin pages of today's frontend: listed, given a status or a priest, moved, counted."""

from datetime import datetime, timedelta
from typing import Any, cast

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.generics import ListAPIView
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.permissions import HasRight, may
from booking.models import Booking
from booking.services.priests import assignable, employees
from core import serializers
from core.errors import InvalidField
from core.language import Text, in_both_languages
from core.long_lists import LongPaginator
from core.money import rupees
from core.pagination import BoundedArray
from payment.models import Refund
from payment.serializers.desk_bookings import (
    PRIESTS,
    AssignRequest,
    DashboardQuestion,
    DashboardSerializer,
    DeskBookingSerializer,
    DeskChangeSerializer,
    EmployeeSerializer,
    ReportQuestion,
    RescheduleRequest,
    StatusRequest,
    desk_rows,
)
from payment.services import booking_status
from payment.services.booking_changes import find_start, move_by_staff
from payment.services.desk_figures import (
    CANCELLED,
    CONFIRMED,
    PENDING,
    REJECTED,
    REPORT_DAYS,
    Period,
    assignment_report,
    last_days,
    overview,
    percent,
    performance_report,
    revenue_report,
)
from payment.services.priests import assign_account
from payment.services.search import bookings_about

VIEW, CHANGE = HasRight("booking.view_booking"), HasRight("booking.change_booking")
SEE_MONEY = "payment.view_payment"  # without it, sums are null
SEE_PRIESTS, ASSIGN = HasRight("booking.view_priest"), HasRight("booking.add_assignment")
RECENT = 10
LONGEST_REPORT = timedelta(days=731)
OF_STATUS = {
    "CONFIRMED": CONFIRMED,
    "PENDING": PENDING,
    "COMPLETED": Q(status=Booking.Status.COMPLETED),
    "CANCELLED": CANCELLED,
    "REJECTED": REJECTED,
}
STATUS_NAMES = {
    "CONFIRMED": "Confirmed",
    "PENDING": "Pending",
    "COMPLETED": "Completed",
    "CANCELLED": "Cancelled",
    "REJECTED": "Rejected",
}


class DeskArray(BoundedArray):
    """The page asks once, and turns pages of twenty by itself. Older bookings are found by `search` and by date."""

    most_rows = 1_000
    django_paginator_class = LongPaginator


class DeskBookingFilter(filters.FilterSet):
    search = filters.CharFilter(method="filter_search", max_length=100)
    status = filters.CharFilter(method="filter_status", max_length=20)
    date_from = filters.DateFilter(method="filter_from")
    date_to = filters.DateFilter(method="filter_to")

    class Meta:
        model = Booking
        fields = ("search", "status", "date_from", "date_to")

    def filter_search(self, bookings: QuerySet[Any], name: str, text: str) -> QuerySet[Any]:
        return bookings.filter(pk__in=bookings_about(text.strip(), DeskArray.most_rows))

    def filter_status(self, bookings: QuerySet[Any], name: str, word: str) -> QuerySet[Any]:
        """In any case, as the page sends it. Words of no booking, such as IN_PROGRESS, find none."""
        status = OF_STATUS.get(word.upper())
        return bookings.none() if status is None else bookings.filter(status)

    def filter_from(self, bookings: QuerySet[Any], name: str, day: Any) -> QuerySet[Any]:
        return bookings.filter(starts_at__gte=_midnight(day, name))

    def filter_to(self, bookings: QuerySet[Any], name: str, day: Any) -> QuerySet[Any]:
        return bookings.filter(starts_at__lt=_midnight(day, name) + timedelta(days=1))


def _midnight(day: Any, name: str) -> datetime:
    if not 2000 <= day.year <= 9000:
        raise InvalidField(name, _("Give a date after the year 2000."))
    return timezone.make_aware(datetime(day.year, day.month, day.day))


class DeskBookingViewSet(ListModelMixin, GenericViewSet[Booking]):
    """Of all customers, the newest first."""

    queryset = Booking.objects.order_by("-pk")
    serializer_class = DeskBookingSerializer
    permission_classes: Any = (VIEW,)
    lookup_value_regex = r"\d{1,18}"
    filter_backends = (filters.DjangoFilterBackend,)
    filterset_class = DeskBookingFilter
    pagination_class = DeskArray

    def get_queryset(self) -> QuerySet[Booking]:
        return desk_rows(super().get_queryset())

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "sees_money": may(self.request, SEE_MONEY)}

    @extend_schema(operation_id="desk_booking_status", request=StatusRequest, responses=DeskChangeSerializer)
    @action(detail=True, methods=["patch"], permission_classes=(CHANGE,))
    def status(self, request: Request, pk: str) -> Response:
        """COMPLETED once the puja has begun. CANCELLED is refunded by the policy, REJECTED in full.

        `booking.status` is as before where a second person must approve the refund first.
        """
        booking, form = self.get_object(), StatusRequest(data=request.data, context={"request": request})
        form.is_valid(raise_exception=True)
        refund = booking_status.change_status(booking, by=cast(User, request.user), **form.validated_data)
        return self._answer(request, pk, _sentence(form.validated_data["status"], refund))

    @extend_schema(
        operation_id="desk_booking_reschedule", request=RescheduleRequest, responses=DeskChangeSerializer
    )
    @action(detail=True, methods=["post"], permission_classes=(CHANGE,))
    def reschedule(self, request: Request, pk: str) -> Response:
        """To a free time of the same puja that its customer has agreed to. They are told."""
        booking, form = self.get_object(), RescheduleRequest(data=request.data)
        form.is_valid(raise_exception=True)
        day, hour = form.validated_data["selected_date"], form.validated_data["selected_time"]
        starts_at = timezone.make_aware(datetime.combine(day, hour.replace(second=0, microsecond=0)))
        to = find_start(booking, starts_at)
        move_by_staff(booking, to, form.validated_data["reason"], cast(User, request.user))
        return self._answer(request, pk, _("The booking has been moved, and its customer is told."))

    @extend_schema(
        methods=["PATCH"],
        operation_id="desk_booking_assign",
        request=AssignRequest,
        responses=DeskChangeSerializer,
    )
    @extend_schema(
        methods=["POST"],
        operation_id="desk_booking_assign_employee",
        request=AssignRequest,
        responses=DeskChangeSerializer,
    )
    @action(detail=True, methods=["patch", "post"], permission_classes=(ASSIGN,))
    def assign(self, request: Request, pk: str) -> Response:
        """To a priest of the list of employees; 0 takes it away. Priest and customer are told."""
        booking, form = self.get_object(), AssignRequest(data=request.data, context={"request": request})
        form.is_valid(raise_exception=True)
        assign_account(booking, by=cast(User, request.user), **form.validated_data)
        return self._answer(request, pk, _("The booking has been changed."))

    def _answer(self, request: Request, pk: str, sentence: Text) -> Response:
        booking = self.get_serializer(self.get_object()).data
        return Response({"success": True, **in_both_languages(request, sentence), "booking": booking})


def _sentence(status: str, refund: Refund | None) -> Text:
    if refund is None and status in (Booking.Status.CANCELLED, booking_status.REJECTED):
        return _("The booking is cancelled. Nothing goes back to its customer.")
    if refund is None:
        return _("The booking has been changed.")
    amount = rupees(refund.amount_paise)
    if refund.is_requested:
        waits = _(
            "A second person must approve the refund of ₹{amount}. The booking stays as it is until then."
        )
        return format_lazy(waits, amount=amount)
    return format_lazy(_("The booking is cancelled, and ₹{amount} go back to its customer."), amount=amount)


class EmployeesView(ListAPIView[User]):
    """Of the page of employees: also those who are no priests yet."""

    queryset = employees()
    serializer_class = EmployeeSerializer
    permission_classes: Any = (SEE_PRIESTS,)
    pagination_class = DeskArray


class AssignableView(EmployeesView):
    """Of the window that gives a booking to somebody: priests with an account."""

    queryset = assignable()


class DeskDashboardView(APIView):
    permission_classes = (VIEW,)  # type: ignore[assignment]

    @extend_schema(
        operation_id="desk_dashboard", parameters=[DashboardQuestion], responses=DashboardSerializer
    )
    def get(self, request: Request) -> Response:
        """`days`: bookings that were made within so many days, today included. Without it, all."""
        question = DashboardQuestion(data=_query_parameters(request, DashboardQuestion))
        question.is_valid(raise_exception=True)
        days, bookings = question.validated_data.get("days"), Booking.objects.all()
        if days:
            bookings = last_days(days).bookings
        recent = (
            bookings.order_by("-pk").select_related("user", "checkout").prefetch_related(PRIESTS)[:RECENT]
        )
        found = {"overview": overview(bookings), "recent_bookings": recent}
        dashboard = DashboardSerializer(found, context={"sees_money": may(request, SEE_MONEY)}).data
        return Response({"success": True, "data": dashboard, **dashboard})


class DeskReportsView(APIView):
    permission_classes = (VIEW,)  # type: ignore[assignment]

    @extend_schema(
        operation_id="desk_reports",
        parameters=[ReportQuestion, OpenApiParameter("report_type", str)],
        responses={200: {"type": "object", "additionalProperties": True}},
    )
    def get(self, request: Request) -> Response:
        """Of the last thirty days, or of `start_date` to `end_date`: when the bookings were made."""
        question = ReportQuestion(data=_query_parameters(request, ReportQuestion))
        question.is_valid(raise_exception=True)
        query = question.validated_data
        report = getattr(self, f"_{query['report_type']}")(_period(query))
        return Response({"success": True, "report_type": query["report_type"], "data": report})

    def _revenue(self, period: Period) -> dict[str, Any]:
        found, sees_money = revenue_report(period), may(self.request, SEE_MONEY)

        def sum_or_none(paise: int) -> str | None:
            return rupees(paise) if sees_money else None

        return {
            "total_revenue": sum_or_none(found["total_revenue"]),
            "total_bookings": found["total_bookings"],
            "average_booking_value": sum_or_none(found["average_booking_value"]),
            "daily_breakdown": {
                day.isoformat(): {"revenue": sum_or_none(money), "bookings": number}
                for day, (money, number) in found["daily"].items()
            },
        }

    def _performance(self, period: Period) -> dict[str, Any]:
        found = performance_report(period)
        breakdown = {
            word.lower(): {
                "display_name": STATUS_NAMES[word],
                "count": count,
                "percentage": percent(count, found["total_bookings"]),
            }
            for word, count in found["counts"].items()
        }
        rates = {name: found[name] for name in ("total_bookings", "completion_rate", "cancellation_rate")}
        return rates | {"status_breakdown": breakdown}

    def _assignments(self, period: Period) -> dict[str, Any]:
        return assignment_report(period)


def _query_parameters(request: Request, form: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The parameters that the form knows, without empty ones."""
    names = form().fields
    return {name: value for name, value in request.query_params.items() if value and name in names}


def _period(query: dict[str, Any]) -> Period:
    last = query.get("end_date") or timezone.localdate()
    first = query.get("start_date") or last - timedelta(days=REPORT_DAYS - 1)
    if not timedelta() <= last - first <= LONGEST_REPORT or not 2000 <= first.year <= last.year <= 9000:
        raise InvalidField("start_date", _("Give two dates in their order, at most two years apart."))
    return Period.of_days(first, last)
