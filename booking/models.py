"""What is sold, wanted, booked. Rows guard themselves by constraints; `booking.services` moves them."""

import secrets
import uuid
from datetime import date, datetime, time
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Address, User
from booking.agreed import AGREED_ADDRESS, AGREED_CATEGORY, AGREED_PACKAGE, AGREED_PROMO, AGREED_SERVICE
from booking.devotees import DevoteeDetails
from booking.feeds import CalendarFeed as CalendarFeed
from booking.fields import (
    FIRST_MOMENT,
    LAST_MOMENT,
    SENSIBLE_MOMENT,
    HtmlField,
    ImageAddressField,
    LineField,
    MinuteField,
    MinuteOfDayField,
    StartsOnTheMinute,
)
from booking.waiting import WaitingEntry as WaitingEntry
from core.dates import spell_moment
from core.texts import plain_line, plain_text

# PhonePe takes no order below one rupee.
LEAST_PAISE = 100
LEAST_MINUTES = 5
# Beside the English column: where it is empty, the English one is read (core.language.localized).
IN_HINDI: dict[str, Any] = {"blank": True, "default": "", "help_text": "in Hindi; empty: as in English"}
# Without I, L, O, U, 0 and 1: people read these aloud on the phone.
BOOK_ID_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"


# What a small integer column holds in PostgreSQL; SQLite would take more.
MOST = MaxValueValidator(32_767)
CODE_LETTERS = r"^[A-Z0-9_-]+$"


def make_book_id() -> str:
    """Unguessable, about 40 bits. A clash fails on the unique column, and the booking is tried again."""
    return "BK-" + "".join(secrets.choice(BOOK_ID_LETTERS) for _ in range(8))


class PujaCategory(models.Model):
    name = LineField(max_length=100, unique=True)
    name_hi = LineField(max_length=100, **IN_HINDI)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "puja categories"
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="category_has_a_name")]

    def __str__(self) -> str:
        return self.name


class PujaService(models.Model):
    class Type(models.TextChoices):
        HOME = "HOME"
        TEMPLE = "TEMPLE"
        ONLINE = "ONLINE"

    title = LineField(max_length=150, unique=True)
    title_hi = LineField(max_length=150, **IN_HINDI)
    image_url = ImageAddressField(max_length=500)
    description = HtmlField()
    description_hi = HtmlField(**IN_HINDI)
    preparation = HtmlField(blank=True, default="", help_text="what to have ready; after the payment")
    preparation_hi = HtmlField(**IN_HINDI)
    category = models.ForeignKey(PujaCategory, on_delete=models.PROTECT, related_name="services")
    type = models.CharField(max_length=10, choices=Type)
    duration_minutes = models.PositiveSmallIntegerField(validators=[MinValueValidator(LEAST_MINUTES), MOST])
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(condition=~Q(title=""), name="service_has_a_title"),
            models.CheckConstraint(
                condition=Q(duration_minutes__gte=LEAST_MINUTES), name="service_takes_five_minutes_or_more"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Package(models.Model):
    class Language(models.TextChoices):
        HINDI = "HINDI"
        ENGLISH = "ENGLISH"
        SANSKRIT = "SANSKRIT"
        REGIONAL = "REGIONAL"

    class PackageType(models.TextChoices):
        BASIC = "BASIC"
        STANDARD = "STANDARD"
        PREMIUM = "PREMIUM"
        CUSTOM = "CUSTOM"

    puja_service = models.ForeignKey(PujaService, on_delete=models.PROTECT, related_name="packages")
    location = LineField(max_length=100)
    location_hi = LineField(max_length=100, **IN_HINDI)
    language = models.CharField(max_length=10, choices=Language)
    package_type = models.CharField(max_length=10, choices=PackageType)
    price_paise = models.PositiveIntegerField()
    description = HtmlField()
    description_hi = HtmlField(**IN_HINDI)
    includes_materials = models.BooleanField(default=False)
    priest_count = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1), MOST])
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(price_paise__gte=LEAST_PAISE),
                name="package_costs_a_rupee_or_more",
                violation_error_message="A package costs at least ₹1.00.",
            ),
            models.CheckConstraint(condition=~Q(location=""), name="package_has_a_location"),
            models.CheckConstraint(condition=Q(priest_count__gte=1), name="package_has_a_priest"),
        ]

    def __str__(self) -> str:
        return f"{self.puja_service}: {self.package_type}, {self.language}, {self.location}"


