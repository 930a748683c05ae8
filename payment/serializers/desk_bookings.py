"""A booking as today's admin pages list it: a flat row, whose words and numbers stand as they are printed."""

from datetime import date, timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.serializers import PersonSerializer, PhoneField
from booking.calendar_files import place_of
from booking.filters import LARGEST_ID
from booking.models import Assignment, Booking
from booking.serializers import HourField, RupeesField
from booking.services.carts import FURTHEST
from core import serializers
from core.language import ENGLISH
from core.texts import plain_line, plain_text
from payment.serializers.bookings import BOOKING_STATUSES, bookings_for_wire
from payment.serializers.payments import wire_status
from payment.services.booking_status import REJECTED

DESK_STATUSES = (*BOOKING_STATUSES, REJECTED)
PRIESTS = Prefetch(
    "assignments",
    Assignment.objects.filter(freed_at=None).select_related("priest").order_by("pk"),
    to_attr="performed_by",
)


def desk_status(booking: Booking) -> str:
    """PENDING: its time was called off, and its customer chooses. REJECTED: the temple cancelled it."""
    if booking.choose_until:
        return "PENDING"
    if booking.status == Booking.Status.CANCELLED and booking.rejected:
        return REJECTED
    return booking.status


def desk_rows(bookings: QuerySet[Booking]) -> QuerySet[Booking]:
    """Loads all that a row reads, by three queries."""
    return bookings_for_wire(bookings).prefetch_related(PRIESTS)


