"""What servers of the business send and read by their API keys."""

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field

from accounts.models import ApiKey, User
from accounts.serializers import AddressSerializer, LineField, PhoneField
from booking.filters import IdFilter
from booking.models import Booking
from booking.serializers import CartChoiceSerializer, RupeesField
from core import serializers
from core.money import paise, rupees
from core.texts import plain_text, visible_line
from payment.models import Payment, ServerEvent, WebhookDelivery, WebhookEndpoint
from payment.serializers.bookings import ShownStatusField
from payment.serializers.checkout import ExpectedTotalField
from payment.serializers.payments import MessageField, StatusField, latest
from payment.serializers.refunds import RefundSerializer
from payment.services.links import status_url
from payment.services.server_events import VERSION
from payment.services.server_payments import Customer
from payment.states import PaymentState


class CustomerRequest(serializers.Serializer[Any]):
    """Who books. Somebody new becomes a guest; of an account that exists, only what is empty is filled."""

    email = serializers.EmailField(max_length=254, validators=[visible_line])
    name = LineField(max_length=100, required=False, allow_blank=True, default="")
    phone = PhoneField(required=False, default=None)
    language = serializers.ChoiceField(
        User.Language.choices, default=User.Language.ENGLISH, help_text="of the mails to somebody new"
    )


class ServerAddressSerializer(AddressSerializer):
    """Where a puja at home takes place."""

    class Meta(AddressSerializer.Meta):
        fields = ("address_line1", "address_line2", "city", "state", "postal_code", "country")  # type: ignore[assignment]


class OpenPaymentRequest(CartChoiceSerializer):
    """A place for a customer, and where it takes place."""

    customer = CustomerRequest()
    address = ServerAddressSerializer(required=False, allow_null=True, help_text="of a puja at home")
    expected_total = ExpectedTotalField(
        "rupees, what the customer was told: 409 `price_changed` if it has become more"
    )
    reference = LineField(
        max_length=64,
        required=False,
        allow_blank=True,
        default="",
        help_text="what your server calls it; it comes back in answers and events. No personal data",
    )

    @property
    def to_book_for(self) -> Customer:
        who = self.validated_data["customer"]
        return Customer(who["email"], who["name"], who["phone"], who["language"])

    def choice(self) -> dict[str, Any]:
        """As `fill_cart` takes it."""
        ours = ("customer", "address", "expected_total", "reference")
        return {name: value for name, value in self.validated_data.items() if name not in ours}

    @property
    def expected_paise(self) -> int | None:
        total = self.validated_data.get("expected_total")
        return None if total is None else paise(str(total))


class ServerCancelRequest(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500, validators=[plain_text], help_text="the customer reads it")


class ContactSerializer(serializers.Serializer[User]):
    email = serializers.EmailField()
    name = serializers.CharField(source="full_name")
    phone = PhoneField(read_only=True)


class OfCustomer(serializers.Serializer[Any]):
    """With `customer`, for keys that may see who it is."""

    customer = ContactSerializer(
        source="user", allow_null=True, read_only=True, help_text="null without the scope customers:read"
    )

    def to_representation(self, row: Any) -> dict[str, Any]:
        key: ApiKey = self.context["request"].user
        answer: dict[str, Any] = super().to_representation(row)
        return answer if key.holds(ApiKey.Scope.CUSTOMERS) else answer | {"customer": None}


class BookedSerializer(serializers.Serializer[Booking]):
    book_id = serializers.CharField()
    status = ShownStatusField()
    starts_at = serializers.DateTimeField()


class ServerPaymentSerializer(OfCustomer):
    """A payment, the booking that it became, and where its customer pays and looks."""

    id = serializers.IntegerField()
    transaction_id = serializers.CharField(source="reference")
    reference = serializers.CharField(source="server_reference", help_text="of the server that opened it")
    amount = RupeesField(source="amount_paise")
    currency = serializers.CharField(default="INR", read_only=True)
    status = StatusField()
    message = MessageField()
    payment_url = serializers.SerializerMethodField(help_text="where the customer pays, while it is open")
    status_url = serializers.SerializerMethodField(help_text="a page that tells the customer how it stands")
    expires_at = serializers.SerializerMethodField(help_text="of `payment_url`")
    booking = BookedSerializer(source="checkout.booking", allow_null=True, default=None)
    refunded = serializers.SerializerMethodField(help_text="rupees that have gone back")
    simulated = serializers.BooleanField()
    created_at = serializers.DateTimeField()

    def get_payment_url(self, payment: Payment) -> str | None:
        return (latest(payment).page_url or None) if payment.is_open else None

    def get_status_url(self, payment: Payment) -> str:
        return status_url(payment)

    @extend_schema_field(serializers.DateTimeField())
    def get_expires_at(self, payment: Payment) -> str:
        return serializers.DateTimeField().to_representation(latest(payment).expires_at)

    def get_refunded(self, payment: Any) -> str:
        return rupees(-(payment.went_back or 0))


