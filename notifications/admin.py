"""The outbox, read-only, with an action to send messages again."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from core.long_lists import LongList, SeenValuesFilter
from core.read_only import ReadOnly
from notifications.models import Notification
from notifications.services import send_again


@admin.register(Notification)
class NotificationAdmin(ReadOnly, LongList, ModelAdmin):
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
        "dropped_because",
    )
    list_filter = ("state", "channel", ("kind", SeenValuesFilter), ("language", SeenValuesFilter))
    search_fields = ("key__exact", "email__exact", "user__email", "message_id__exact")
    list_per_page = 50
    actions = ("send_once_more",)

    @admin.action(description=_("Send again"), permissions=["decide"])
    def send_once_more(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        count = sum(send_again(notification) for notification in queryset)
        messages.info(
            request,
            _("{number} will be sent again; what is waiting anyway was left alone.").format(number=count),
        )