class SumField(RupeesField):
    """null for staff who may not see payments: `sees_money` of the context."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_representation(self, paise: int) -> Any:
        return super().to_representation(paise) if self.context["sees_money"] else None


class PerformedSerializer(serializers.Serializer[Booking]):
    """Of bookings with PRIESTS. The id is that of an account: some priests have none."""

    assigned_to = serializers.SerializerMethodField()
    assigned_to_name = serializers.SerializerMethodField(help_text="all of its priests; null: nobody yet")

    def get_assigned_to(self, booking: Any) -> int | None:
        accounts = (each.priest.user_id for each in booking.performed_by if each.priest.user_id)
        return next(accounts, None)

    def get_assigned_to_name(self, booking: Any) -> str | None:
        return ", ".join(each.priest.name for each in booking.performed_by) or None


class DeskBookingSerializer(PerformedSerializer, serializers.ModelSerializer[Booking]):
    """Of `desk_rows`. Names are repeated: each page looks for another one first."""

    user = PersonSerializer(read_only=True)
    user_name = serializers.CharField(source="user.username", read_only=True)
    user_email = serializers.CharField(source="user.email", read_only=True)
    user_phone = PhoneField(source="user.phone", read_only=True)
    service_title = serializers.CharField(source="checkout.puja_title", read_only=True)
    package_name = serializers.CharField(source="checkout.package_type", read_only=True)
    total_amount = SumField(source="checkout.total_paise")
    address_full = serializers.SerializerMethodField(help_text="never empty, and never an object")
    selected_date = serializers.DateField(read_only=True)
    selected_time = HourField()
    status = serializers.SerializerMethodField()
    payment_status = serializers.SerializerMethodField()
    payment_method = serializers.SerializerMethodField()
    transaction_id = serializers.CharField(source="checkout.payment.reference", read_only=True, default="")
    description = serializers.CharField(source="checkout.package_description", read_only=True)
    special_request = serializers.CharField(source="checkout.wishes", read_only=True)
    devotee_name = serializers.CharField(source="checkout.devotee_names", read_only=True)
    gotra = serializers.CharField(source="checkout.gotra", read_only=True)
    city = serializers.CharField(source="checkout.address_city", read_only=True)
    state = serializers.CharField(source="checkout.address_state", read_only=True)
    pincode = serializers.CharField(source="checkout.address_postal_code", read_only=True)

    class Meta:
        model = Booking
        fields = (
            *("id", "book_id", "user", "user_name", "user_email", "user_phone"),
            *("service_title", "package_name", "total_amount", "address_full"),
            *("selected_date", "selected_time", "starts_at", "status", "cancellation_reason"),
            *("assigned_to", "assigned_to_name"),
            *("payment_status", "payment_method", "transaction_id"),
            *("description", "special_request", "devotee_name", "gotra", "city", "state", "pincode"),
            *("created_at", "updated_at"),
        )

    def get_address_full(self, booking: Booking) -> str:
        return place_of(booking, ENGLISH) or "-"

    def get_status(self, booking: Booking) -> str:
        return desk_status(booking)

    def get_payment_status(self, booking: Booking) -> str:
        payment = getattr(booking.checkout, "payment", None)
        return wire_status(payment) if payment else ""

    def get_payment_method(self, booking: Booking) -> str:
        return "PhonePe" if getattr(booking.checkout, "payment", None) else ""


class StatusRequest(serializers.Serializer[Any]):
    """A reason for each word that ends a booking. CANCELLED is refunded by the policy, REJECTED in full."""

    status = serializers.ChoiceField([*Booking.Status.values, REJECTED])
    cancellation_reason = serializers.CharField(
        max_length=200, required=False, allow_blank=True, validators=[plain_text]
    )
    rejection_reason = serializers.CharField(
        max_length=200, required=False, allow_blank=True, validators=[plain_text]
    )

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("status"), str):
            data = {**data, "status": data["status"].upper()}
        return super().to_internal_value(data)

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        named = {Booking.Status.CANCELLED: "cancellation_reason", REJECTED: "rejection_reason"}
        name = named.get(fields["status"], "")
        reason = fields.get(name, "").strip()
        if name and not reason:
            raise serializers.ValidationError({name: [_("Give the reason: the customer is told it.")]})
        return {"status": fields["status"], "reason": reason}


class RescheduleRequest(serializers.Serializer[Any]):
    selected_date = serializers.DateField()
    selected_time = serializers.TimeField()
    reason = serializers.CharField(max_length=200, validators=[plain_line])

    def validate_selected_date(self, day: date) -> date:
        """Before it becomes a moment: a database does not know every one."""
        today = timezone.localdate()
        if not today <= day <= today + FURTHEST + timedelta(days=1):
            raise serializers.ValidationError(_("Choose a day from today on, at most one year ahead."))
        return day


class AssignRequest(serializers.Serializer[Any]):
    """`assigned_to` or `assigned_to_id`: each page sends another one."""

    assigned_to = serializers.IntegerField(
        required=False, min_value=0, max_value=LARGEST_ID, help_text="an account; 0: nobody"
    )
    assigned_to_id = serializers.IntegerField(required=False, min_value=0, max_value=LARGEST_ID)
    assignment_notes = serializers.CharField(
        max_length=1_000, required=False, allow_blank=True, validators=[plain_text]
    )

    def validate(self, fields: dict[str, Any]) -> dict[str, Any]:
        accounts = {fields[name] for name in ("assigned_to", "assigned_to_id") if name in fields}
        if len(accounts) != 1:
            raise serializers.ValidationError(
                {"assigned_to": [_("Choose somebody from the list of employees.")]}
            )
        return {"account": accounts.pop(), "note": fields.get("assignment_notes", "").strip()}


class EmployeeSerializer(serializers.ModelSerializer[User]):
    """An account to which a booking can be given. Its page leaves out who has the role USER."""

    username = serializers.SerializerMethodField()
    phone = PhoneField(read_only=True)
    role = serializers.SerializerMethodField()
    is_active = serializers.BooleanField(read_only=True)

    class Meta:
        model = User
        fields = ("id", "email", "username", "phone", "first_name", "last_name", "role", "is_active")

    def get_username(self, person: User) -> str:
        priest = getattr(person, "priest", None)
        return priest.name if priest else person.username

    def get_role(self, person: User) -> str:
        return User.Role.EMPLOYEE if person.role == User.Role.USER else person.role


class DeskChangeSerializer(serializers.Serializer[Any]):
    """`message` says what was done, or what waits for a second person."""

    success = serializers.BooleanField()
    message = serializers.CharField()
    user_message = serializers.CharField()
    booking = DeskBookingSerializer()


class OverviewSerializer(serializers.Serializer[Any]):
    total_bookings = serializers.IntegerField()
    confirmed_bookings = serializers.IntegerField()
    completed_bookings = serializers.IntegerField()
    pending_bookings = serializers.IntegerField()
    cancelled_bookings = serializers.IntegerField()
    rejected_bookings = serializers.IntegerField()
    failed_bookings = serializers.IntegerField(help_text="always 0: what is not paid becomes no booking")
    assigned_bookings = serializers.IntegerField()
    unassigned_bookings = serializers.IntegerField(help_text="not cancelled, and without a priest")
    today_bookings = serializers.IntegerField()
    overdue_bookings = serializers.IntegerField(help_text="begun, and not completed yet")
    active_employees = serializers.IntegerField(help_text="priests with an account")
    active_services = serializers.IntegerField()
    total_revenue = SumField(help_text="came for these bookings, less what went back, by the ledger")
    average_booking_value = SumField()


class RecentBookingSerializer(PerformedSerializer):
    id = serializers.IntegerField()
    book_id = serializers.CharField()
    user_name = serializers.CharField(source="user.username")
    service_title = serializers.CharField(source="checkout.puja_title")
    selected_date = serializers.DateField()
    selected_time = HourField()
    total_amount = SumField(source="checkout.total_paise")
    status = serializers.SerializerMethodField()
    is_overdue = serializers.SerializerMethodField()
    booking_age = serializers.SerializerMethodField(help_text="how long ago it was made, in words")

    def get_status(self, booking: Booking) -> str:
        return desk_status(booking)

    def get_is_overdue(self, booking: Booking) -> bool:
        return booking.status == Booking.Status.CONFIRMED and booking.starts_at < timezone.now()

    def get_booking_age(self, booking: Booking) -> str:
        return age_in_words(timezone.now() - booking.created_at)


class DashboardSerializer(serializers.Serializer[Any]):
    """`data` and its content beside it: each page reads the other one."""

    overview = OverviewSerializer()
    recent_bookings = RecentBookingSerializer(many=True)


class ReportQuestion(serializers.Serializer[Any]):
    report_type = serializers.ChoiceField(("revenue", "performance", "assignments"), default="revenue")
    start_date = serializers.DateField(required=False)
    end_date = serializers.DateField(required=False)


class DashboardQuestion(serializers.Serializer[Any]):
    days = serializers.IntegerField(required=False, min_value=1, max_value=3_660)


def age_in_words(age: timedelta) -> str:
    """In English: the pages are."""
    if age.days:
        return f"{age.days} day{'s' * (age.days != 1)}"
    hours = age.seconds // 3_600
    return f"{hours} hour{'s' * (hours != 1)}" if hours else f"{age.seconds // 60} min"