class ServerBookingSerializer(OfCustomer):
    """A booking as it stands now, with what was agreed when it was checked out."""

    book_id = serializers.CharField()
    status = ShownStatusField()
    puja = serializers.CharField(source="checkout.puja_title")
    puja_service = serializers.IntegerField(source="checkout.puja_service_id")
    package_id = serializers.IntegerField(source="checkout.package_id")
    place = serializers.CharField(source="checkout.package_location")
    starts_at = serializers.DateTimeField()
    people = serializers.IntegerField(source="checkout.people", allow_null=True)
    total = RupeesField(source="checkout.total_paise")
    payment_id = serializers.IntegerField(source="checkout.payment.pk")
    status_url = serializers.SerializerMethodField(help_text="a page that tells the customer how it stands")
    reference = serializers.CharField(source="checkout.payment.server_reference")
    cancellation_reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_status_url(self, booking: Booking) -> str:
        return status_url(booking.checkout.payment)


class ServerCancelledSerializer(serializers.Serializer[Any]):
    booking = ServerBookingSerializer()
    refund = RefundSerializer(allow_null=True)


class ServerPaymentFilter(filters.FilterSet):
    """Only what an index answers, or the newest rows: a page costs the same after years."""

    status = filters.ChoiceFilter(field_name="state", choices=PaymentState.choices)
    reference = filters.CharFilter(field_name="server_reference", max_length=64)

    class Meta:
        model = Payment
        fields: tuple[str, ...] = ()


class ServerBookingFilter(filters.FilterSet):
    """Moments are ISO 8601 with their zone."""

    status = filters.ChoiceFilter(choices=Booking.Status.choices)
    starts_from = filters.IsoDateTimeFilter(field_name="starts_at", lookup_expr="gte")
    starts_until = filters.IsoDateTimeFilter(field_name="starts_at", lookup_expr="lt")

    class Meta:
        model = Booking
        fields: tuple[str, ...] = ()


class EndpointSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    class Meta:
        model = WebhookEndpoint
        fields = (
            *("id", "url", "description", "types", "is_enabled"),
            *("disabled_because", "failing_since", "created_at"),
        )


class TrySerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True, help_text="null: there was no answer")
    answer = serializers.CharField(required=False)
    error = serializers.CharField(required=False)
    ms = serializers.IntegerField()


class DeliverySerializer(serializers.ModelSerializer[WebhookDelivery]):
    """The last twelve tries, the oldest first."""

    endpoint = serializers.IntegerField(source="endpoint_id")
    tries = TrySerializer(many=True)
    next_try_at = serializers.DateTimeField(source="next_check_at", allow_null=True)

    class Meta:
        model = WebhookDelivery
        fields = ("endpoint", "state", "tries", "next_try_at", "delivered_at")


class EventSerializer(serializers.ModelSerializer[ServerEvent]):
    """As it is sent: `id` is the `webhook-id`."""

    id = serializers.CharField(source="event_id")
    timestamp = serializers.DateTimeField(source="created_at")
    version = serializers.CharField(default=VERSION, read_only=True)
    data = serializers.DictField()  # type: ignore[assignment]

    class Meta:
        model = ServerEvent
        fields: tuple[str, ...] = ("id", "type", "version", "timestamp", "data")


class EventWithDeliveriesSerializer(EventSerializer):
    deliveries = DeliverySerializer(many=True)

    class Meta(EventSerializer.Meta):
        fields = (*EventSerializer.Meta.fields, "deliveries")


class ServerEventFilter(filters.FilterSet):
    type = filters.ChoiceFilter(choices=ServerEvent.Type.choices)
    payment_id = IdFilter()

    class Meta:
        model = ServerEvent
        fields: tuple[str, ...] = ()
