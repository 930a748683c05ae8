"""The shapes of the desk's routes: what today's admin pages read, and what their forms send."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError as Invalid
from django.db import transaction
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field

from accounts.models import User
from booking.fields import LAST_MOMENT
from booking.filters import LARGEST_ID
from booking.models import CataloguePicture, Package, PromoCode, PujaCategory, PujaService
from booking.models.catalogue import LEAST_PAISE
from booking.models.promo_codes import CODE_LETTERS
from booking.serializers import PackageSerializer, PujaServiceSerializer, code_type_word, last_moment
from booking.services import pictures
from booking.services.prices import end_prices_in_force
from booking.services.promo_codes import LONGEST_PREFIX, MOST_AT_ONCE
from core import serializers
from core.money import rupees
from core.texts import plain_line

MOST_PEOPLE = 100
LARGEST_LIMIT = 2_147_483_647
# The columns of a code, in the words of the form that a refusal is shown beside.
PROMO_NAMES = {
    "percent": "discount",
    "amount_paise": "discount",
    "min_order_paise": "min_order_amount",
    "max_discount_paise": "max_discount_amount",
    "starts_at": "start_date",
    "expires_at": "expiry_date",
}


def refused(error: Invalid, names: dict[str, str]) -> serializers.ValidationError:
    """What the model refuses, at the names of the wire."""
    by_column = error.message_dict if hasattr(error, "error_dict") else {"__all__": error.messages}
    return serializers.ValidationError({names.get(name, name): found for name, found in by_column.items()})


class WrittenRupees(serializers.DecimalField):
    """Rupees, or a percentage, that staff write as text or as a number."""

    def __init__(self, least: str = "0", **kwargs: Any) -> None:
        self.least = Decimal(least)
        super().__init__(max_digits=9, decimal_places=2, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """Validators would see what the row keeps, not what was written."""
        amount = super().to_internal_value(data)
        if amount < self.least:
            least = _("Give at least {least}.")
            raise serializers.ValidationError(format_lazy(least, least=self.least))
        return amount


@extend_schema_field({"type": "string", "example": "1100.00", "description": "rupees", "nullable": True})
class AmountField(WrittenRupees):
    """Paise of the row."""

    def to_internal_value(self, data: Any) -> Any:
        return int(super().to_internal_value(data) * 100)

    def to_representation(self, paise: Any) -> Any:
        return rupees(paise) if paise else None


@extend_schema_field({"type": "string", "example": "10.00", "description": "percent or rupees"})
class DiscountField(WrittenRupees):
    """The percent or the rupees of a code, as its `discount_type` says: two columns of the row."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(least="0.01", source="*", **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return {"discount": super().to_internal_value(data)}

    def to_representation(self, promo: Any) -> Any:
        return f"{promo.percent}.00" if promo.percent else rupees(promo.amount_paise or 0)


def discount_columns(fields: dict[str, Any], discount_type: str) -> dict[str, Any]:
    """`discount` as two columns of the row, of which one is empty."""
    discount: Decimal = fields.pop("discount")
    if discount_type == PromoCode.DiscountType.FIXED:
        return fields | {"percent": None, "amount_paise": int(discount * 100)}
    if discount != discount.to_integral_value() or not 1 <= discount <= 100:
        raise serializers.ValidationError({"discount": [_("Give a whole percentage from 1 to 100.")]})
    return fields | {"percent": int(discount), "amount_paise": None}


