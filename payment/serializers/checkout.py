"""Request and answer of process-cart: a cart or a donation in, the page to pay out."""

from typing import Any

from django.conf import settings
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.serializers import LenientPhoneField
from booking.filters import LARGEST_ID
from booking.serializers import AgreedAddressField, RupeesField
from core import serializers
from core.errors import InvalidField
from core.texts import name_or_email
from payment.serializers.payments import STATUSES
from payment.services.checkout import Started
from payment.services.links import status_url


class ProcessCartRequest(serializers.Serializer[Any]):
    """Either `cart_id` (needs a login), or `amount` in rupees for a donation without an account.

    An amount beside a cart says what its total is expected to be.
    """

    cart_id = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    address_id = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=LARGEST_ID)
    method = serializers.ChoiceField(choices=["PHONEPE"], default="PHONEPE")
    amount = serializers.DecimalField(
        required=False,
        max_digits=9,
        decimal_places=2,
        min_value=1,
        help_text="rupees, at most two decimals: what is donated; with a cart the same as `expected_total`",
    )
    expected_total = serializers.DecimalField(
        required=False,
        allow_null=True,
        max_digits=9,
        decimal_places=2,
        min_value=1,
        help_text="rupees, the total that the customer has seen: 409 `price_changed` if it has become more",
    )
    user_id = serializers.CharField(
        required=False, max_length=64, allow_blank=True, allow_null=True, validators=[name_or_email]
    )
    mobile = LenientPhoneField(required=False)

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "cart_id" not in fields and "amount" not in fields:
            raise serializers.ValidationError({"cart_id": [_("Give cart_id, or amount for a donation.")]})
        amount, expected = fields.get("amount"), fields.get("expected_total")
        if "cart_id" not in fields and amount is not None and amount > settings.PAYMENT_GUEST_MAX_RUPEES:
            most = format_lazy(_("At most ₹{most} at once."), most=settings.PAYMENT_GUEST_MAX_RUPEES)
            raise InvalidField("amount", most)
        if None not in (amount, expected) and amount != expected:
            raise serializers.ValidationError({"expected_total": [_("The amount is another one.")]})
        if "cart_id" not in fields and fields.get("address_id"):
            raise serializers.ValidationError({"address_id": [_("A donation is brought to no address.")]})
        if expected is None and amount is not None:
            fields["expected_total"] = amount
        return fields


class StartedSerializer(serializers.Serializer[Started]):
    """The answer of process-cart."""

    success = serializers.BooleanField(default=True, read_only=True)
    message = serializers.SerializerMethodField()
    payment_id = serializers.IntegerField(source="payment.pk")
    payment_url = serializers.CharField(source="attempt.page_url")
    checkout_url = serializers.CharField(source="attempt.page_url")
    transaction_id = serializers.CharField(source="payment.reference")
    merchant_transaction_id = serializers.CharField(source="attempt.merchant_order_id")
    phonepe_transaction_id = serializers.SerializerMethodField()
    amount = RupeesField(source="payment.amount_paise")
    currency = serializers.CharField(default="INR", read_only=True)
    status = serializers.ChoiceField(source="payment.state", choices=STATUSES)
    cart_id = serializers.IntegerField(source="payment.checkout.cart_id", allow_null=True)
    address = AgreedAddressField(
        source="payment.checkout.agreed_address",
        allow_null=True,
        help_text="as it was checked out; null for a donation",
    )
    starts_at = serializers.DateTimeField(source="payment.checkout.starts_at", allow_null=True)
    total = RupeesField(
        source="payment.amount_paise", help_text="what PhonePe asks for; the same as `amount`"
    )
    expires_at = serializers.DateTimeField(source="attempt.expires_at")
    simulated = serializers.BooleanField(source="payment.simulated")
    status_url = serializers.CharField(
        required=False, help_text="of a donation, which has no page of a frontend"
    )

    def get_message(self, started: Started) -> str:
        return "Payment page opened." if started.is_new else "This payment is open already."

    def get_phonepe_transaction_id(self, started: Started) -> str | None:
        return started.attempt.provider_order_id or None

    def to_representation(self, started: Started) -> dict[str, Any]:
        answer = super().to_representation(started)
        return answer if started.payment.checkout else answer | {"status_url": status_url(started.payment)}
