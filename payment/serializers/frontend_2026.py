"""Requests and answers of the pages of 2026 that pay for a cart and wait for its booking."""

from typing import Any

from booking.models import Booking
from booking.serializers import RupeesField
from core import serializers
from payment.models import Payment
from payment.serializers.bookings import PaidBookingSerializer, bookings_for_wire
from payment.serializers.checkout import PayRequest
from payment.serializers.payments import MessageField, OrderIdField, UserMessageField
from payment.services.checkout import PaymentStart
from payment.services.page_status import PageStatus, page_status, standing_booking


class PayCartRequest(PayRequest):
    """A click on *Pay* in the cart of okpuja.com."""

    cart_id = serializers.UUIDField(help_text="`cart_id` of the cart, not its `id`")


class VerifyRequest(serializers.Serializer[Any]):
    cart_id = serializers.UUIDField()


class PaymentOrderSerializer(serializers.Serializer[PaymentStart]):
    id = serializers.IntegerField(source="payment.pk")
    merchant_order_id = serializers.CharField(source="attempt.merchant_order_id")
    phonepe_payment_url = serializers.CharField(source="attempt.page_url")
    amount = serializers.IntegerField(source="payment.amount_paise", help_text="paise")
    amount_in_rupees = RupeesField(source="payment.amount_paise")
    cart_id = serializers.UUIDField(source="payment.checkout.cart.cart_id")
    status = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="payment.created_at")

    def get_status(self, start: PaymentStart) -> PageStatus:
        return page_status(start.payment)


class PaymentOrderData(serializers.Serializer[Any]):
    payment_order = PaymentOrderSerializer(source="*")


class CartPaidSerializer(serializers.Serializer[PaymentStart]):
    success = serializers.BooleanField(default=True, read_only=True)
    message = serializers.SerializerMethodField()
    data = PaymentOrderData(source="*")  # type: ignore[assignment]

    def get_message(self, start: PaymentStart) -> str:
        return "Payment page opened." if start.is_new else "This payment is open already."


class PageStatusField(serializers.ChoiceField):
    """Never another word than these three: see `payment.services.page_status`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(PageStatus.choices, source="*", read_only=True, **kwargs)

    def to_representation(self, payment: Any) -> str:
        return page_status(payment).value


class BookingCreatedField(serializers.BooleanField):
    """Whether a booking stands that this payment became."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(source="*", read_only=True, **kwargs)

    def to_representation(self, payment: Any) -> bool:
        return standing_booking(payment) is not None


class CartStatusData(serializers.Serializer[Payment]):
    payment_status = PageStatusField()
    booking_created = BookingCreatedField()
    booking_id = serializers.SerializerMethodField(help_text="BK-…, null while no booking stands")
    payment_id = serializers.IntegerField(source="pk")
    merchant_order_id = OrderIdField()
    message = MessageField()
    user_message = UserMessageField()

    def get_booking_id(self, payment: Payment) -> str | None:
        booking = standing_booking(payment)
        return booking.book_id if booking else None


class CartStatusSerializer(serializers.Serializer[Payment]):
    success = serializers.BooleanField(default=True, read_only=True)
    data = CartStatusData(source="*")  # type: ignore[assignment]


class OrderStatusSerializer(serializers.Serializer[Payment]):
    """Flat. `payment_status` is for the test page, which waits for SUCCESS on PENDING."""

    success = serializers.BooleanField(default=True, read_only=True)
    status = PageStatusField()
    status_display = MessageField()
    user_message = UserMessageField()
    payment_status = serializers.SerializerMethodField()
    booking_created = BookingCreatedField()
    id = serializers.IntegerField(source="pk")
    transaction_id = serializers.CharField(source="reference")
    merchant_order_id = OrderIdField()
    amount = RupeesField(source="amount_paise")
    created_at = serializers.DateTimeField()

    def get_payment_status(self, payment: Payment) -> str:
        word = page_status(payment)
        return "PENDING" if word == PageStatus.INITIATED else word.value


class VerifiedSerializer(serializers.Serializer[Payment]):
    """`booking` and `already_processed` are there only when a booking stands: the page looks for the keys."""

    success = BookingCreatedField()
    message = MessageField()
    user_message = UserMessageField()
    booking = PaidBookingSerializer(required=False)
    already_processed = serializers.BooleanField(
        required=False, help_text="it was booked before this request"
    )

    def to_representation(self, payment: Payment) -> dict[str, Any]:
        answer = {
            name: self.fields[name].to_representation(payment)
            for name in ("success", "message", "user_message")
        }
        if not answer["success"]:
            return answer
        booking = bookings_for_wire(Booking.objects.filter(checkout__payment=payment)).get()
        return answer | {
            "booking": PaidBookingSerializer(booking).data,
            "already_processed": self.context["was_booked"],
        }


class RetryOfNothingSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    message = serializers.CharField()
    user_message = serializers.CharField()