class Slot(models.Model):
    """A start time with places. A service without any slots can start whenever we are open."""

    service = models.ForeignKey(PujaService, on_delete=models.PROTECT, related_name="slots")
    starts_at = MinuteField(validators=SENSIBLE_MOMENT)
    capacity = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1), MOST])
    held = models.PositiveSmallIntegerField(default=0, editable=False)
    booked = models.PositiveSmallIntegerField(default=0, editable=False)
    is_open = models.BooleanField(default=True)

    class Meta:
        ordering = ("starts_at", "id")
        constraints = [
            models.UniqueConstraint(fields=["service", "starts_at"], name="one_slot_per_start"),
            models.CheckConstraint(
                condition=Q(is_open=False) | Q(StartsOnTheMinute("starts_at")),
                name="open_slot_starts_on_the_minute",
                violation_error_message="A slot starts on a whole minute, for example 10:30.",
            ),
            models.CheckConstraint(condition=Q(capacity__gte=1), name="slot_has_a_place"),
            models.CheckConstraint(condition=Q(held__gte=0), name="slot_held_not_negative"),
            models.CheckConstraint(condition=Q(booked__gte=0), name="slot_booked_not_negative"),
            models.CheckConstraint(
                condition=Q(capacity__gte=F("held") + F("booked")), name="slot_never_over_capacity"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.service}, {spell_moment(self.starts_at)}"

    @property
    def available(self) -> int:
        return self.capacity - self.held - self.booked

    def clean(self) -> None:
        self._refuse_to_move_people()
        if self.capacity is not None and self.available < 0:
            taken = self.held + self.booked
            raise ValidationError({"capacity": f"{taken} places are taken: it cannot be less."})

    def _refuse_to_move_people(self) -> None:
        """A slot somebody has paid for, or pays for now, keeps its puja and its time."""
        before = Slot.objects.filter(pk=self.pk, holds__isnull=False).first()
        if before and (before.service_id, before.starts_at) != (self.service_id, self.starts_at):
            raise ValidationError("People have booked this time: close it, and open another one.")


class PromoCode(models.Model):
    class DiscountType(models.TextChoices):
        PERCENT = "PERCENT"
        FIXED = "FIXED"

    class CodeType(models.TextChoices):
        PUBLIC = "PUBLIC"
        PRIVATE = "PRIVATE", "Private: for whoever knows it"
        FIRST_ORDER = "FIRST_ORDER", "For the first order"
        USER_SPECIFIC = "USER_SPECIFIC", "For the assigned people"

    code = models.CharField(
        max_length=30,
        unique=True,
        validators=[RegexValidator(CODE_LETTERS, "Capital letters, digits, - and _ only.")],
    )
    description = models.CharField(max_length=200, blank=True, validators=[plain_line])
    code_type = models.CharField(max_length=15, choices=CodeType, default=CodeType.PUBLIC)
    assigned_users = models.ManyToManyField(User, blank=True, related_name="+")
    discount_type = models.CharField(max_length=10, choices=DiscountType)
    percent = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    amount_paise = models.PositiveIntegerField(null=True, blank=True)
    min_order_paise = models.PositiveIntegerField(default=0)
    max_discount_paise = models.PositiveIntegerField(null=True, blank=True)
    starts_at = models.DateTimeField(default=timezone.now, validators=SENSIBLE_MOMENT)
    expires_at = models.DateTimeField(null=True, blank=True, validators=SENSIBLE_MOMENT)
    usage_limit = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(2_147_483_647)]
    )
    # Their sum may pass the limit: money that came late is honoured. New uses are refused by the UPDATE.
    reserved_count = models.PositiveIntegerField(default=0, editable=False)
    used_count = models.PositiveIntegerField(default=0, editable=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("code",)
        constraints = [
            models.CheckConstraint(
                # "Not null" is said aloud: SQL lets a check pass whose answer is unknown.
                condition=Q(discount_type="PERCENT", percent__range=(1, 100), percent__isnull=False)
                & Q(amount_paise=None)
                | Q(discount_type="FIXED", amount_paise__gte=1, amount_paise__isnull=False, percent=None),
                name="promo_discount_is_percent_or_amount",
                violation_error_message="Give the percent or the amount, as the discount type says.",
            ),
            models.CheckConstraint(
                condition=Q(starts_at__range=(FIRST_MOMENT, LAST_MOMENT))
                & (Q(expires_at=None) | Q(expires_at__range=(FIRST_MOMENT, LAST_MOMENT))),
                name="promo_dates_can_be_read",
            ),
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(code__regex=CODE_LETTERS),
                name="active_promo_code_can_be_typed",
                violation_error_message="Capital letters, digits, - and _ only.",
            ),
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(usage_limit=None) | Q(usage_limit__gte=1),
                name="active_promo_has_a_use",
                violation_error_message="Allow at least one use, or leave the limit empty.",
            ),
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(max_discount_paise=None) | Q(max_discount_paise__gte=1),
                name="active_promo_takes_something_off",
                violation_error_message="A discount of at most ₹0.00 takes nothing off.",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        """What the shop would tell every customer. No constraint: a code ends by being given an end."""
        if not self.is_active:
            return
        if self.expires_at and self.starts_at and self.expires_at <= self.starts_at:
            raise ValidationError({"expires_at": "The code must end after its start."})
        if self.percent == 100 and self.max_discount_paise is None:
            raise ValidationError(
                {"percent": "₹1.00 must be left to pay: take off less, or limit the discount."}
            )


