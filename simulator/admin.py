from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.utils.module_loading import import_string

from simulator.models import Attempt, Clock, Delivery, Fault, Merchant, Order, Refund

# The wheel may be installed into a site whose admin is Django's own.
ModelAdmin: Any = import_string(
    "unfold.admin.ModelAdmin" if apps.is_installed("unfold") else "django.contrib.admin.ModelAdmin"
)


class ReadOnly(ModelAdmin):
    """Only API calls and customers change these rows."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Merchant)
class MerchantAdmin(ModelAdmin):
    list_display = ("merchant_id", "generation", "name", "webhook_url", "webhook_scheme")


@admin.register(Order)
class OrderAdmin(ReadOnly):
    list_display = (
        "merchant_order_id",
        "merchant",
        "amount_paise",
        "state",
        "error_code",
        "created_at",
        "expires_at",
    )
    list_filter = ("state", "merchant")
    search_fields = ("merchant_order_id", "provider_id")
    list_select_related = ("merchant",)


@admin.register(Attempt)
class AttemptAdmin(ReadOnly):
    list_display = (
        "provider_id",
        "order",
        "amount_paise",
        "state",
        "mode",
        "detailed_error_code",
        "created_at",
    )
    list_filter = ("state",)
    search_fields = ("provider_id", "utr", "order__merchant_order_id")
    list_select_related = ("order",)


@admin.register(Refund)
class RefundAdmin(ReadOnly):
    list_display = ("merchant_refund_id", "order", "amount_paise", "state", "error_code", "created_at")
    list_filter = ("state", "merchant")
    search_fields = ("merchant_refund_id", "provider_id", "order__merchant_order_id")
    list_select_related = ("order",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = ("event", "about", "url", "tries", "last_status", "last_error", "due_at", "delivered_at")
    list_filter = ("event",)
    search_fields = ("about",)


@admin.register(Fault)
class FaultAdmin(ModelAdmin):
    list_display = (
        "operation",
        "kind",
        "about",
        "calls_before",
        "times_left",
        "argument",
        "carried_out",
        "source",
    )


@admin.register(Clock)
class ClockAdmin(ReadOnly):
    list_display = ("offset", "stopped_at")
