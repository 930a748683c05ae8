"""The outbox, to be looked at; what was given up can be sent again."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from notices.models import Notice
from notices.services import send_again


@admin.register(Notice)
class NoticeAdmin(ModelAdmin):
    list_display = (
        "created_at",
        "kind",
        "channel",
        "email",
        "language",
        "state",
        "checks",
        "sent_at",
        "last_error",
    )
    list_filter = ("state", "channel", "kind", "language")
    search_fields = ("key", "email", "message_id")
    list_per_page = 50
    actions = ("send_once_more",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Notice | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Notice | None = None) -> bool:
        return False

    @admin.action(description="Send again", permissions=["view"])
    def send_once_more(self, request: HttpRequest, queryset: QuerySet[Notice]) -> None:
        sent = sum(send_again(notice) for notice in queryset)
        messages.info(request, f"{sent} will be sent again; what is waiting anyway was left alone.")
