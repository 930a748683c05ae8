"""Requests and answers of the simulated customer."""

from typing import Any

from drf_spectacular.utils import extend_schema_field

from booking.filters import LARGEST_ID
from core import serializers
from payment.models import Payment
from payment.serializers.payments import MessageField, OrderIdField, StatusField, StatusUrlField
from payment.services.page_status import standing_booking
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
        if {"payment_id", "merchant_order_id"} <= fields.keys():
            raise serializers.ValidationError({"merchant_order_id": ["Give one of the two, not both."]})
        return fields


class StepSerializer(serializers.Serializer[Any]):
    step = serializers.CharField()
    ms = serializers.IntegerField()
    detail = serializers.CharField()


class SimulatedSerializer(serializers.Serializer[Any]):
    """What became of a simulated payment."""

    success = serializers.SerializerMethodField()
    simulated = serializers.BooleanField(default=True, read_only=True)
    message = MessageField()
    payment_id = serializers.IntegerField(source="pk")
    transaction_id = serializers.CharField(source="reference")
    merchant_transaction_id = OrderIdField()
    status = StatusField()
    status_url = StatusUrlField()
    booking_created = serializers.SerializerMethodField()
    booking_id = serializers.IntegerField(source="checkout.booking.pk", allow_null=True)
    booking_reference = serializers.CharField(source="checkout.booking.book_id", allow_null=True)
    steps = serializers.SerializerMethodField()

    def get_success(self, payment: Payment) -> bool:
        return payment.state == PaymentState.SUCCESS

    def get_booking_created(self, payment: Payment) -> bool:
        return standing_booking(payment) is not None

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, payment: Payment) -> list[dict[str, Any]]:
        return list(self.context.get("steps", []))
