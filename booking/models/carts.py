"""What people want to book."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Address, User
from booking.devotees import DevoteeDetails
from booking.fields import MinuteOfDayField
from booking.models.catalogue import Package, PujaService
from booking.models.promo_codes import PromoCode


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
        return _("Cart {number} ({state})").format(number=self.pk, state=self.get_status_display())

    @property
    def starts_at(self) -> datetime:
        """Date and time as people in our time zone mean them."""
        return timezone.make_aware(datetime.combine(self.selected_date, self.selected_time))
