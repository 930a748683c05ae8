"""Bookings with their payment, which `booking` knows nothing about."""

from typing import Any

from django.db.models import Prefetch, QuerySet

from booking.models import Booking
from booking.serializers import BookingSerializer, RupeesField
from core import serializers
from core.texts import plain_text
from payment.models import Payment
from payment.serializers.payments import (
    STATUSES,
    StatusField,
    StatusUrlField,
    UserMessageField,
    wire_status,
    with_money,
)
from payment.serializers.sentences import message
from payment.services.links import status_url
from payment.services.page_status import standing_booking
from payment.states import PaymentState

PENDING = "PENDING"
BOOKING_STATUSES = (PENDING, *Booking.Status.values)


def bookings_for_wire(bookings: QuerySet[Booking]) -> QuerySet[Booking]:
    """Loads all that `PaidBookingSerializer` reads, by two queries."""
    payments = Prefetch("checkout__payment", with_money(Payment.objects.all()))
    return bookings.select_related("user", "checkout__cart").prefetch_related(payments)


class PaymentOfBookingSerializer(serializers.Serializer[Payment]):
    payment_id = serializers.IntegerField(source="pk")
    transaction_id = serializers.CharField(source="reference")
    payment_method = serializers.CharField(default="PhonePe", read_only=True)
    status = StatusField()
    payment_date = serializers.DateTimeField(source="received_at")
    amount = RupeesField(source="amount_paise")


class ShownStatusField(serializers.ChoiceField):
    """PENDING while a called-off time waits for its customer's choice: pages show CONFIRMED as going ahead."""

    def __init__(self, **options: Any) -> None:
        super().__init__(BOOKING_STATUSES, source="*", read_only=True, **options)

    def to_representation(self, booking: Booking) -> str:  # type: ignore[override]
        return PENDING if booking.choose_until else booking.status


class PaidBookingSerializer(BookingSerializer):
    """Pages read `payment` or `payment_details`: both say the same. Null for a booking that nobody paid for here."""

    status = ShownStatusField()
    payment = PaymentOfBookingSerializer(source="checkout.payment", allow_null=True, read_only=True)
    payment_details = PaymentOfBookingSerializer(source="checkout.payment", allow_null=True, read_only=True)

    class Meta(BookingSerializer.Meta):
        fields = (*BookingSerializer.Meta.fields, "payment", "payment_details")


class FoundBookingSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    data = PaidBookingSerializer()  # type: ignore[assignment]


class CheckBookingSerializer(serializers.Serializer[Payment]):
    """Did my payment become a booking that stands? `success` tells whether it was paid."""

    success = serializers.BooleanField()
    payment_status = serializers.ChoiceField(choices=STATUSES)
    booking_created = serializers.BooleanField(
        help_text="a booking stands: not a cancelled or called-off one"
    )
    booking = PaidBookingSerializer(required=False)
    message = serializers.CharField(required=False)
    status_url = StatusUrlField()
    user_message = UserMessageField()

    def to_representation(self, payment: Payment) -> dict[str, Any]:
        booking = standing_booking(payment)
        answer = {
            "success": payment.state == PaymentState.SUCCESS,
            "user_message": self.fields["user_message"].to_representation(payment),
            "payment_status": wire_status(payment),
            "status_url": status_url(payment),
            "booking_created": booking is not None,
        }
        if booking is None:
            return answer | {"message": message(payment)}
        return answer | {"booking": PaidBookingSerializer(booking).data}


class RetryWebhookSerializer(CheckBookingSerializer):
    """Where `success` is true, the page of 2026 goes to its confirmation: it tells whether a booking stands."""

    def to_representation(self, payment: Payment) -> dict[str, Any]:
        answer = super().to_representation(payment)
        return answer | {"success": answer["booking_created"]}


class CancelRequest(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["CANCELLED"])
    cancellation_reason = serializers.CharField(max_length=500, validators=[plain_text])
