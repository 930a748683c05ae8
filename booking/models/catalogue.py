"""What is sold: a puja of a category, and its packages with their prices."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from booking.fields import (
    SENSIBLE_MOMENT,
    HtmlField,
    ImageAddressField,
    LineField,
    MinuteField,
    PositionField,
)
from core.money import in_rupees

# PhonePe takes no order below one rupee.
LEAST_PAISE = 100
LEAST_MINUTES = 5
# Beside the English column: where it is empty, the English one is read (core.language.localized).
IN_HINDI: dict[str, Any] = {
    "blank": True,
    "default": "",
    "db_default": "",
    "help_text": "in Hindi; empty: as in English",
}
# What a small integer column holds in PostgreSQL; SQLite would take more.
MOST = MaxValueValidator(32_767)


# Where rows are shown to customers in an order of the temple's own.
POSITION: dict[str, Any] = {
    "default": 0,
    "db_default": 0,
    "help_text": "the smaller, the further in front; equal ones by name",
}


class PujaCategory(models.Model):
    name = LineField(max_length=100, unique=True)
    name_hi = LineField(max_length=100, **IN_HINDI)
    position = PositionField(**POSITION)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "puja categories"
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="category_has_a_name")]

    def __str__(self) -> str:
        return self.name


class CataloguePicture(models.Model):
    """A picture of the catalogue, re-encoded by us. It is never changed or deleted: bookings go on showing it.

    In the database, so that a puja and its picture are written, backed up and restored together.
    """

    digest = models.CharField(max_length=32, primary_key=True, editable=False, help_text="of `content`")
    content = models.BinaryField()
    small = models.BinaryField(help_text="for cards")
    width = models.PositiveSmallIntegerField()
    height = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.digest


class PujaService(models.Model):
    class Type(models.TextChoices):
        HOME = "HOME", _("Home")
        TEMPLE = "TEMPLE", _("Temple")
        ONLINE = "ONLINE", _("Online")

    title = LineField(max_length=150, unique=True)
    title_hi = LineField(max_length=150, **IN_HINDI)
    image_url = ImageAddressField(max_length=500)
    picture = models.ForeignKey(
        CataloguePicture, on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    # Of the picture: a page leaves room for it without loading it.
    picture_width = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    picture_height = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    description = HtmlField()
    description_hi = HtmlField(**IN_HINDI)
    preparation = HtmlField(
        blank=True, default="", db_default="", help_text="what to have ready; after the payment"
    )
    preparation_hi = HtmlField(**IN_HINDI)
    category = models.ForeignKey(PujaCategory, on_delete=models.PROTECT, related_name="services")
    type = models.CharField(max_length=10, choices=Type)
    duration_minutes = models.PositiveSmallIntegerField(validators=[MinValueValidator(LEAST_MINUTES), MOST])
    is_active = models.BooleanField(default=True)
    position = PositionField(**POSITION)
    sac = models.CharField(
        "SAC",
        max_length=8,
        blank=True,
        default="",
        db_default="",
        validators=[RegexValidator(r"^[0-9]{4,8}\Z", "Four to eight digits.")],
        help_text="its service code for GST; empty: GST_SAC of the settings",
    )
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


def price_in_force(package: str, otherwise: str) -> Coalesce:
    """For a query: the newest price of a package whose moment has come, else the column `otherwise`; in paise.

    By the clock of the database, which all servers share.
    """
    due = PackagePrice.objects.filter(package=OuterRef(package), valid_from__lte=Now()).order_by(
        "-valid_from"
    )
    return Coalesce(Subquery(due.values("price_paise")[:1]), F(otherwise))


class PackageQuerySet(models.QuerySet["Package"]):
    def priced(self) -> models.QuerySet[Any]:
        """With `current_paise`, which `price_now` reads."""
        return self.annotate(current_paise=price_in_force("pk", "price_paise"))


class Package(models.Model):
    class Language(models.TextChoices):
        HINDI = "HINDI", _("Hindi")
        ENGLISH = "ENGLISH", _("English")
        SANSKRIT = "SANSKRIT", _("Sanskrit")
        REGIONAL = "REGIONAL", _("Regional")

    class PackageType(models.TextChoices):
        BASIC = "BASIC", _("Basic")
        STANDARD = "STANDARD", _("Standard")
        PREMIUM = "PREMIUM", _("Premium")
        CUSTOM = "CUSTOM", _("Custom")

    puja_service = models.ForeignKey(PujaService, on_delete=models.PROTECT, related_name="packages")
    location = LineField(max_length=100)
    location_hi = LineField(max_length=100, **IN_HINDI)
    language = models.CharField(max_length=10, choices=Language)
    package_type = models.CharField(max_length=10, choices=PackageType)
    price_paise = models.PositiveIntegerField(help_text="until the first PackagePrice of a later moment")
    description = HtmlField()
    description_hi = HtmlField(**IN_HINDI)
    includes_materials = models.BooleanField(default=False)
    priest_count = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1), MOST])
    is_active = models.BooleanField(default=True)
    position = PositionField(**POSITION)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = PackageQuerySet.as_manager()

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
        kind, language = self.get_package_type_display(), self.get_language_display()
        return f"{self.puja_service}: {kind}, {language}, {self.location}"

    @property
    def price_now(self) -> int:
        """What it costs at this moment, in paise. A query, unless the row was read with `priced()`."""
        if "current_paise" not in self.__dict__:
            found = (
                Package.objects.priced().filter(pk=self.pk).values_list("current_paise", flat=True).first()
            )
            self.price_now = self.price_paise if found is None else found
        known: int = self.__dict__["current_paise"]
        return known

    @price_now.setter
    def price_now(self, paise: int) -> None:
        """Of this object alone: as it was read, or as it was agreed."""
        self.__dict__["current_paise"] = paise


class PackagePrice(models.Model):
    """What a package costs from a moment on, until the next one."""

    package = models.ForeignKey(Package, on_delete=models.CASCADE, related_name="prices")
    price_paise = models.PositiveIntegerField()
    valid_from = MinuteField(validators=SENSIBLE_MOMENT)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("valid_from", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["package", "valid_from"],
                name="one_price_of_a_package_from_a_moment",
                violation_error_message="This package has a price from this moment already.",
            ),
            models.CheckConstraint(
                condition=Q(price_paise__gte=LEAST_PAISE),
                name="package_price_is_a_rupee_or_more",
                violation_error_message="A package costs at least ₹1.00.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.package_id}: {in_rupees(self.price_paise)} from {self.valid_from:%Y-%m-%d %H:%M}"
