"""Requests about refunds, and their representation."""

from typing import Any

from django.utils import timezone

from accounts.serializers import LineField
from booking.serializers import RupeesField
from core import serializers
from core.dates import spell_date
from core.language import ENGLISH
from payment.models import Refund
from payment.states import RefundState

ARRANGED = "Your refund is arranged. It will reach you by {by}."
UNDER_WAY = "Your refund is on its way through the banks. It will reach you by {by}."
LATE = "Your refund takes longer than promised. We keep asking; nothing is lost."
SENTENCES = {
    RefundState.WAITING: ARRANGED,
    RefundState.CREATED: ARRANGED,
    RefundState.UNKNOWN: UNDER_WAY,
    RefundState.PENDING: UNDER_WAY,
    RefundState.CONFIRMED: UNDER_WAY,
    RefundState.COMPLETED: "Your refund has been credited to where you paid from.",
    RefundState.FAILED: "This try did not reach your bank. Another one takes its place.",
}


class RefundRequest(serializers.Serializer[Any]):
    amount = serializers.DecimalField(
        required=False,
        max_digits=9,
        decimal_places=2,
        min_value=1,
        help_text="rupees; without it all that is left",
    )
    reason = LineField(max_length=150)


class ResolveRequest(serializers.Serializer[Any]):
    action = serializers.ChoiceField(choices=["refund", "book", "stop_waiting"])
    reason = LineField(max_length=150, required=False, help_text="needed to stop waiting")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["action"] == "stop_waiting" and not attrs.get("reason"):
            raise serializers.ValidationError({"reason": ["Say why nobody waits for this payment any more."]})
        return attrs


class RefundSerializer(serializers.ModelSerializer[Refund]):
    refund_id = serializers.CharField(source="merchant_refund_id")
    payment_id = serializers.IntegerField()
    amount = RupeesField(source="amount_paise")
    status = serializers.ChoiceField(source="state", choices=RefundState.choices)
    waits_for = serializers.ChoiceField(source="held_because", choices=Refund.Hold.choices)
    message = serializers.SerializerMethodField()

    class Meta:
        model = Refund
        fields = (
            *("id", "refund_id", "payment_id", "amount", "status", "waits_for", "reason", "message"),
            *("expected_by", "utr", "created_at", "decided_at"),
        )

    def get_message(self, refund: Refund) -> str:
        if refund.held_because == Refund.Hold.SECOND_PERSON:
            return "A second person must approve this refund."
        is_open = refund.state not in (RefundState.COMPLETED, RefundState.FAILED)
        if is_open and refund.expected_by and refund.expected_by < timezone.now():
            return LATE
        by = spell_date(refund.expected_by, ENGLISH) if refund.expected_by else "soon"
        sentence = SENTENCES[RefundState(refund.state)].format(by=by)
        return f"{sentence} The bank's reference: {refund.utr}." if refund.utr else sentence
