"""The actions of carts and slots that move money. They are mounted before the routes of `booking`."""

from typing import Any, cast

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.models import User
from accounts.permissions import HasRight
from booking.models import Cart, Checkout, Slot
from core import serializers
from payment.models import PayLink, Payment
from payment.serializers.slot_closure import ClearedSerializer, CloseRequest
from payment.services.attempts import AlreadyPaid
from payment.services.pay_links import end_link
from payment.services.slot_closure import move_all, refund_all
from payment.services.status import give_up
from payment.states import Fulfilment, PaymentState

GIVE_UP_SECONDS = 8


class CartPaymentViewSet(ViewSet):
    lookup_value_regex = r"\d{1,18}"

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
    @action(detail=True, methods=["post"], url_name="cleanup")
    def cleanup_old_payments(self, request: Request, pk: str) -> Response:
        """Close the open payment of a cart, and free the cart, unless it has been paid."""
        cart = get_object_or_404(Cart, pk=pk, user=request.user)
        reserved = Checkout.objects.filter(cart=cart, state=Checkout.State.RESERVED)
        payment = Payment.objects.filter(checkout__in=reserved, state=PaymentState.PENDING).first()
        for link in PayLink.objects.filter(checkout__in=reserved, checkout__payment=None, ended_at=None):
            end_link(link.pk)  # staff made it for them, and they do not want it
        if payment is not None:
            payment = give_up(payment, GIVE_UP_SECONDS)
            if payment.state == PaymentState.SUCCESS:
                raise AlreadyPaid(payment_id=payment.pk)
        cart.refresh_from_db()
        is_free = not reserved.exists()
        return Response(
            {
                "success": is_free,
                "message": _cleanup_message(payment, is_free),
                "cleaned_count": int(payment is not None and is_free),
                "can_delete": cart.status not in (Cart.Status.CHECKED_OUT, Cart.Status.CONVERTED),
            }
        )


def _cleanup_message(payment: Payment | None, is_free: bool) -> str:
    if payment is None:
        return "There was no open payment to close."
    if is_free and payment.is_open:
        return "Your cart is free again. Our staff look at the money that came, and will contact you."
    if payment.fulfilment == Fulfilment.HELD_FOR_STAFF:
        return "Your payment is being looked at by our staff, and stays open. Please do not pay again."
    if payment.is_open:
        return "Your payment is still open: PhonePe has not decided yet. Please try again in a few minutes."
    return "The open payment was closed."


class SlotPaymentViewSet(ViewSet):
    lookup_value_regex = r"\d{1,18}"
    permission_classes: Any = (HasRight("booking.change_slot"),)

    @extend_schema(operation_id="slot_close", request=CloseRequest, responses=ClearedSerializer(many=True))
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        """Close a slot, and move or refund its bookings, a hundred in each call: one entry for each booking.

        `X-Bookings-Left` is the number of bookings that are left for the next calls. Call again until it is 0.
        """
        slot = get_object_or_404(Slot, pk=pk)
        form = CloseRequest(data=request.data)
        form.is_valid(raise_exception=True)
        reason, to = form.validated_data["reason"], form.validated_data.get("to")
        by = cast(User, request.user)
        if form.validated_data["then"] == "refund":
            closing = refund_all(slot, reason, by)
        else:
            others = Slot.objects.filter(service=slot.service_id).exclude(pk=slot.pk)
            closing = move_all(slot, reason, by, to and get_object_or_404(others, pk=to))
        cleared = ClearedSerializer(closing.cleared, many=True)
        return Response(cleared.data, headers={"X-Bookings-Left": str(closing.left)})
