"""Request and answer of the closure of a slot."""

from typing import Any

from accounts.serializers import LineField
from booking.filters import LARGEST_ID
from core import serializers
from payment.services.slot_closure import Outcome


class CloseRequest(serializers.Serializer[Any]):
    then = serializers.ChoiceField(choices=["move", "refund"], help_text="what becomes of the bookings")
    to = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="another slot of the same puja; without it each booking goes to the nearest free one",
    )
    reason = LineField(max_length=150)

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields["then"] == "refund" and "to" in fields:
            raise serializers.ValidationError({"to": ["Who is refunded is not moved."]})
        return fields


class ClearedSerializer(serializers.Serializer[Any]):
    book_id = serializers.CharField(source="booking.book_id")
    result = serializers.ChoiceField(source="outcome.value", choices=[each.value for each in Outcome])
    starts_at = serializers.DateTimeField(source="booking.starts_at")
