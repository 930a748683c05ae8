"""Routes of carts and bookings that need to know about money; mounted before booking's own."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from booking.models import Booking, Cart, Checkout
from booking.serializers import BookingSerializer
from core.money import rupees
from payment.models import Payment, Refund
from payment.serializers.payments import CancelRequest
from payment.serializers.refunds import RefundSerializer
from payment.services.attempts import AlreadyPaid
from payment.services.refunds.requests import cancel_booking
from payment.services.status import give_up
from payment.states import Fulfilment, PaymentState

GIVE_UP_SECONDS = 8


class CartCleanupView(APIView):
    """The customer does not want to pay any more: their cart is free again, unless they have paid."""

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
        reserved = Checkout.objects.filter(cart=cart, state=Checkout.State.RESERVED)
        payment = Payment.objects.filter(checkout__in=reserved, state=PaymentState.PENDING).first()
        if payment is not None:
            payment = give_up(payment, GIVE_UP_SECONDS)
            if payment.state == PaymentState.SUCCESS:
                raise AlreadyPaid(payment_id=payment.pk)
        cart.refresh_from_db()
        is_free = not reserved.exists()
        return Response(
            {
                "success": is_free,
                "message": _what_was_closed(payment, is_free),
                "cleaned_count": int(payment is not None and is_free),
                "can_delete": cart.status not in (Cart.Status.CHECKED_OUT, Cart.Status.CONVERTED),
            }
        )


def _what_was_closed(payment: Payment | None, is_free: bool) -> str:
    if payment is None:
        return "There was no open payment to close."
    if is_free and payment.is_open:
        return "Your cart is free again. Our staff look at the money that came, and will contact you."
    if payment.fulfilment == Fulfilment.HELD_FOR_STAFF:
        return "Your payment is being looked at by our staff, and stays open. Please do not pay again."
    if payment.is_open:
        return "Your payment is still open: PhonePe has not decided yet. Please try again in a few minutes."
    return "The open payment was closed."


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
        answer: dict[str, Any] = {
            "success": True,
            "message": f"Your booking is cancelled. {_what_goes_back(booking, refund)}",
            "booking": BookingSerializer(booking).data,
            "refund": RefundSerializer(refund).data if refund else None,
        }
        return Response(answer)


def _what_goes_back(booking: Booking, refund: Refund | None) -> str:
    if refund is None:
        return "By our policy it is not refunded any more."
    if refund.amount_paise == booking.checkout.total_paise:
        return "It will be refunded in full."
    return f"₹{rupees(refund.amount_paise)} of it will be refunded."
