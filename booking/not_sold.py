"""What the frontends ask for and this product does not have: astrology, events, a blog.

Their pages need an empty answer: a refusal hides the bookings beside it, or sends a visitor to the login. Nothing is
read or stored. Whoever wants to buy or to change something there is told so.
"""

from typing import Any

from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import HasRight
from core.errors import Refusal

ARRAY = {"type": "array", "items": {}, "maxItems": 0}
PAGE = {
    "type": "object",
    "properties": {
        "count": {"type": "integer", "enum": [0]},
        "next": {"nullable": True},
        "previous": {"nullable": True},
        "results": ARRAY,
    },
    "required": ["count", "next", "previous", "results"],
}
BOOKINGS, CATALOGUE = HasRight("booking.view_booking"), HasRight("booking.view_pujaservice")


class NotOffered(Refusal):
    status_code = 404
    default_code = "not_offered"
    default_detail = _("This is not offered here. You can book pujas only.")


class NothingView(APIView):
    # For people with a login, unless a subclass or `as_view` says otherwise. A docstring would describe operations.

    def http_method_not_allowed(self, request: Request, *args: Any, **names: Any) -> Response:  # type: ignore[override]
        raise NotOffered


class NothingForAnyone(NothingView):
    # A stale token is not looked at: on 401 the page would send its visitor to the login.

    authentication_classes = ()
    permission_classes = (AllowAny,)


class NoRowsView(NothingView):
    @extend_schema(responses={200: ARRAY})
    def get(self, request: Request, **names: str) -> Response:
        return Response([])


class NoPagesView(NothingView):
    @extend_schema(responses={200: PAGE})
    def get(self, request: Request) -> Response:
        return Response({"count": 0, "next": None, "previous": None, "results": []})


class NoFiguresView(NothingView):
    @extend_schema(responses={200: {"type": "object", "maxProperties": 0}})
    def get(self, request: Request) -> Response:
        return Response({})


class NoAstrologyView(NothingForAnyone, NoRowsView):
    pass


class NoEventsView(NothingForAnyone, NoPagesView):
    pass


class NoPurchaseView(NothingForAnyone):
    @extend_schema(request=None, responses={})
    def post(self, request: Request) -> Response:
        raise NotOffered


urlpatterns = [
    path("astrology/services/", NoAstrologyView.as_view()),
    path("astrology/bookings/", NoRowsView.as_view()),
    path("astrology/bookings/book-with-payment/", NoPurchaseView.as_view()),
    path("user/astrology/bookings/", NoRowsView.as_view()),
    path("astrology/admin/bookings/", NoRowsView.as_view(permission_classes=(BOOKINGS,))),
    path("astrology/admin/dashboard/", NoFiguresView.as_view(permission_classes=(BOOKINGS,))),
    path("admin/astrology/bookings/", NoRowsView.as_view(permission_classes=(BOOKINGS,))),
    path("misc/events/", NoEventsView.as_view()),
    path("misc/admin/events/", NoPagesView.as_view(permission_classes=(CATALOGUE,))),
    path("blog/posts/", NoPagesView.as_view(permission_classes=(CATALOGUE,))),
    path("blog/posts/<slug:slug>/comments/", NoRowsView.as_view(permission_classes=(CATALOGUE,))),
    path("blog/categories/", NoRowsView.as_view(permission_classes=(CATALOGUE,))),
    path("blog/tags/", NoRowsView.as_view(permission_classes=(CATALOGUE,))),
]