class Cart(DevoteeDetails):
    """What a person wants. Its choice stays as it is once it was checked out; see `services.change_cart`."""

    class Status(models.TextChoices):
        ACTIVE = "ACTIVE"
        CHECKED_OUT = "CHECKED_OUT"
        CONVERTED = "CONVERTED"
        ABANDONED = "ABANDONED"

    class ServiceType(models.TextChoices):
        PUJA = "PUJA"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="carts")
    cart_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    service_type = models.CharField(max_length=10, choices=ServiceType, default=ServiceType.PUJA)
    puja_service = models.ForeignKey(PujaService, on_delete=models.PROTECT, related_name="+")
    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="+")
    selected_date = models.DateField()
    selected_time = MinuteOfDayField()
    promo_code = models.ForeignKey(
        PromoCode, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # Where the puja takes place, as chosen in our own shop. Empty: not chosen there, or deleted since.
    address = models.ForeignKey(Address, models.SET_NULL, null=True, blank=True, related_name="+")
    status = models.CharField(max_length=12, choices=Status, default=Status.ACTIVE)
    shown_paise = models.PositiveIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="the total that its owner saw last: check-out takes no more; empty: never shown",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            *DevoteeDetails.Meta.constraints,
            models.UniqueConstraint(
                fields=["user"], condition=Q(status="ACTIVE"), name="one_active_cart_per_user"
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(status="ACTIVE"), name="cart_active")]

    def __str__(self) -> str:
        return f"Cart {self.pk} ({self.status})"

    @property
    def starts_at(self) -> datetime:
        """Date and time as people in our time zone mean them."""
        return timezone.make_aware(datetime.combine(self.selected_date, self.selected_time))


