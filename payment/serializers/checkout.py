"""Request and answer of process-cart: a cart or a donation in, the page to pay out."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.serializers import LenientPhoneField
from booking.filters import LARGEST_ID
from booking.serializers import AgreedAddressField, RupeesField
from core import serializers
from core.errors import InvalidField
from core.gstin import read_gstin, registration
from core.money import paise
from core.texts import name_or_email
from payment.phonepe import credentials
from payment.phonepe.enums import Channel
from payment.serializers.payments import STATUSES
from payment.services.checkout import PaymentStart
from payment.services.links import status_url

IOS_APPS = ("PHONEPE", "GPAY", "PAYTM")


class GstinField(serializers.CharField):
    """The GSTIN of a buyer. Read only where the shop has a GSTIN of its own: else nothing is taxed."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            allow_blank=True,
            allow_null=True,
            max_length=20,
            help_text="GSTIN of the buyer, for the receipt; not read while the shop has none itself",
        )

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data) if registration() else ""
        try:
            return read_gstin(text)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages, code="invalid_gstin") from error


class ExpectedTotalField(serializers.DecimalField):
    """Rupees. The customer pays no more than this without being asked again."""

    def __init__(
        self,
        help_text: str = "rupees, the total that the customer has seen: 409 `price_changed` if it has become more",
    ) -> None:
        super().__init__(
            required=False, allow_null=True, max_digits=9, decimal_places=2, min_value=1, help_text=help_text
        )


class PayRequest(serializers.Serializer[Any]):
    """What a click on *Pay* may say besides the cart."""

    address_id = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=LARGEST_ID)
    expected_total = ExpectedTotalField()
    gstin = GstinField()


class ProcessCartRequest(PayRequest):
    """Either `cart_id` (needs a login), or `amount` in rupees for a donation without an account.

    An amount beside a cart says what its total is expected to be.
    """

    cart_id = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    method = serializers.ChoiceField(choices=["PHONEPE"], default="PHONEPE")
    amount = serializers.DecimalField(
        required=False,
        max_digits=9,
        decimal_places=2,
        min_value=1,
        help_text="rupees, at most two decimals: what is donated; with a cart the same as `expected_total`",
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


class TryAgainRequest(serializers.Serializer[Any]):
    """`slot`: one of the `times` of a refusal. `expected_total`: the `total` of `price_changed`, once it was seen."""

    slot = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=LARGEST_ID)
    expected_total = serializers.DecimalField(
        required=False,
        allow_null=True,
        max_digits=9,
        decimal_places=2,
        min_value=1,
        help_text="rupees: the total on the customer's screen, if it is not that of this payment",
    )

    @property
    def expected_paise(self) -> int | None:
        total = self.validated_data.get("expected_total")
        return None if total is None else paise(str(total))


class AppOrderRequest(PayRequest):
    """A cart to be paid in a native app: in PhonePe's SDK (V2), or in a UPI app on the phone (V1)."""

    cart_id = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    flow = serializers.ChoiceField(
        choices=[Channel.SDK.value, Channel.UPI_INTENT.value],
        default=Channel.SDK.value,
        help_text="`sdk`: an order token for PhonePe's SDK. `upi_intent`: a link that opens a UPI app",
    )
    target_app = serializers.RegexField(
        r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z",
        required=False,
        max_length=100,
        help_text="of a UPI intent: the package on Android, PHONEPE, GPAY or PAYTM on iOS",
    )
    device_os = serializers.ChoiceField(choices=["ANDROID", "IOS"], required=False)
    callback_scheme = serializers.RegexField(
        r"^[A-Za-z][A-Za-z0-9+.-]{0,49}\Z",
        required=False,
        max_length=50,
        help_text="of PHONEPE on IOS, and needed there: the URL scheme by which PhonePe's app returns to yours",
    )

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        of_intent = ("target_app", "device_os")
        if fields["flow"] == Channel.UPI_INTENT:
            missing = {name: [_("A UPI app needs this.")] for name in of_intent if name not in fields}
            if missing:
                raise serializers.ValidationError(missing)
            self._refuse_unless_on_ios(fields)
        elif surplus := {
            name: [_("Only with flow upi_intent.")]
            for name in (*of_intent, "callback_scheme")
            if name in fields
        }:
            raise serializers.ValidationError(surplus)
        return fields

    def _refuse_unless_on_ios(self, fields: dict[str, Any]) -> None:
        """On an iPhone PhonePe knows three apps, and its own app returns by a scheme."""
        is_ios, app = fields["device_os"] == "IOS", fields["target_app"]
        if is_ios and app not in IOS_APPS:
            raise InvalidField("target_app", _("On IOS: PHONEPE, GPAY or PAYTM."))
        needs_scheme = is_ios and app == "PHONEPE"
        if needs_scheme and "callback_scheme" not in fields:
            raise InvalidField("callback_scheme", _("PhonePe's app on IOS needs this."))
        if not is_ios and "callback_scheme" in fields:
            raise InvalidField("callback_scheme", _("Only on IOS."))


class StartedSerializer(serializers.Serializer[PaymentStart]):
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
    status_url = serializers.SerializerMethodField(
        help_text="a page that tells how it stands, for whoever has the link"
    )

    def get_message(self, start: PaymentStart) -> str:
        return "Payment page opened." if start.is_new else "This payment is open already."

    def get_phonepe_transaction_id(self, start: PaymentStart) -> str | None:
        return start.attempt.provider_order_id or None

    def get_status_url(self, start: PaymentStart) -> str:
        return status_url(start.payment)


class AppOrderSerializer(StartedSerializer):
    """The answer of app-order: what PhonePe's SDK or the UPI app needs. It has no page: its URLs are null.

    The app's own result is never believed: it asks `check_booking_url` afterwards.
    """

    payment_url = serializers.CharField(source="attempt.page_url", allow_null=True)
    checkout_url = serializers.CharField(source="attempt.page_url", allow_null=True)
    flow = serializers.ChoiceField(source="attempt.channel", choices=Channel.choices[1:])
    order_id = serializers.CharField(
        source="attempt.provider_order_id", allow_null=True, help_text="PhonePe's id, for the SDK"
    )
    token = serializers.CharField(source="attempt.order_token", allow_null=True, help_text="for the SDK")
    merchant_id = serializers.SerializerMethodField(help_text="for the SDK's `init`")
    environment = serializers.SerializerMethodField(help_text="for the SDK's `init`: SANDBOX or PRODUCTION")
    intent_url = serializers.CharField(
        source="attempt.intent_url", allow_null=True, help_text="opens the UPI app"
    )
    target_app = serializers.CharField(source="attempt.target_app", allow_null=True)
    device_os = serializers.CharField(source="attempt.device_os", allow_null=True)
    check_booking_url = serializers.SerializerMethodField(
        help_text="where the app asks afterwards whether it is paid"
    )

    def get_message(self, start: PaymentStart) -> str:
        return "Order opened." if start.is_new else "This payment is open already."

    def get_merchant_id(self, start: PaymentStart) -> str | None:
        return credentials.for_identity(start.attempt.identity).merchant_id or None

    def get_environment(self, start: PaymentStart) -> str:
        return "PRODUCTION" if start.attempt.environment == "PRODUCTION" else "SANDBOX"

    def get_check_booking_url(self, start: PaymentStart) -> str:
        return reverse("payment-check-booking", args=[start.payment.pk])

    def to_representation(self, start: PaymentStart) -> dict[str, Any]:
        answer = super().to_representation(start)
        names = ("payment_url", "checkout_url", "order_id", "token", "intent_url", "target_app", "device_os")
        return answer | {name: answer[name] or None for name in names}