class DeskPromoSerializer(serializers.ModelSerializer[PromoCode]):
    """A code at the desk, with its uses by everybody: the row of the list, and what the form sends.

    `code_type` has the words of that form. A code for a first order reads as PUBLIC there, and stays what it is when it
    comes back so.
    """

    changing_by_itself = frozenset({"updated_at", "usage_count"})

    code = serializers.RegexField(CODE_LETTERS, max_length=30)
    description = serializers.CharField(
        max_length=200, required=False, allow_blank=True, validators=[plain_line]
    )
    discount = DiscountField()
    discount_type = serializers.ChoiceField(PromoCode.DiscountType.choices)
    min_order_amount = AmountField(source="min_order_paise", required=False, allow_null=True)
    max_discount_amount = AmountField(source="max_discount_paise", required=False, allow_null=True)
    start_date = serializers.DateTimeField(source="starts_at", required=False)
    expiry_date = serializers.DateTimeField(source="expires_at", required=False, allow_null=True)
    usage_limit = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=LARGEST_LIMIT
    )
    usage_count = serializers.IntegerField(source="used_count", read_only=True)
    code_type = serializers.ChoiceField(("PUBLIC", "PRIVATE", "ASSIGNED", "SERVICE_SPECIFIC"))
    is_active = serializers.BooleanField(required=False)
    service_type = serializers.ChoiceField(("puja", "both", "astrology"), required=False, allow_null=True)
    assigned_users = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID),
        max_length=MOST_PEOPLE,
        required=False,
        write_only=True,
        help_text="ids of accounts; the form has no such field: whoever is sent the code is added",
    )

    class Meta:
        model = PromoCode
        fields = (
            *("id", "code", "description", "discount", "discount_type"),
            *("min_order_amount", "max_discount_amount", "start_date", "expiry_date", "usage_limit"),
            *("usage_count", "code_type", "is_active", "service_type", "created_at", "updated_at"),
            "assigned_users",
        )

    def to_representation(self, promo: PromoCode) -> dict[str, Any]:
        return super().to_representation(promo) | {
            "code_type": code_type_word(promo),
            "expiry_date": last_moment(promo).isoformat(),
            "service_type": "puja",
        }

    def validate_service_type(self, word: str | None) -> str | None:
        if word == "astrology":
            raise serializers.ValidationError(_("We sell pujas only: choose puja."))
        return word

    def validate_assigned_users(self, ids: list[int]) -> list[User]:
        people = [*User.objects.filter(pk__in=ids)]
        if len(people) < len({*ids}):
            raise serializers.ValidationError(_("One of these accounts does not exist."))
        return people

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The columns of the row, and `people`."""
        fields = {name: value for name, value in attrs.items() if name != "service_type"}
        promo: Any = self.instance
        if (ends := fields.get("expires_at")) and ends > LAST_MOMENT - timedelta(days=1):
            fields["expires_at"] = None  # as a code without an end is shown
        if "min_order_paise" in fields:
            fields["min_order_paise"] = fields["min_order_paise"] or 0
        if "code_type" in fields:
            kind, word = PromoCode.CodeType, fields.pop("code_type")
            if promo is None or code_type_word(promo) != word:
                words = {"ASSIGNED": kind.USER_SPECIFIC, "SERVICE_SPECIFIC": kind.PUBLIC}  # all are for pujas
                fields["code_type"] = words.get(word, word)
        if "assigned_users" in fields:
            fields["people"] = fields.pop("assigned_users")
        if "discount" in fields:
            return discount_columns(fields, fields.get("discount_type") or promo.discount_type)
        if promo is not None and fields.get("discount_type", promo.discount_type) != promo.discount_type:
            raise serializers.ValidationError({"discount": [_("Give the discount as well.")]})
        return fields


class BulkPromoSerializer(serializers.Serializer[Any]):
    discount = DiscountField()
    discount_type = serializers.ChoiceField(PromoCode.DiscountType.choices)
    prefix = serializers.RegexField(CODE_LETTERS, max_length=LONGEST_PREFIX)
    count = serializers.IntegerField(min_value=1, max_value=MOST_AT_ONCE)
    expiry_date = serializers.DateTimeField(source="expires_at", required=False, allow_null=True)
    usage_limit = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=LARGEST_LIMIT, help_text="of each code"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return discount_columns(attrs, attrs["discount_type"])


class BulkPromosSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()
    user_message = serializers.CharField()
    count = serializers.IntegerField()
    codes = serializers.ListField(child=serializers.CharField())


class DeskServiceSerializer(PujaServiceSerializer):
    image = serializers.FileField(
        required=False,
        allow_empty_file=True,
        max_length=255,
        write_only=True,
        help_text="JPEG, PNG, WEBP, GIF",
    )

    class Meta:
        model = PujaService
        fields = (*PujaServiceSerializer.Meta.fields, "position", "image")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Draws the picture before anything is written."""
        if (file := attrs.pop("image", None)) is not None:
            attrs["picture"] = pictures.draw(file.name or "", file.read(), "image")
        return attrs

    def create(self, fields: dict[str, Any]) -> PujaService:
        picture, service = fields.pop("picture", None), PujaService(**fields)
        return self._save(service, picture)

    def update(self, service: PujaService, fields: dict[str, Any]) -> PujaService:
        picture = fields.pop("picture", None)
        for name, value in fields.items():
            setattr(service, name, value)
        return self._save(service, picture)

    @transaction.atomic
    def _save(self, service: PujaService, picture: CataloguePicture | None) -> PujaService:
        if picture is not None:
            pictures.show(service, picture)
        service.save()
        return service


class DeskPackageSerializer(PackageSerializer):
    price = AmountField(  # type: ignore[assignment]
        least=rupees(LEAST_PAISE), source="price_now", help_text="rupees; a change counts from now on"
    )

    class Meta:
        model = Package
        fields = (*PackageSerializer.Meta.fields, "position")

    def create(self, fields: dict[str, Any]) -> Package:
        price = fields.pop("price_now")
        return super().create({**fields, "price_paise": price})

    @transaction.atomic
    def update(self, package: Package, fields: dict[str, Any]) -> Package:
        price, before = fields.pop("price_now", None), package.price_now
        if price is None or price == before:
            return super().update(package, fields)
        changed = super().update(package, fields | {"price_paise": price})
        end_prices_in_force(changed)
        return changed


class DeskCategorySerializer(serializers.ModelSerializer[PujaCategory]):
    class Meta:
        model = PujaCategory
        fields = ("id", "name", "created_at", "updated_at", "name_hi", "position")
