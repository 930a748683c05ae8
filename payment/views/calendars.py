"""Bookings as calendar files: of one booking by a signed link, of all of them by the secret address of a feed."""

from collections.abc import Iterable
from typing import cast

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.models import User
from booking.calendar_files import CONTENT_TYPE, calendar_file
from booking.models import Booking
from booking.services.calendar_feeds import bookings_of, close_feed, find_feed, open_feed, owner_of
from booking.services.priests import assigned_to, priest_of_feed
from core import serializers
from core.networks import client_address, network_of
from core.page_rates import find_excess, too_many_requests
from payment.services.links import booking_of_calendar, feed_url

FEED = inline_serializer(
    "CalendarFeed",
    {
        "is_open": serializers.BooleanField(),
        "created_at": serializers.DateTimeField(allow_null=True),
        "url": serializers.CharField(allow_null=True, help_text="shown once, when it is made"),
    },
)


class CalendarFeedViewSet(ViewSet):
    """The caller's feed. Whoever has its address reads where and when they have pujas: it can be ended at any time."""

    @extend_schema(operation_id="calendar_feed_look", responses=FEED)
    def retrieve(self, request: Request) -> Response:
        return self._answer(request)

    @extend_schema(operation_id="calendar_feed_open", request=None, responses={201: FEED})
    def open(self, request: Request) -> Response:
        """A new address, in place of the one before."""
        return self._answer(request, feed_url(open_feed(cast(User, request.user))), status.HTTP_201_CREATED)

    @extend_schema(operation_id="calendar_feed_close", responses={200: FEED})
    def close(self, request: Request) -> Response:
        close_feed(cast(User, request.user))
        return self._answer(request)

    def _answer(self, request: Request, url: str | None = None, code: int = status.HTTP_200_OK) -> Response:
        feed = find_feed(cast(User, request.user))
        answer = {"is_open": feed is not None, "created_at": feed.created_at if feed else None, "url": url}
        return Response(answer, status=code)


@method_decorator(never_cache, name="dispatch")
class CalendarFeedFileView(View):
    """Read by calendars every hour or so."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        wait = find_excess("calendar", network_of(client_address(request)))
        if wait is not None:
            return too_many_requests(request, wait)
        owner = owner_of(token)
        if owner is None:
            raise Http404
        with translation.override(owner.language):
            name = _("My pujas")
        return calendar_download(bookings_of(owner), owner.language, "okpuja", name)


@method_decorator(never_cache, name="dispatch")
class PriestFeedFileView(View):
    """What a priest performs, read by their calendar at a secret address."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        wait = find_excess("calendar", network_of(client_address(request)))
        if wait is not None:
            return too_many_requests(request, wait)
        priest = priest_of_feed(token)
        if priest is None:
            raise Http404
        with translation.override(priest.language):
            name = _("Pujas that I perform")
        bookings = [assignment.booking for assignment in assigned_to(priest)]
        return calendar_download(bookings, priest.language, "okpuja", name)


@method_decorator(never_cache, name="dispatch")
class BookingCalendarFileView(View):
    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        booking, with_address = booking_of_calendar(token)
        return calendar_download([booking], booking.user.language, booking.book_id, with_address=with_address)


def calendar_download(
    bookings: Iterable[Booking], language: str, file_name: str, name: str = "", *, with_address: bool = True
) -> HttpResponse:
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name}.ics"',
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(
        calendar_file(bookings, language, name, with_address=with_address),
        content_type=CONTENT_TYPE,
        headers=headers,
    )
