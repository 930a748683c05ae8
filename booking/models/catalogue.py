"""What is sold: a puja of a category, and its packages with their prices."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from booking.fields import HtmlField, ImageAddressField, LineField

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
    preparation = HtmlField(
        blank=True, default="", db_default="", help_text="what to have ready; after the payment"
    )
    preparation_hi = HtmlField(**IN_HINDI)
    category = models.ForeignKey(PujaCategory, on_delete=models.PROTECT, related_name="services")
    type = models.CharField(max_length=10, choices=Type)
    duration_minutes = models.PositiveSmallIntegerField(validators=[MinValueValidator(LEAST_MINUTES), MOST])
    is_active = models.BooleanField(default=True)
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
