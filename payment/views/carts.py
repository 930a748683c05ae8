"""Routes of carts and bookings that need to know about money; mounted before booking's own."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from booking.models import Booking, Cart
from booking.serializers import BookingSerializer
from payment.models import Payment
from payment.serializers.payments import CancelRequest, RefundSerializer
from payment.services.asking import give_up
from payment.services.attempts import AlreadyPaid
from payment.services.refunds.promises import cancel_booking
from payment.states import PaymentState

GIVE_UP_SECONDS = 8


class CartCleanupView(APIView):
    """The customer does not want to pay any more: his cart is free again, unless he has paid."""

    @extend_schema(
        operation_id="cart_cleanup_old_payments",
        request=None,
        responses=inline_serializer(
            "CartCleanup",
            {
                "success": serializers.BooleanField(),
                "message": serializers.CharField(),
                "cleaned_count": serializers.IntegerField(),
                "can_delete": serializers.BooleanField(),
            },
        ),
    )
    def post(self, request: Request, pk: int) -> Response:
        cart = get_object_or_404(Cart, pk=pk, user=request.user)
        payment = Payment.objects.filter(checkout__cart=cart, state=PaymentState.PENDING).first()
        if payment is not None:
            payment = give_up(payment, GIVE_UP_SECONDS)
            if payment.state == PaymentState.SUCCESS:
                raise AlreadyPaid(payment_id=payment.pk)
        cart.refresh_from_db()
        closed = payment is not None and not payment.is_open
        return Response(
            {
                "success": True,
                "message": "The open payment was closed."
                if closed
                else "There was no open payment to close.",
                "cleaned_count": int(closed),
                "can_delete": cart.status != Cart.Status.CHECKED_OUT,
            }
        )


class BookingStatusView(APIView):
    """Customers may cancel their booking, and nothing else."""

    @extend_schema(
        operation_id="booking_cancel",
        request=CancelRequest,
        responses=inline_serializer(
            "BookingCancelled",
            {
                "success": serializers.BooleanField(),
                "message": serializers.CharField(),
                "booking": BookingSerializer(),
                "refund": RefundSerializer(allow_null=True),
            },
        ),
    )
    def post(self, request: Request, pk: int) -> Response:
        booking = get_object_or_404(
            Booking.objects.select_related("checkout", "user"), pk=pk, user=request.user
        )
        form = CancelRequest(data=request.data)
        form.is_valid(raise_exception=True)
        refund = cancel_booking(booking, form.validated_data["cancellation_reason"])
        booking.refresh_from_db()
        told = "It will be refunded in full." if refund else "By our policy it is not refunded any more."
        answer: dict[str, Any] = {
            "success": True,
            "message": f"Your booking is cancelled. {told}",
            "booking": BookingSerializer(booking).data,
            "refund": RefundSerializer(refund).data if refund else None,
        }
        return Response(answer)
