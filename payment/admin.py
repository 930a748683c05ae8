"""Money is looked at here, never changed: PhonePe's answers and the services change it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from booking.admin import ReadOnly
from booking.money import rupees
from payment.models import (
    GatewayCall,
    IdempotencyKey,
    LedgerEntry,
    Payment,
    PaymentAttempt,
    Refund,
    StateChange,
    WebhookEvent,
)


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    list_per_page = 50


class Rows(ReadOnly, TabularInline):
    extra = 0
    show_change_link = True
    tab = True

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields  # a form, which nobody gets to see, could not hold the moments of creation


class AttemptRows(Rows):
    model = PaymentAttempt
    fields = (
        "number",
        "merchant_order_id",
        "state",
        "amount_paise",
        "received_paise",
        "code",
        "next_check_at",
    )


class ChangeRows(Rows):
    model = StateChange
    fields = ("created_at", "subject", "before", "after", "rule", "detail")


class CallRows(Rows):
    model = GatewayCall
    fields = (
        "started_at",
        "operation",
        "host",
        "stage",
        "milliseconds",
        "http_status",
        "code",
        "error_category",
    )


class LedgerRows(Rows):
    model = LedgerEntry
    fields = ("created_at", "kind", "amount_paise", "reference")


class RefundRows(Rows):
    model = Refund
    fields = ("created_at", "merchant_refund_id", "amount_paise", "state", "reason")


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = (
        "reference",
        "amount",
        "state",
        "fulfilment",
        "held_because",
        "user",
        "simulated",
        "created_at",
    )
    list_filter = ("state", "fulfilment", "simulated")
    list_select_related = ("user",)
    search_fields = ("reference", "attempts__merchant_order_id", "attempts__provider_order_id", "user__email")
    date_hierarchy = "created_at"
    inlines = (AttemptRows, ChangeRows, CallRows, LedgerRows, RefundRows)

    @admin.display(description="amount (₹)", ordering="amount_paise")
    def amount(self, payment: Payment) -> str:
        return rupees(payment.amount_paise)


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ReadOnlyAdmin):
    list_display = (
        "merchant_order_id",
        "payment",
        "number",
        "state",
        "generation",
        "merchant",
        "next_check_at",
    )
    list_filter = ("state", "generation", "environment", "simulated")
    list_select_related = ("payment",)
    search_fields = ("merchant_order_id", "provider_order_id", "provider_transaction_id", "utr")
    inlines = (CallRows,)


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    list_display = (
        "received_at",
        "event",
        "merchant_order_id",
        "claimed_verdict",
        "state",
        "deliveries",
        "differs",
    )
    list_filter = ("state", "scheme", "event")
    search_fields = ("merchant_order_id", "merchant_refund_id")
    fields = (
        *(
            "received_at",
            "handled_at",
            "event",
            "scheme",
            "header_names",
            "merchant_order_id",
            "merchant_refund_id",
        ),
        *(
            "claimed_verdict",
            "claimed_paise",
            "differs",
            "state",
            "deliveries",
            "checks",
            "next_check_at",
            "text",
        ),
    )

    @admin.display(description="body, as it came")
    def text(self, event: WebhookEvent) -> str:
        return bytes(event.body).decode("utf-8", "replace")


@admin.register(GatewayCall)
class GatewayCallAdmin(ReadOnlyAdmin):
    list_display = (
        "started_at",
        "operation",
        "host",
        "port",
        "stage",
        "milliseconds",
        "http_status",
        "error_category",
    )
    list_filter = ("operation", "error_category", "host")
    search_fields = ("attempt__merchant_order_id", "request_id")


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ("merchant_refund_id", "amount_paise", "state", "reason", "created_at")
    list_filter = ("state",)
    search_fields = ("merchant_refund_id", "attempt__merchant_order_id")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "amount_paise", "reference", "payment", "simulated")
    list_filter = ("kind", "simulated")
    list_select_related = ("payment",)
    search_fields = ("reference",)


@admin.register(StateChange)
class StateChangeAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "payment", "subject", "before", "after", "rule", "detail")
    list_filter = ("subject", "rule")
    list_select_related = ("payment",)
    search_fields = ("payment__reference", "attempt__merchant_order_id", "request_id")


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "caller", "route", "status_code", "lease_until")
    list_filter = ("route", "status_code")
    exclude = ("answer",)
