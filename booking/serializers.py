"""The shapes of the wire. A cart that is checked out and a booking read as they were bought."""

from datetime import datetime, time
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field

from accounts.models import Address
from accounts.serializers import AddressSerializer, LineField, PersonSerializer
from booking.devotees import DEVOTEE_FIELDS, MOST_PEOPLE
from booking.fields import LAST_MOMENT
from booking.models import Booking, Cart, Checkout, Package, PromoCode, PujaCategory, PujaService, Slot
from booking.pricing import calculate_price, package_price
from core import serializers
from core.money import rupees
from core.texts import plain_text

# A cart in this state reads as its checkout in that one.
FREEZING: dict[str, str] = {
    Cart.Status.CHECKED_OUT: Checkout.State.RESERVED,
    Cart.Status.CONVERTED: Checkout.State.BOOKED,
}
TIME_SPELLINGS = ["%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M%p"]


@extend_schema_field({"type": "string", "example": "1100.00", "description": "rupees"})
class RupeesField(serializers.Field):
    """Paise of the row, rupees on the wire. Nobody writes an amount through it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, paise: int) -> str:
        return rupees(paise)


@extend_schema_field({"type": "string", "example": "16:30", "pattern": "^[0-9]{2}:[0-9]{2}$"})
class HourField(serializers.TimeField):
    """Without seconds: the frontend shows it as it comes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="%H:%M", read_only=True, **kwargs)


# --- Catalogue ---------------------------------------------------------------------------------


class PujaCategorySerializer(serializers.ModelSerializer):
    class Meta:
        model = PujaCategory
        fields = ("id", "name", "created_at", "updated_at", "name_hi")


