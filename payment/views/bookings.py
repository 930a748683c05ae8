"""The caller's bookings with their payments: `booking` knows nothing about money."""

from django.db.models import Exists, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls.converters import UUIDConverter
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from booking.models import Booking
from core import serializers
from core.money import rupees
from core.negotiation import IgnoreAcceptHeader
from payment.models import Payment
from payment.serializers.booking_changes import MoveRequest, OwnBookingChangesSerializer
from payment.serializers.bookings import (
    CancelRequest,
    FoundBookingSerializer,
    PaidBookingSerializer,
    bookings_for_wire,
)
from payment.serializers.refunds import RefundSerializer
from payment.services.booking_changes import move_booking
from payment.services.page_status import STANDING, WAITED_FOR
from payment.services.refunds.requests import cancel_booking
from payment.views.calendars import calendar_download


class BookingViewSet(ReadOnlyModelViewSet[Booking]):
    """Bookings are made by payments, and cancelled here.

    Pages show whatever they find by a cart or by a payment as confirmed: a booking that was cancelled, or whose time
    was called off, is found by its own number only.
    """

    queryset = Booking.objects.all()
    serializer_class = PaidBookingSerializer
    lookup_value_regex = r"\d{1,18}"

    def get_queryset(self) -> QuerySet[Booking]:
        return bookings_for_wire(super().get_queryset().filter(user_id=self.request.user.pk or 0))

    @extend_schema(responses=FoundBookingSerializer)
    @action(detail=False, url_path="by-id/(?P<ref>[A-Za-z0-9_-]{1,64})")
    def by_id(self, request: Request, ref: str) -> Response:
        """By `book_id`; or by the `merchant_order_id` or number of a payment of its cart."""
        bookings, payments = self.get_queryset(), "checkout__cart__checkouts__payment"
        if ref.startswith("BK-"):
            return self._answer(bookings.filter(book_id=ref).first())
        is_number = ref.isdigit() and len(ref) <= 18
        lookup = f"{payments}__pk" if is_number else f"{payments}__attempts__merchant_order_id"
        return self._answer(bookings.filter(STANDING, **{lookup: ref}).first())

    @extend_schema(responses=PaidBookingSerializer)
    @action(detail=False, url_path=f"by-cart/(?P<cart_id>{UUIDConverter.regex})")
    def by_cart(self, request: Request, cart_id: str) -> Response:
        """The bare booking. 404 when there is none: any 200 is shown as a confirmed booking."""
        bookings = self.get_queryset().filter(STANDING, checkout__cart__cart_id=cart_id)
        return Response(PaidBookingSerializer(self._existing(bookings.first())).data)

    @extend_schema(responses=FoundBookingSerializer)
    @action(detail=False)
    def latest(self, request: Request) -> Response:
        """The booking of the cart that the caller's newest payment was for; else 404.

        404 also while any payment of a cart waits for PhonePe, for staff, or for the choice of a time, and where the
        newest payment is a donation: a page shows whatever it gets as the booking of its payment.
        """
        mine = Payment.objects.filter(user_id=request.user.pk or 0)
        waiting = mine.filter(WAITED_FOR, checkout__isnull=False)
        newest = mine.order_by("-pk").values_list("checkout__cart", Exists(waiting)).first()
        bookings = self.get_queryset().filter(STANDING)
        if newest is None:
            return self._answer(bookings.first())
        cart, is_waiting = newest
        booking = None if cart is None or is_waiting else bookings.filter(checkout__cart=cart).first()
        return self._answer(booking)

    @extend_schema(
        operation_id="booking_cancel",
        request=CancelRequest,
        responses=inline_serializer(
            "BookingCancelled",
            {
                "success": serializers.BooleanField(),
                "message": serializers.CharField(),
                "booking": PaidBookingSerializer(),
                "refund": RefundSerializer(allow_null=True),
            },
        ),
    )
    @action(detail=True, methods=["post"])
    def status(self, request: Request, pk: str) -> Response:
        """Cancel a booking; it is the only change that a customer can make."""
        bookings = Booking.objects.select_related("checkout", "user")
        booking = get_object_or_404(bookings, pk=pk, user=request.user)
        form = CancelRequest(data=request.data)
        form.is_valid(raise_exception=True)
        refund = cancel_booking(booking, form.validated_data["cancellation_reason"])
        if refund is None:
            sentence = _("Your booking is cancelled. By our policy it is not refunded any more.")
        elif refund.amount_paise == booking.checkout.total_paise:
            sentence = _("Your booking is cancelled. It will be refunded in full.")
        else:
            sentence = _("Your booking is cancelled. %(amount)s of it will be refunded.") % {
                "amount": f"₹{rupees(refund.amount_paise)}"
            }
        return Response(
            {
                "success": True,
                "message": sentence,
                "booking": PaidBookingSerializer(self.get_object()).data,
                "refund": RefundSerializer(refund).data if refund else None,
            }
        )

    @extend_schema(operation_id="booking_changes", responses=OwnBookingChangesSerializer)
    @action(detail=True)
    def changes(self, request: Request, pk: str) -> Response:
        """What to prepare, where it takes place, and what can still be changed at what price."""
        return self._changes(request, self.get_object())

    @extend_schema(operation_id="booking_move", request=MoveRequest, responses=OwnBookingChangesSerializer)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str) -> Response:
        """To another free time of the same puja."""
        booking, form = self.get_object(), MoveRequest(data=request.data)
        form.is_valid(raise_exception=True)
        return self._changes(request, move_booking(booking, **form.validated_data))

    @extend_schema(operation_id="booking_calendar", responses={(200, "text/calendar"): OpenApiTypes.BINARY})
    @action(detail=True, content_negotiation_class=IgnoreAcceptHeader)
    def calendar(self, request: Request, pk: str) -> HttpResponse:
        """The booking as a calendar file."""
        booking = self.get_object()
        return calendar_download([booking], booking.user.language, booking.book_id)

    def _changes(self, request: Request, booking: Booking) -> Response:
        return Response(OwnBookingChangesSerializer(booking, context={"request": request}).data)

    def _answer(self, booking: Booking | None) -> Response:
        return Response({"success": True, "data": PaidBookingSerializer(self._existing(booking)).data})

    def _existing(self, booking: Booking | None) -> Booking:
        if booking is None:
            raise NotFound("There is no such booking.")
        return booking
