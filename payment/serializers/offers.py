"""Request and answer of an offer: other slots for a payment that came too late."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field

from booking.filters import LARGEST_ID
from booking.serializers import RupeesField, SlotSerializer
from core import serializers
from payment.models import Offer
from payment.serializers.sentences import message
from payment.services.offers import slots_to_choose


class ChoiceRequest(serializers.Serializer[Any]):
    """One of the places by its id, or `decline`: then the money goes back."""

    slot = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    decline = serializers.BooleanField(default=False)

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        if ("slot" in fields) == fields["decline"]:
            raise serializers.ValidationError({"slot": [_("Choose one of the times, or decline.")]})
        return fields


class OfferSerializer(serializers.ModelSerializer[Offer]):
    """Without a word about the person: the link may have been passed on."""

    payment_id = serializers.IntegerField()
    amount = RupeesField(source="payment.amount_paise")
    because = serializers.ChoiceField(choices=Offer.Because.choices, read_only=True)
    puja = serializers.CharField(source="payment.checkout.puja_title")
    puja_hi = serializers.CharField(source="payment.checkout.puja_title_hi")
    paid_for = serializers.DateTimeField(source="payment.checkout.starts_at")
    message = serializers.SerializerMethodField()
    places = serializers.SerializerMethodField()
    booking_id = serializers.CharField(
        source="payment.checkout.booking.book_id", allow_null=True, default=None
    )
    starts_at = serializers.DateTimeField(
        source="payment.checkout.booking.starts_at", allow_null=True, default=None, help_text="as booked now"
    )

    class Meta:
        model = Offer
        fields = (
            *("payment_id", "state", "because", "expires_at", "amount", "puja", "puja_hi", "paid_for"),
            *("message", "places", "booking_id", "starts_at"),
        )

    def get_message(self, offer: Offer) -> str:
        return message(offer.payment)

    @extend_schema_field(SlotSerializer(many=True))
    def get_places(self, offer: Offer) -> list[dict[str, Any]]:
        return list(SlotSerializer(slots_to_choose(offer.payment), many=True).data)