class SecureAddressField(serializers.CharField):
    """Null for what is no address: the frontend throws the whole page away for an empty one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, allow_null=True, **kwargs)

    def to_representation(self, address: str) -> str | None:  # type: ignore[override]
        return address if address.startswith("https://") else None


class PujaServiceSerializer(serializers.ModelSerializer):
    image_url = SecureAddressField()
    category_detail = PujaCategorySerializer(source="category", read_only=True)

    class Meta:
        model = PujaService
        fields = (
            "id",
            "title",
            "image_url",
            "description",
            "category",
            "category_detail",
            "type",
            "duration_minutes",
            "is_active",
            "created_at",
            "updated_at",
            "title_hi",
            "description_hi",
        )


class PackageSerializer(serializers.ModelSerializer):
    price = RupeesField(source="price_now")

    class Meta:
        model = Package
        fields = (
            "id",
            "puja_service",
            "location",
            "language",
            "package_type",
            "price",
            "description",
            "includes_materials",
            "priest_count",
            "is_active",
            "created_at",
            "updated_at",
            "location_hi",
            "description_hi",
        )


class SlotSerializer(serializers.ModelSerializer):
    date = serializers.SerializerMethodField()
    time = serializers.SerializerMethodField()
    available = serializers.IntegerField(read_only=True)

    class Meta:
        model = Slot
        fields = ("id", "starts_at", "date", "time", "capacity", "available")

    def get_date(self, slot: Slot) -> str:
        return timezone.localtime(slot.starts_at).date().isoformat()

    def get_time(self, slot: Slot) -> str:
        return f"{timezone.localtime(slot.starts_at):%H:%M}"


# --- Cart --------------------------------------------------------------------------------------


class PromoCodeSerializer(serializers.ModelSerializer):
    """The frontend knows PERCENTAGE and FIXED, and writes `discount` before the sign it belongs to."""

    discount = serializers.SerializerMethodField()
    discount_type = serializers.SerializerMethodField()
    min_order_amount = RupeesField(source="min_order_paise")
    max_discount_amount = RupeesField(source="max_discount_paise", allow_null=True)
    is_valid = serializers.BooleanField(read_only=True)  # type: ignore[assignment]
    validity_message = serializers.CharField(read_only=True)

    class Meta:
        model = PromoCode
        fields = (
            "id",
            "code",
            "description",
            "discount",
            "discount_type",
            "min_order_amount",
            "max_discount_amount",
            "is_valid",
            "validity_message",
        )

    def get_discount(self, promo: PromoCode) -> str:
        return str(promo.percent) if promo.percent else rupees(promo.amount_paise or 0)

    @extend_schema_field(serializers.ChoiceField(choices=["PERCENTAGE", "FIXED"]))
    def get_discount_type(self, promo: PromoCode) -> str:
        return "PERCENTAGE" if promo.percent else "FIXED"


class CustomerPromoSerializer(serializers.ModelSerializer):
    """A code on the page of promo codes, whose words are not those of the cart: a row of `promos.visible_to`.

    The page reads a missing end as one in 1970: a code without one ends on the last day there is.
    """

    discount = serializers.SerializerMethodField()
    min_order_amount = serializers.SerializerMethodField()
    max_discount_amount = RupeesField(source="max_discount_paise", allow_null=True)
    start_date = serializers.DateTimeField(source="starts_at", read_only=True)
    expiry_date = serializers.SerializerMethodField()
    user_usage_count = serializers.IntegerField(source="uses", read_only=True)
    code_type = serializers.SerializerMethodField()
    is_active = serializers.BooleanField(source="counts", read_only=True, help_text="would be taken now")
    is_used_by_user = serializers.BooleanField(source="uses", read_only=True)
    service_type = serializers.CharField(default="puja", read_only=True)

    class Meta:
        model = PromoCode
        fields = (
            *("id", "code", "description", "discount", "discount_type"),
            *("min_order_amount", "max_discount_amount", "start_date", "expiry_date", "usage_limit"),
            *("user_usage_count", "code_type", "is_active", "is_used_by_user", "service_type"),
        )

    def get_discount(self, promo: PromoCode) -> str:
        return f"{promo.percent}.00" if promo.percent else rupees(promo.amount_paise or 0)

    def get_min_order_amount(self, promo: PromoCode) -> str | None:
        return rupees(promo.min_order_paise) if promo.min_order_paise else None

    def get_expiry_date(self, promo: PromoCode) -> datetime:
        return last_moment(promo)

    @extend_schema_field(serializers.ChoiceField(choices=["PUBLIC", "PRIVATE", "ASSIGNED"]))
    def get_code_type(self, promo: PromoCode) -> str:
        return code_type_word(promo)


def last_moment(promo: PromoCode) -> datetime:
    """Of a code without an end: the last day there is."""
    return timezone.localtime(promo.expires_at or LAST_MOMENT)


def code_type_word(promo: PromoCode) -> str:
    """In the words of the pages of promo codes."""
    kind = PromoCode.CodeType
    words = {kind.USER_SPECIFIC: "ASSIGNED", kind.FIRST_ORDER: "PUBLIC"}
    return words.get(kind(promo.code_type), promo.code_type)


class PromoFiguresSerializer(serializers.Serializer):
    total_promos = serializers.IntegerField()
    active_promos = serializers.IntegerField()
    expired_promos = serializers.IntegerField()
    total_usage = serializers.IntegerField()
    total_discount_given = RupeesField(help_text="to bookings, cancelled ones included")


class PromoUseSerializer(serializers.ModelSerializer):
    """A booking that was paid with a promo code: what it cost before, and what the code took off."""

    promo_code = serializers.SerializerMethodField()
    used_at = serializers.DateTimeField(source="created_at", read_only=True)
    order_amount = RupeesField(source="checkout.price_paise")
    discount_amount = RupeesField(source="checkout.discount_paise")
    order_id = serializers.CharField(source="book_id", read_only=True)

    class Meta:
        model = Booking
        fields = ("id", "promo_code", "used_at", "order_amount", "discount_amount", "order_id")

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
    def get_promo_code(self, booking: Booking) -> dict[str, str]:
        checkout = booking.checkout
        return {"code": checkout.promo_code_text, "description": checkout.promo_description}


class PromoQuestionSerializer(serializers.Serializer):
    code = serializers.CharField(max_length=30)
    order_amount = serializers.DecimalField(
        required=False,
        max_digits=9,
        decimal_places=2,
        min_value=0,
        help_text="rupees; without it, the price of the ACTIVE cart",
    )


class PromoVerdictSerializer(serializers.Serializer):
    valid = serializers.BooleanField()
    message = serializers.CharField()
    user_message = serializers.CharField(help_text="the same in the language of the reader")
    discount_amount = serializers.FloatField(help_text="rupees, as a number: the page subtracts it")
    promo = CustomerPromoSerializer(allow_null=True)


def agreed_cart(checkout: Checkout) -> dict[str, Any]:
    """What the customer agreed to at checkout, in the shape of their cart."""
    start, promo = timezone.localtime(checkout.starts_at), checkout.agreed_promo
    # A code that does not count is left out of the checkout.
    counts = {"is_valid": True, "validity_message": ""}
    return {
        "puja_service": PujaServiceSerializer(checkout.agreed_service).data,
        "package": PackageSerializer(checkout.agreed_package).data,
        "selected_date": start.date().isoformat(),
        "selected_time": f"{start:%H:%M}",
        "promo_code": PromoCodeSerializer(promo).data | counts if promo else None,
        **{name: getattr(checkout, name) for name in DEVOTEE_FIELDS},
    }


class CartSerializer(serializers.ModelSerializer):
    puja_service = PujaServiceSerializer(read_only=True)
    package = PackageSerializer(read_only=True)
    astrology_service = serializers.JSONField(read_only=True, default=None, help_text="we sell pujas only")
    selected_time = HourField()
    promo_code = PromoCodeSerializer(read_only=True, allow_null=True)
    status = serializers.SerializerMethodField()
    total_price = serializers.CharField(read_only=True)
    can_delete = serializers.SerializerMethodField()

    class Meta:
        model = Cart
        fields = (
            "id",
            "cart_id",
            "user",
            "service_type",
            "puja_service",
            "package",
            "astrology_service",
            "selected_date",
            "selected_time",
            "promo_code",
            "status",
            "created_at",
            "updated_at",
            "total_price",
            "can_delete",
            *DEVOTEE_FIELDS,
        )

    def to_representation(self, cart: Cart) -> dict[str, Any]:
        package_price(cart)
        wire = super().to_representation(cart)
        if checkout := _find_agreed_checkout(cart):
            return wire | agreed_cart(checkout) | {"total_price": rupees(checkout.total_paise)}
        price = calculate_price(cart)
        if wire["promo_code"]:
            wire["promo_code"] |= {"is_valid": not price.problem, "validity_message": price.problem}
        return wire | {"total_price": rupees(price.total_paise)}

    @extend_schema_field(serializers.ChoiceField(choices=["ACTIVE", "CONVERTED", "ABANDONED"]))
    def get_status(self, cart: Cart) -> str:
        """The frontend shows ACTIVE carts only, and Back from the payment page must find this one."""
        return "ACTIVE" if cart.status == Cart.Status.CHECKED_OUT else cart.status

    def get_can_delete(self, cart: Cart) -> bool:
        return cart.status == Cart.Status.ACTIVE


def _find_agreed_checkout(cart: Cart) -> Checkout | None:
    """The checkout that froze this cart. Goes over the rows in memory: a list of carts prefetches them."""
    state = FREEZING.get(cart.status)
    return next((row for row in cart.checkouts.all() if row.state == state), None) if state else None


class CartChoiceSerializer(serializers.Serializer):
    """What a person may say about a cart. Ids are looked up by the service, which also knows what fits."""

    service_type = serializers.ChoiceField(choices=Cart.ServiceType.choices, default=Cart.ServiceType.PUJA)
    puja_service = serializers.IntegerField(min_value=1)
    package_id = serializers.IntegerField(min_value=1)
    selected_date = serializers.DateField(
        error_messages={"invalid": _("Give the date as YYYY-MM-DD, for example 2026-01-31.")}
    )
    selected_time = serializers.TimeField(
        input_formats=TIME_SPELLINGS,
        error_messages={"invalid": _("Give the time as HH:MM, for example 16:30 or 04:30 PM.")},
    )
    promo_code = serializers.CharField(max_length=30, required=False, allow_blank=True, allow_null=True)
    devotee_names = serializers.CharField(
        max_length=500, required=False, allow_blank=True, validators=[plain_text], help_text="for whom it is"
    )
    gotra = LineField(max_length=60, required=False, allow_blank=True)
    nakshatra = LineField(max_length=60, required=False, allow_blank=True)
    people = serializers.IntegerField(min_value=1, max_value=MOST_PEOPLE, required=False, allow_null=True)
    wishes = serializers.CharField(
        max_length=500, required=False, allow_blank=True, validators=[plain_text], help_text="to the priest"
    )

    def validate_selected_time(self, start: time) -> time:
        if start.second:
            raise serializers.ValidationError(_("A puja starts on a whole minute, for example 16:30."))
        return start

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.pop("service_type", None)  # there is one kind
        return attrs


class PromoChoiceSerializer(serializers.Serializer):
    promo_code = serializers.CharField(max_length=30)


class MessageSerializer(serializers.Serializer):
    message = serializers.CharField()


class CartDeletedSerializer(MessageSerializer):
    deleted_cart_id = serializers.IntegerField()


class DeletionStatusSerializer(serializers.Serializer):
    can_delete = serializers.BooleanField()
    wait_minutes = serializers.IntegerField()
    can_cleanup = serializers.BooleanField()


# --- Booking -----------------------------------------------------------------------------------


class BookedCartSerializer(serializers.Serializer):
    """The cart of a booking, from the Checkout: the catalogue may have changed since."""

    id = serializers.IntegerField()
    cart_id = serializers.UUIDField()
    service_type = serializers.CharField()
    puja_service = PujaServiceSerializer()
    package = PackageSerializer()
    selected_date = serializers.DateField()
    selected_time = HourField()
    promo_code = PromoCodeSerializer(allow_null=True)
    total_price = RupeesField()

    def to_representation(self, checkout: Checkout) -> dict[str, Any]:
        cart = checkout.cart
        return {
            "id": cart.pk,
            "cart_id": str(cart.cart_id),
            "service_type": cart.service_type,
            **agreed_cart(checkout),
            "total_price": rupees(checkout.total_paise),
        }


class AgreedAddressField(serializers.JSONField):
    """The address of a Checkout; null when the customer had none."""

    def to_representation(self, address: Address) -> Any:  # type: ignore[override]
        return AddressSerializer(address).data


class BookingSerializer(serializers.ModelSerializer):
    user = PersonSerializer(read_only=True)
    cart = BookedCartSerializer(source="checkout", read_only=True)
    selected_date = serializers.DateField(read_only=True)
    selected_time = HourField()
    address = AgreedAddressField(source="checkout.agreed_address", read_only=True)
    total_amount = RupeesField(source="checkout.total_paise")

    class Meta:
        model = Booking
        fields: tuple[str, ...] = (
            "id",
            "book_id",
            "user",
            "cart",
            "selected_date",
            "selected_time",
            "starts_at",
            "address",
            "status",
            "total_amount",
            "cancellation_reason",
            "moved_because",
            "choose_until",
            "created_at",
            "updated_at",
        )
