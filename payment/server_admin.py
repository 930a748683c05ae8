"""What servers of the business are told, in the admin: endpoints, events, deliveries."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminURLInputWidget

from accounts.models import User
from core.long_lists import LongList, SeenValuesFilter
from core.read_only import ReadOnly
from core.shown_once import shown_once
from payment.models import ServerEvent, WebhookDelivery, WebhookEndpoint
from payment.services.webhook_endpoints import check_url, create_endpoint, enable, rotate_secret
from payment.services.webhook_sending import disable, send_again, send_test_event, send_to_all


class EndpointForm(forms.ModelForm):
    url = forms.URLField(
        label=_("Address of the server"),
        assume_scheme="https",
        max_length=500,
        widget=UnfoldAdminURLInputWidget,
    )
    types = forms.MultipleChoiceField(
        label=_("Events"),
        choices=[each for each in ServerEvent.Type.choices if each[0] != ServerEvent.Type.ENDPOINT_TEST],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=_("none chosen: all"),
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("url", "description", "types")

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        check_url(url)
        return url


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(LongList, ModelAdmin):
    """A new secret is shown once. Endpoints are switched off, not deleted: their log stays."""

    form = EndpointForm
    list_display = ("__str__", "url", "is_enabled", "failing_since", "disabled_because", "created_at")
    list_filter = ("is_enabled",)
    fields = ("url", "description", "types")
    actions = ("send_test", "rotate", "switch_off", "switch_on")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: WebhookEndpoint, form: forms.ModelForm, change: bool
    ) -> None:
        if change:
            obj.save(update_fields=["url", "description", "types"])
            return
        endpoint, request.made_secret = create_endpoint(  # type: ignore[attr-defined]
            obj.url, types=obj.types, description=obj.description, made_by=cast(User, request.user)
        )
        obj.pk = endpoint.pk

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return shown_once(self, request, [(str(obj), request.made_secret)])  # type: ignore[attr-defined]

    @admin.action(description=_("Send a test event"), permissions=["change"])
    def send_test(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        enabled = [endpoint for endpoint in queryset if endpoint.is_enabled]
        for endpoint in enabled:
            send_test_event(endpoint)
        text = _("{number} are sent: look at the log of webhooks.")
        self.message_user(request, text.format(number=len(enabled)), messages.SUCCESS)

    @admin.action(description=_("Rotate the secret: both sign for 24 hours"), permissions=["change"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> HttpResponse:
        return shown_once(self, request, [(str(endpoint), rotate_secret(endpoint)) for endpoint in queryset])

    @admin.action(description=_("Switch off"), permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in queryset:
            disable(endpoint, f"switched off by user {request.user.pk}")

    @admin.action(description=_("Switch on: events from now on"), permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in queryset:
            enable(endpoint)


class DeliveryRows(ReadOnly, TabularInline):
    model = WebhookDelivery
    fields = ("endpoint", "state", "checks", "next_check_at", "delivered_at")
    extra = 0
    show_change_link = True

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields


@admin.register(ServerEvent)
class ServerEventAdmin(ReadOnly, LongList, ModelAdmin):
    list_display = ("created_at", "type", "event_id", "payment", "is_distributed")
    list_filter = (("type", SeenValuesFilter),)
    list_select_related = ("payment",)
    search_fields = ("event_id", "payment__reference__startswith")
    inlines = (DeliveryRows,)
    actions = ("replay",)

    @admin.action(description=_("Send once more to every endpoint"), permissions=["decide"])
    def replay(self, request: HttpRequest, queryset: QuerySet[ServerEvent]) -> None:
        count = sum(send_to_all(event) for event in queryset)
        self.message_user(request, _("{number} are sent.").format(number=count), messages.SUCCESS)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly, LongList, ModelAdmin):
    """The log: each try with its answer and its time."""

    list_display = ("created_at", "event", "endpoint", "state", "checks", "next_check_at", "delivered_at")
    list_filter = ("state",)
    list_select_related = ("event", "endpoint")
    search_fields = ("event__event_id",)
    actions = ("replay",)

    @admin.action(description=_("Send once more"), permissions=["decide"])
    def replay(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        count = sum(send_again(delivery) for delivery in queryset)
        self.message_user(request, _("{number} are sent.").format(number=count), messages.SUCCESS)
