"""REST representation of payments. Amounts are strings of rupees with two decimals; paise stay inside."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import translation
from drf_spectacular.utils import extend_schema_field

from accounts.serializers import PhoneField
from booking.serializers import RupeesField, agreed_cart
from core import serializers
from core.language import ENGLISH, language_of
from payment.models import PAYING, LedgerEntry, Payment
from payment.serializers.sentences import message, user_message
from payment.services.links import offer_url, status_url
from payment.services.offers import can_choose
from payment.states import PaymentState

STATUS_WORDS = {
    "PENDING": "Pending",
    "SUCCESS": "Success",
    "FAILED": "Failed",
    "CANCELLED": "Cancelled",
    "PARTIALLY_REFUNDED": "Partially refunded",
    "REFUNDED": "Refunded",
}
STATUSES = list(STATUS_WORDS)


def with_money(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    """Annotated with what came, when it came, and what went back, by the ledger. See `wire_status`."""
    entries = LedgerEntry.objects.filter(payment=OuterRef("pk")).order_by()
    receipts = entries.filter(kind__in=PAYING)
    refunds = entries.filter(kind=LedgerEntry.Kind.REFUND, attempt__ledger__kind__in=PAYING).values("payment")
    return payments.annotate(
        received=Subquery(receipts.values("amount_paise")),
        received_at=Coalesce(Subquery(receipts.values("attempt__paid_at")), "decided_at"),
        went_back=Subquery(refunds.annotate(sum=Sum("amount_paise")).values("sum")),
    )


def for_wire(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    """Loads all that these serializers read, by a number of queries that does not grow with the rows."""
    whole = payments.select_related("user", "checkout", "checkout__booking").prefetch_related("attempts")
    return with_money(whole)


def wire_status(payment: Any) -> str:
    """Computed from the ledger. The refund of a second payment of one order does not count as a refund of it."""
    refunded = -(payment.went_back or 0)
    if payment.state != PaymentState.SUCCESS or not refunded:
        return str(payment.state)
    return "REFUNDED" if refunded >= payment.received else "PARTIALLY_REFUNDED"


class StatusField(serializers.ChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(STATUSES, source="*", read_only=True, **kwargs)

    def to_representation(self, payment: Any) -> str:
        return wire_status(payment)


class TextField(serializers.CharField):
    """A text computed from the whole payment."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(source="*", read_only=True, **kwargs)


class MessageField(TextField):
    def to_representation(self, payment: Any) -> str:
        return message(payment)


class UserMessageField(TextField):
    """In the language of the request in the context."""

    def to_representation(self, payment: Any) -> str:
        request = self.context.get("request")
        with translation.override(language_of(request) if request else ENGLISH):
            return user_message(payment)


class StatusUrlField(TextField):
    """A page that tells whoever holds its link how the payment stands. It needs no login."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(help_text="a page that tells how it stands, for whoever has the link", **kwargs)

    def to_representation(self, payment: Any) -> str:
        return status_url(payment)


class OrderIdField(TextField):
    """Our id of the newest order at PhonePe."""

    def to_representation(self, payment: Any) -> str:
        return str(latest(payment).merchant_order_id)


class PaymentListSerializer(serializers.ModelSerializer[Payment]):
    transaction_id = serializers.CharField(source="reference")
    booking_id = serializers.CharField(source="checkout.booking.book_id", allow_null=True)
    amount = RupeesField(source="amount_paise")
    currency = serializers.CharField(default="INR", read_only=True)
    method_display = serializers.CharField(default="PhonePe", read_only=True)
    status = StatusField()
    status_display = serializers.SerializerMethodField()
    status_url = StatusUrlField()

    class Meta:
        model = Payment
        fields: tuple[str, ...] = (
            "id",
            "transaction_id",
            "booking_id",
            "amount",
            "currency",
            "method",
            "method_display",
            "status",
            "status_display",
            "status_url",
            "simulated",
            "created_at",
        )

    def get_status_display(self, payment: Payment) -> str:
        return STATUS_WORDS[wire_status(payment)]


class PayerSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    email = serializers.EmailField()
    username = serializers.EmailField(source="email")
    phone = PhoneField(read_only=True)


class PaymentSerializer(PaymentListSerializer):
    merchant_transaction_id = OrderIdField()
    phonepe_transaction_id = serializers.SerializerMethodField()
    phonepe_payment_id = serializers.SerializerMethodField(method_name="get_phonepe_transaction_id")
    user = PayerSerializer(allow_null=True)
    cart = serializers.SerializerMethodField()
    booking = serializers.IntegerField(source="checkout.booking.pk", allow_null=True)
    payment_url = serializers.SerializerMethodField()
    offer_url = serializers.SerializerMethodField(
        help_text="where to choose another time, while that is possible"
    )
    is_refundable = serializers.SerializerMethodField()
    message = MessageField()
    expires_at = serializers.SerializerMethodField()
    updated_at = serializers.DateTimeField(source="decided_at", allow_null=True)

    class Meta:
        model = Payment
        fields = (
            *PaymentListSerializer.Meta.fields,
            "merchant_transaction_id",
            "phonepe_transaction_id",
            "phonepe_payment_id",
            "user",
            "cart",
            "booking",
            "payment_url",
            "offer_url",
            "is_refundable",
            "message",
            "expires_at",
            "updated_at",
        )

    def get_phonepe_transaction_id(self, payment: Payment) -> str | None:
        return latest(payment).provider_order_id or None

    def get_cart(self, payment: Payment) -> dict[str, Any] | None:
        return agreed_cart(payment.checkout) | {"id": payment.checkout.cart_id} if payment.checkout else None

    def get_payment_url(self, payment: Payment) -> str | None:
        return (latest(payment).page_url or None) if payment.is_open else None

    def get_offer_url(self, payment: Payment) -> str | None:
        return offer_url(payment) if can_choose(payment) else None

    def get_is_refundable(self, payment: Payment) -> bool:
        return wire_status(payment) in ("SUCCESS", "PARTIALLY_REFUNDED")

    @extend_schema_field(serializers.DateTimeField())
    def get_expires_at(self, payment: Payment) -> str:
        return serializers.DateTimeField().to_representation(latest(payment).expires_at)


class StatusSerializer(serializers.Serializer[Payment]):
    """The answer of `{id}/status/`."""

    success = serializers.BooleanField(default=True, read_only=True)
    code = serializers.CharField(default="STATUS_CHECKED", read_only=True)
    message = MessageField()
    user_message = UserMessageField()
    payment_id = serializers.IntegerField(source="pk")
    transaction_id = serializers.CharField(source="reference")
    merchant_transaction_id = OrderIdField()
    amount = RupeesField(source="amount_paise")
    currency = serializers.CharField(default="INR", read_only=True)
    status = StatusField()
    status_url = StatusUrlField()
    payment_method = serializers.CharField(source="method")
    timestamp = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DateTimeField())
    def get_timestamp(self, payment: Payment) -> str:
        return serializers.DateTimeField().to_representation(payment.asked_at or payment.created_at)


class TimelineEntry(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    text = serializers.CharField()


class TimelineSerializer(serializers.Serializer[Any]):
    payment_id = serializers.IntegerField()
    transaction_id = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    fulfilment = serializers.CharField()
    entries = TimelineEntry(many=True, help_text="staff see kind, order, rule and more in each entry")


def latest(payment: Payment) -> Any:
    return max(payment.attempts.all(), key=lambda attempt: attempt.number)
