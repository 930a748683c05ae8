"""What a customer may still change about a booking: to look at, and the requests."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field

from booking.calendar_files import place_of
from booking.filters import LARGEST_ID
from booking.models import Booking
from booking.serializers import RupeesField, SlotSerializer
from core import serializers
from core.language import ENGLISH, in_both_languages
from core.texts import plain_text
from payment.serializers.bookings import ShownStatusField
from payment.serializers.sentences import cancellation_sentence
from payment.services.booking_changes import (
    cancellation_now,
    find_move_problem,
    has_any_time,
    latest_move,
    map_url,
    moves_left,
    times_to_move,
)
from payment.services.links import SHARED_CALENDAR, calendar_url, change_url


class MoveRequest(serializers.Serializer[Any]):
    """One of the times by its id; for a puja without slots, any start within the opening hours."""

    slot = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    starts_at = serializers.DateTimeField(required=False)

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        if len(fields) != 1:
            raise serializers.ValidationError({"slot": [_("Choose one time.")]})
        return fields


class CancelByLinkRequest(serializers.Serializer[Any]):
    cancellation_reason = serializers.CharField(
        max_length=500, required=False, default="", allow_blank=True, validators=[plain_text]
    )


class CancellationSerializer(serializers.Serializer[Any]):
    is_possible = serializers.BooleanField()
    refund = RupeesField(help_text="what goes back if it is cancelled now")
    paid = RupeesField(help_text="what is left of the payment")
    until = serializers.DateTimeField(
        allow_null=True, help_text="after it, less goes back; null: it does not change"
    )
    message = serializers.CharField()
    user_message = serializers.CharField(help_text="the same in the language of the reader")


class MoveSerializer(serializers.Serializer[Any]):
    is_possible = serializers.BooleanField()
    left = serializers.IntegerField(help_text="how often it can still be moved")
    until = serializers.DateTimeField(help_text="until when it can be moved")
    times = SlotSerializer(many=True)
    any_time = serializers.BooleanField(
        help_text="the puja has no slots: `starts_at` within the opening hours"
    )
    message = serializers.CharField(help_text="why it is not possible, or empty")
    user_message = serializers.CharField(help_text="the same in the language of the reader")


class BookingChangesSerializer(serializers.Serializer[Booking]):
    """Without a word about the person: the link may have been passed on."""

    book_id = serializers.CharField()
    status = ShownStatusField()
    puja = serializers.CharField(source="checkout.puja_title")
    puja_hi = serializers.CharField(source="checkout.puja_title_hi")
    starts_at = serializers.DateTimeField()
    place = serializers.CharField(source="checkout.package_location")
    place_hi = serializers.CharField(source="checkout.package_location_hi")
    preparation = serializers.CharField(source="checkout.puja_service.preparation", help_text="HTML")
    preparation_hi = serializers.CharField(source="checkout.puja_service.preparation_hi", help_text="HTML")
    cancellation = serializers.SerializerMethodField()
    move = serializers.SerializerMethodField()
    calendar_url = serializers.SerializerMethodField()

    @extend_schema_field(CancellationSerializer)
    def get_cancellation(self, booking: Booking) -> dict[str, Any]:
        cancellation = cancellation_now(booking)
        about: dict[str, Any] = {
            "is_possible": cancellation is not None,
            "refund": cancellation.refund_paise if cancellation else 0,
            "paid": cancellation.paid_paise if cancellation else 0,
            "until": cancellation.until if cancellation else None,
        }
        sentence = cancellation_sentence(cancellation)
        about |= in_both_languages(self.context["request"], sentence)
        return CancellationSerializer(about).data

    @extend_schema_field(MoveSerializer)
    def get_move(self, booking: Booking) -> dict[str, Any]:
        problem = find_move_problem(booking)
        times = [] if problem else times_to_move(booking)
        sentence = problem.message if problem else ""
        about = {
            "is_possible": problem is None,
            "left": moves_left(booking),
            "until": latest_move(booking),
            "times": times,
            "any_time": problem is None and not times and has_any_time(booking),
            **in_both_languages(self.context["request"], sentence),
        }
        return MoveSerializer(about).data

    def get_calendar_url(self, booking: Booking) -> str:
        return calendar_url(booking, SHARED_CALENDAR)


class OwnBookingChangesSerializer(BookingChangesSerializer):
    """For its owner: also the link that lets others change it, and the address with a map."""

    change_url = serializers.SerializerMethodField()
    address = serializers.SerializerMethodField()
    map_url = serializers.SerializerMethodField()

    def get_calendar_url(self, booking: Booking) -> str:
        return calendar_url(booking)

    def get_change_url(self, booking: Booking) -> str:
        return change_url(booking)

    def get_address(self, booking: Booking) -> str:
        return place_of(booking, ENGLISH)

    def get_map_url(self, booking: Booking) -> str:
        return map_url(booking)
