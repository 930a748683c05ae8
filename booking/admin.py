from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from accounts.search import PhoneSearch
from booking import services
from booking.models import (
    Booking,
    Cart,
    Checkout,
    Package,
    PromoCode,
    PujaCategory,
    PujaService,
    Slot,
    SlotHold,
)
from booking.money import paise, rupees


class RupeesField(forms.DecimalField):
    """Staff read and write rupees, the row keeps paise."""

    widget = UnfoldAdminDecimalFieldWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_digits=9, decimal_places=2, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return rupees(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> int | None:
        amount: Decimal | None = super().clean(value)
        return None if amount is None else paise(f"{amount:.2f}")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class PackageForm(forms.ModelForm):
    price_paise = RupeesField(label="Price (₹)")

    class Meta:
        model = Package
        fields = "__all__"  # noqa: DJ007 - staff may edit the whole catalogue


class PromoCodeForm(forms.ModelForm):
    amount_paise = RupeesField(label="Amount (₹)", required=False)
    min_order_paise = RupeesField(label="Least order (₹)", initial=0)
    max_discount_paise = RupeesField(label="Most discount (₹)", required=False)

    class Meta:
        model = PromoCode
        fields = "__all__"  # noqa: DJ007 - the counts are not editable


class ReadOnly:
    """Rows that money hangs on: moved by services only, looked at here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    pass


class CountingAdmin(ModelAdmin):
    """Rows that count what customers take: saving writes the whole row, so it is locked meanwhile."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST":
            return found
        return self.model.objects.select_for_update().filter(pk=found.pk).first()


@admin.register(PujaCategory)
class PujaCategoryAdmin(ModelAdmin):
    search_fields = ("name",)


class PackageInline(TabularInline):
    model = Package
    form = PackageForm
    fields = ("package_type", "language", "location", "price_paise", "priest_count", "is_active")
    extra = 0
    show_change_link = True


@admin.register(PujaService)
class PujaServiceAdmin(ModelAdmin):
    list_display = ("title", "category", "type", "duration_minutes", "is_active")
    list_filter = ("category", "type", "is_active")
    list_select_related = ("category",)
    search_fields = ("title",)


@admin.register(Package)
class PackageAdmin(ModelAdmin):
    form = PackageForm
    list_display = ("puja_service", "package_type", "language", "location", "price", "is_active")
    list_filter = ("package_type", "language", "is_active")
    list_select_related = ("puja_service",)
    search_fields = ("puja_service__title", "location")
    autocomplete_fields = ("puja_service",)

    @admin.display(ordering="price_paise", description="price (₹)")
    def price(self, package: Package) -> str:
        return rupees(package.price_paise)


@admin.register(Slot)
class SlotAdmin(CountingAdmin):
    list_display = ("service", "starts_at", "capacity", "held", "booked", "available", "is_open")
    list_filter = ("is_open", "service")
    list_select_related = ("service",)
    date_hierarchy = "starts_at"
    autocomplete_fields = ("service",)
    readonly_fields = ("held", "booked")

    def get_readonly_fields(self, request: HttpRequest, obj: Slot | None = None) -> tuple[str, ...]:
        """A slot people may have paid for keeps its puja and its time: close it and open another one."""
        return (*self.readonly_fields, "service", "starts_at") if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Slot | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.holds.exists())


@admin.register(PromoCode)
class PromoCodeAdmin(CountingAdmin):
    form = PromoCodeForm
    list_display = (
        "code",
        "code_type",
        "discount_type",
        "used_count",
        "reserved_count",
        "usage_limit",
        "is_active",
    )
    list_filter = ("code_type", "is_active")
    search_fields = ("code", "description")
    readonly_fields = ("reserved_count", "used_count")
    autocomplete_fields = ("assigned_users",)


@admin.register(Cart)
class CartAdmin(PhoneSearch, ReadOnlyAdmin):
    phone_fields = ("user__phone",)
    list_display = ("id", "user", "puja_service", "selected_date", "selected_time", "status", "updated_at")
    list_filter = ("status",)
    list_select_related = ("user", "puja_service")
    search_fields = ("cart_id", "user__email")


@admin.register(Checkout)
class CheckoutAdmin(PhoneSearch, ReadOnlyAdmin):
    phone_fields = ("user__phone",)
    list_display = ("id", "user", "cart", "state", "total", "promo_code", "promo_state", "expires_at")
    list_filter = ("state", "promo_state")
    list_select_related = ("user", "cart", "promo_code")
    search_fields = ("user__email", "cart__cart_id")

    @admin.display(ordering="total_paise", description="total (₹)")
    def total(self, checkout: Checkout) -> str:
        return rupees(checkout.total_paise)


@admin.register(SlotHold)
class SlotHoldAdmin(ReadOnlyAdmin):
    list_display = ("id", "slot", "checkout", "state", "expires_at")
    list_filter = ("state",)
    list_select_related = ("slot__service", "checkout")


@admin.register(Booking)
class BookingAdmin(PhoneSearch, ReadOnlyAdmin):
    phone_fields = ("user__phone",)
    list_display = ("book_id", "user", "starts_at", "status", "created_at")
    list_filter = ("status",)
    list_select_related = ("user",)
    search_fields = ("book_id", "user__email", "user__phone")
    date_hierarchy = "starts_at"
    actions = ("mark_completed",)

    @admin.action(description="Mark as completed (once the puja has begun)")
    def mark_completed(self, request: HttpRequest, bookings: QuerySet[Booking]) -> None:
        moved = sum(services.complete(booking) for booking in bookings)
        left = len(bookings) - moved
        self.message_user(request, f"{moved} completed, {left} left as they were.", messages.SUCCESS)
