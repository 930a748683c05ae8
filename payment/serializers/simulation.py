"""The wire of playing the customer."""

from typing import Any

from rest_framework import serializers

from payment.models import Payment
from payment.serializers.payments import LARGEST_ID, STATUSES, booking_of, latest, message, wire_status
from payment.services.simulation import OUTCOMES
from payment.states import PaymentState


class OutcomeRequest(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=OUTCOMES, default="success")


class SimulatePaymentRequest(OutcomeRequest):
    payment_id = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    merchant_order_id = serializers.CharField(required=False, max_length=34)

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        if not {"payment_id", "merchant_order_id"} & fields.keys():
            raise serializers.ValidationError({"payment_id": ["Give payment_id or merchant_order_id."]})
        return fields


class StepSerializer(serializers.Serializer[Any]):
    step = serializers.CharField()
    ms = serializers.IntegerField()
    detail = serializers.CharField()


class SimulatedSerializer(serializers.Serializer[Any]):
    """What became of a simulated payment."""

    success = serializers.BooleanField()
    simulated = serializers.BooleanField()
    message = serializers.CharField()
    payment_id = serializers.IntegerField()
    transaction_id = serializers.CharField()
    merchant_transaction_id = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    booking_created = serializers.BooleanField()
    booking_id = serializers.IntegerField(allow_null=True)
    booking_reference = serializers.CharField(allow_null=True)
    steps = StepSerializer(many=True)

    def to_representation(self, payment: Payment) -> dict[str, Any]:
        booking = booking_of(payment)
        return {
            "success": payment.state == PaymentState.SUCCESS,
            "simulated": True,
            "message": message(payment),
            "payment_id": payment.pk,
            "transaction_id": payment.reference,
            "merchant_transaction_id": latest(payment).merchant_order_id,
            "status": wire_status(payment),
            "booking_created": booking is not None,
            "booking_id": booking.pk if booking else None,
            "booking_reference": booking.book_id if booking else None,
            "steps": self.context.get("steps", []),
        }