class Checkout(DevoteeDetails):
    """A cart as it was when it was checked out: puja, package, price, promo code, address. Only its states change."""

    class State(models.TextChoices):
        RESERVED = "RESERVED"
        RELEASED = "RELEASED"
        BOOKED = "BOOKED"

    class PromoState(models.TextChoices):
        NONE = "", "no promo code"
        RESERVED = "RESERVED"
        USED = "USED"
        RELEASED = "RELEASED"

    cart = models.ForeignKey(Cart, on_delete=models.PROTECT, related_name="checkouts")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="checkouts")
    state = models.CharField(max_length=10, choices=State, default=State.RESERVED)
    expires_at = models.DateTimeField(help_text="until when the payment may take")
    created_at = models.DateTimeField(auto_now_add=True)

    price_paise = models.PositiveIntegerField(help_text="of the package")
    discount_paise = models.PositiveIntegerField(default=0)
    total_paise = models.PositiveIntegerField()
    starts_at = models.DateTimeField()

    puja_service = models.ForeignKey(PujaService, on_delete=models.PROTECT, related_name="+")
    puja_title = models.CharField(max_length=150)
    puja_title_hi = models.CharField(max_length=150, blank=True, default="")
    puja_image_url = models.CharField(max_length=500)
    puja_description = models.TextField()
    puja_description_hi = models.TextField(blank=True, default="")
    puja_type = models.CharField(max_length=10, choices=PujaService.Type)
    puja_duration_minutes = models.PositiveSmallIntegerField()
    puja_created_at = models.DateTimeField()
    puja_updated_at = models.DateTimeField()
    category_id = models.BigIntegerField(help_text="of a PujaCategory, which may have been deleted since")
    category_name = models.CharField(max_length=100)
    category_name_hi = models.CharField(max_length=100, blank=True, default="")
    category_created_at = models.DateTimeField()
    category_updated_at = models.DateTimeField()

    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="+")
    package_location = models.CharField(max_length=100)
    package_location_hi = models.CharField(max_length=100, blank=True, default="")
    package_language = models.CharField(max_length=10, choices=Package.Language)
    package_type = models.CharField(max_length=10, choices=Package.PackageType)
    package_description = models.TextField()
    package_description_hi = models.TextField(blank=True, default="")
    includes_materials = models.BooleanField()
    priest_count = models.PositiveSmallIntegerField()
    package_created_at = models.DateTimeField()
    package_updated_at = models.DateTimeField()

    promo_code = models.ForeignKey(
        PromoCode, on_delete=models.PROTECT, null=True, blank=True, related_name="checkouts"
    )
    promo_state = models.CharField(max_length=10, choices=PromoState, default=PromoState.NONE, blank=True)
    promo_code_text = models.CharField(max_length=30, blank=True, default="")
    promo_description = models.CharField(max_length=200, blank=True, default="")
    promo_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    promo_amount_paise = models.PositiveIntegerField(null=True, blank=True)
    promo_min_order_paise = models.PositiveIntegerField(null=True, blank=True)
    promo_max_discount_paise = models.PositiveIntegerField(null=True, blank=True)

    address_id = models.BigIntegerField(
        null=True, blank=True, help_text="of an Address, which its owner may have deleted since"
    )
    address_line1 = models.CharField(max_length=255, blank=True, default="")
    address_line2 = models.CharField(max_length=255, blank=True, default="")
    address_city = models.CharField(max_length=100, blank=True, default="")
    address_state = models.CharField(max_length=100, blank=True, default="")
    address_postal_code = models.CharField(max_length=12, blank=True, default="")
    address_country = models.CharField(max_length=100, blank=True, default="")
    address_is_default = models.BooleanField(default=False)
    address_created_at = models.DateTimeField(null=True, blank=True)
    address_updated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            *DevoteeDetails.Meta.constraints,
            models.UniqueConstraint(
                fields=["cart"], condition=Q(state="RESERVED"), name="one_reserved_checkout_per_cart"
            ),
            models.UniqueConstraint(
                fields=["cart"], condition=Q(state="BOOKED"), name="one_booked_checkout_per_cart"
            ),
            models.CheckConstraint(
                condition=Q(total_paise=F("price_paise") - F("discount_paise")), name="checkout_total_adds_up"
            ),
            models.CheckConstraint(condition=Q(total_paise__gte=LEAST_PAISE), name="checkout_can_be_paid"),
            models.CheckConstraint(
                condition=Q(discount_paise=0) | Q(promo_code__isnull=False),
                name="checkout_discount_has_a_promo_code",
            ),
            models.CheckConstraint(
                # "Not null" is written out: SQL lets a check pass whose answer is unknown.
                condition=Q(promo_code=None, promo_code_text="", promo_percent=None, promo_amount_paise=None)
                | Q(promo_code__isnull=False, promo_min_order_paise__isnull=False)
                & ~Q(promo_code_text="")
                & (
                    Q(promo_percent__range=(1, 100), promo_percent__isnull=False, promo_amount_paise=None)
                    | Q(promo_amount_paise__gte=1, promo_amount_paise__isnull=False, promo_percent=None)
                ),
                name="checkout_promo_is_percent_or_amount",
            ),
            models.CheckConstraint(condition=~Q(puja_title=""), name="checkout_names_its_puja"),
            models.CheckConstraint(
                condition=~Q(address_line1="")
                | Q(address_id=None, address_line2="", address_city="", address_state="")
                & Q(address_postal_code="", address_country=""),
                name="checkout_address_whole_or_none",
            ),
        ]

    def __str__(self) -> str:
        return f"Checkout {self.pk} ({self.state})"

    @property
    def agreed_service(self) -> PujaService:
        """As it was offered. A row in memory, like the other three: not to be saved."""
        category = PujaCategory(**self._agreed(AGREED_CATEGORY))
        return PujaService(category=category, **self._agreed(AGREED_SERVICE))

    @property
    def agreed_package(self) -> Package:
        columns = self._agreed(AGREED_PACKAGE)
        return Package(puja_service_id=self.puja_service_id, price_paise=self.price_paise, **columns)

    @property
    def agreed_promo(self) -> PromoCode | None:
        return PromoCode(**self._agreed(AGREED_PROMO)) if self.promo_code_id else None

    @property
    def agreed_address(self) -> Address | None:
        """None: the customer had no address."""
        return Address(**self._agreed(AGREED_ADDRESS)) if self.address_line1 else None

    def _agreed(self, columns: dict[str, str]) -> dict[str, Any]:
        return {column: getattr(self, kept) for column, kept in columns.items()}


