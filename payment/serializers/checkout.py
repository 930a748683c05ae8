"""The wire of process-cart: a cart or a gift comes in, a page to pay goes out."""

from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from rest_framework import serializers

from booking.money import rupees
from payment.serializers.payments import LARGEST_ID, STATUSES
from payment.services.checkout import Started
from payment.services.links import status_url

MOBILE = RegexValidator(r"^(?:\+?91[ -]?)?[6-9][0-9]{9}$", "Give a ten-digit Indian mobile number.")


class ProcessCartRequest(serializers.Serializer[Any]):
    """Either `cart_id` (needs a login), or `amount` in rupees for a gift without an account."""

    cart_id = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    address_id = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=LARGEST_ID)
    method = serializers.ChoiceField(choices=["PHONEPE"], default="PHONEPE")
    amount = serializers.DecimalField(
        required=False,
        max_digits=9,
        decimal_places=2,
        min_value=1,
        help_text="rupees, at most two decimals",
    )
    user_id = serializers.CharField(required=False, max_length=64, allow_blank=True)
    mobile = serializers.CharField(required=False, max_length=16, allow_blank=True, validators=[MOBILE])

    def validate_amount(self, amount: Any) -> Any:
        if amount > settings.PAYMENT_GUEST_MAX_RUPEES:
            raise serializers.ValidationError(f"At most ₹{settings.PAYMENT_GUEST_MAX_RUPEES} at once.")
        return amount

    def validate_mobile(self, mobile: str) -> str:
        return "".join(filter(str.isdigit, mobile))[-10:]

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "cart_id" not in fields and "amount" not in fields:
            raise serializers.ValidationError({"cart_id": ["Give cart_id, or amount for a gift."]})
        return fields


class StartedSerializer(serializers.Serializer[Started]):
    """The answer of process-cart."""

    success = serializers.BooleanField()
    message = serializers.CharField()
    payment_id = serializers.IntegerField()
    payment_url = serializers.CharField()
    checkout_url = serializers.CharField()
    transaction_id = serializers.CharField()
    merchant_transaction_id = serializers.CharField()
    phonepe_transaction_id = serializers.CharField(allow_null=True)
    amount = serializers.CharField()
    currency = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    cart_id = serializers.IntegerField(allow_null=True)
    expires_at = serializers.DateTimeField()
    simulated = serializers.BooleanField()
    status_url = serializers.CharField(required=False)

    def to_representation(self, started: Started) -> dict[str, Any]:
        payment, attempt = started.payment, started.attempt
        answer = {
            "success": True,
            "message": "Payment page opened." if started.is_new else "This payment is open already.",
            "payment_id": payment.pk,
            "payment_url": attempt.page_url,
            "checkout_url": attempt.page_url,
            "transaction_id": payment.reference,
            "merchant_transaction_id": attempt.merchant_order_id,
            "phonepe_transaction_id": attempt.provider_order_id or None,
            "amount": rupees(payment.amount_paise),
            "currency": "INR",
            "status": payment.state,
            "cart_id": payment.checkout.cart_id if payment.checkout else None,
            "expires_at": serializers.DateTimeField().to_representation(attempt.expires_at),
            "simulated": payment.simulated,
        }
        return answer if payment.checkout else answer | {"status_url": status_url(payment)}
