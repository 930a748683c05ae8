"""What was agreed at checkout, and the place that is held for it."""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _

from accounts.models import Address, User
from booking.agreed import AGREED_ADDRESS, AGREED_CATEGORY, AGREED_PACKAGE, AGREED_PROMO, AGREED_SERVICE
from booking.devotees import DevoteeDetails
from booking.models.carts import Cart
from booking.models.catalogue import LEAST_PAISE, Package, PujaCategory, PujaService
from booking.models.promo_codes import PromoCode
from booking.models.slots import Slot


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
    puja_title_hi = models.CharField(max_length=150, blank=True, default="", db_default="")
    puja_image_url = models.CharField(max_length=500)
    puja_description = models.TextField()
    puja_description_hi = models.TextField(blank=True, default="", db_default="")
    puja_type = models.CharField(max_length=10, choices=PujaService.Type)
    puja_duration_minutes = models.PositiveSmallIntegerField()
    puja_created_at = models.DateTimeField()
    puja_updated_at = models.DateTimeField()
    category_id = models.BigIntegerField(help_text="of a PujaCategory, which may have been deleted since")
    category_name = models.CharField(max_length=100)
    category_name_hi = models.CharField(max_length=100, blank=True, default="", db_default="")
    category_created_at = models.DateTimeField()
    category_updated_at = models.DateTimeField()

    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="+")
    package_location = models.CharField(max_length=100)
    package_location_hi = models.CharField(max_length=100, blank=True, default="", db_default="")
    package_language = models.CharField(max_length=10, choices=Package.Language)
    package_type = models.CharField(max_length=10, choices=Package.PackageType)
    package_description = models.TextField()
    package_description_hi = models.TextField(blank=True, default="", db_default="")
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
        return _("Checkout {number} ({state})").format(number=self.pk, state=self.get_state_display())

    @property
    def agreed_service(self) -> PujaService:
        """As it was offered. A row in memory, like the other three: not to be saved."""
        category = PujaCategory(**self._agreed(AGREED_CATEGORY))
        return PujaService(category=category, **self._agreed(AGREED_SERVICE))

    @property
    def agreed_package(self) -> Package:
        columns = self._agreed(AGREED_PACKAGE)
        package = Package(puja_service_id=self.puja_service_id, price_paise=self.price_paise, **columns)
        package.price_now = self.price_paise
        return package

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
        return _("Hold {number} ({state})").format(number=self.pk, state=self.get_state_display())


class HoldNetwork(models.Model):
    """A network that holds places: its row is the lock under which they are counted."""

    digest = models.CharField(max_length=32, primary_key=True, help_text="as in SlotHold.network")
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.digest