class SlotHold(models.Model):
    """The place of one Checkout, from the first click to the booking or its end."""

    class State(models.TextChoices):
        HELD = "HELD"
        TAKEN = "TAKEN"
        RELEASED = "RELEASED"

    checkout = models.OneToOneField(Checkout, on_delete=models.PROTECT, related_name="hold")
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="holds")
    state = models.CharField(max_length=10, choices=State, default=State.HELD)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    released_at = models.DateTimeField(null=True, blank=True, help_text="when it was released unpaid")
    new_customer = models.BooleanField(default=False, help_text="taken without a booking that stands")
    network = models.CharField(
        max_length=32, blank=True, default="", help_text="keyed hash of the network; emptied after two days"
    )

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="HELD"), name="holds_to_release"),
            models.Index(fields=["network"], condition=~Q(network=""), name="holds_of_network"),
            models.Index(fields=["slot"], condition=Q(state="HELD"), name="holds_of_slot"),
        ]

    def __str__(self) -> str:
        return f"Hold {self.pk} ({self.state})"


class HoldNetwork(models.Model):
    """A network that holds places: its row is the lock under which they are counted."""

    digest = models.CharField(max_length=32, primary_key=True, help_text="as in SlotHold.network")
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.digest


class Booking(models.Model):
    class Status(models.TextChoices):
        CONFIRMED = "CONFIRMED"
        COMPLETED = "COMPLETED"
        CANCELLED = "CANCELLED"

    book_id = models.CharField(max_length=11, unique=True, default=make_book_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="bookings")
    checkout = models.OneToOneField(Checkout, on_delete=models.PROTECT, related_name="booking")
    starts_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status, default=Status.CONFIRMED)
    cancellation_reason = models.CharField(max_length=500, blank=True, validators=[plain_text])
    cancelled_at = models.DateTimeField(null=True, blank=True)
    moved_because = models.CharField(max_length=200, blank=True, validators=[plain_line])  # by the temple
    moves = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="how often the temple has moved it"
    )
    next_reminder_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="when its customer is reminded; empty: not any more"
    )
    own_moves = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="how often its customer has moved it"
    )
    terms_from = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="its customer moved it away from this start: the refund policy still counts from it",
    )
    free_until = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="the temple moved it: whoever cancels before gets everything back, as they were told",
    )
    choose_until = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="its time was called off: until then its customer chooses another one, or gets everything back",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-id",)
        indexes = [
            models.Index(
                fields=["next_reminder_at"],
                condition=Q(next_reminder_at__isnull=False),
                name="booking_reminders_due",
            ),
            models.Index(fields=["starts_at"], name="booking_starts"),
        ]

    def __str__(self) -> str:
        return self.book_id

    @property
    def changes(self) -> int:
        """How often it was moved. Signed links and calendars know by it that they are old."""
        return self.moves + self.own_moves

    @property
    def policy_start(self) -> datetime:
        """The start that the refund policy counts from: nobody gains by moving a booking before they cancel it."""
        return min(self.terms_from or self.starts_at, self.starts_at)

    @property
    def selected_date(self) -> date:
        return timezone.localtime(self.starts_at).date()

    @property
    def selected_time(self) -> time:
        return timezone.localtime(self.starts_at).time()


class EarlierStart(models.Model):
    """A start that a booking had until it was moved. Money that comes late for it is paid twice."""

    booking = models.ForeignKey(Booking, on_delete=models.CASCADE, related_name="earlier_starts")
    starts_at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["booking", "starts_at"], name="one_row_per_earlier_start"),
        ]

    def __str__(self) -> str:
        return f"{self.booking}, {spell_moment(self.starts_at)}"
