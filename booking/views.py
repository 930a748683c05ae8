from contextlib import AbstractContextManager
from datetime import date, datetime, time, timedelta
from typing import Any, cast

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from booking import services
from booking.filters import FiltersInUse, PackageFilter, PujaServiceFilter, with_price
from booking.models import ON_SALE, Cart, Package, PujaCategory, PujaService, Slot
from booking.pricing import with_package_price
from booking.promo_guard import guarded_promo
from booking.serializers import (
    CartChoiceSerializer,
    CartDeletedSerializer,
    CartSerializer,
    DeletionStatusSerializer,
    MessageSerializer,
    PackageSerializer,
    PromoChoiceSerializer,
    PujaCategorySerializer,
    PujaServiceSerializer,
    SlotSerializer,
)
from booking.services.carts import FURTHEST
from core.money import paise
from core.networks import client_address
from core.pagination import BoundedArray, Pages

SLOT_DAYS = timedelta(days=14)
MOST_SLOT_DAYS = timedelta(days=62)
FURTHEST_ASKED = FURTHEST + timedelta(days=1)


class Catalogue(GenericViewSet):
    """Public: no token is looked at, so that a stale one does not throw a visitor to the login page."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    filter_backends = (FiltersInUse,)
    lookup_value_regex = "[0-9]+"


class PujaCategoryViewSet(ListModelMixin, Catalogue):
    queryset = PujaCategory.objects.all()
    serializer_class = PujaCategorySerializer


class PackageArray(BoundedArray):
    """The frontends look for place and language in the first answer only, and never ask for another one."""

    most_rows = 500


class PackageViewSet(ListModelMixin, RetrieveModelMixin, Catalogue):
    queryset = Package.objects.priced().filter(is_active=True, puja_service__is_active=True)
    serializer_class = PackageSerializer
    filterset_class = PackageFilter
    pagination_class = PackageArray


class PujaServiceViewSet(ListModelMixin, RetrieveModelMixin, Catalogue):
    queryset = with_price(PujaService.objects.filter(is_active=True)).select_related("category")
    serializer_class = PujaServiceSerializer
    filterset_class = PujaServiceFilter
    pagination_class = Pages

    @extend_schema(
        parameters=[OpenApiParameter(name, OpenApiTypes.DATE) for name in ("from", "to")],
        responses=SlotSerializer(many=True),
    )
    @action(detail=True, pagination_class=BoundedArray, filterset_class=None)
    def slots(self, request: Request, pk: str) -> Response:
        """Open start times to come, for two weeks from today unless `from` and `to` (dates) say otherwise."""
        start, end = _read_period(request)
        slots = Slot.objects.filter(ON_SALE, service=self.get_object())
        page = self.paginate_queryset(slots.filter(starts_at__gte=start, starts_at__lt=end))
        return self.get_paginated_response(SlotSerializer(page, many=True).data)


def _read_period(request: Request) -> tuple[datetime, datetime]:
    """What cannot be bought any more is not offered, whatever was asked for."""
    today = timezone.localdate()
    first = max(today, _read_date(request, "from") or today)
    last = _read_date(request, "to") or first + SLOT_DAYS
    if not first <= last <= first + MOST_SLOT_DAYS:
        raise ValidationError({"to": [_("Ask for at most two months, from today on.")]})
    last = min(last, today + FURTHEST)
    return max(services.earliest_start(), _midnight(first)), _midnight(last + timedelta(days=1))


def _read_date(request: Request, name: str) -> date | None:
    text = request.query_params.get(name, "")
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if text and (day is None or day > timezone.localdate() + FURTHEST_ASKED):
        raise ValidationError({name: [_("Give a date within the next year, as YYYY-MM-DD.")]})
    return day


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def serialize_cart(cart: Cart) -> dict[str, Any]:
    """The one way of a cart to its owner: the total that they see is what checkout may take."""
    wire = CartSerializer(cart).data
    services.record_shown_total(cart, paise(wire["total_price"]))
    return dict(wire)


class CartViewSet(GenericViewSet):
    """The caller's carts: the one that is ACTIVE, those whose payment is open, by id also the booked ones."""

    queryset = Cart.objects.exclude(status=Cart.Status.ABANDONED)
    serializer_class = CartSerializer
    lookup_value_regex = "[0-9]+"
    throttle_scope = "user"

    def get_queryset(self) -> QuerySet[Cart]:
        mine = super().get_queryset().filter(user_id=self.request.user.pk)
        whole = mine.select_related("user", "puja_service__category", "package", "promo_code")
        return with_package_price(whole).prefetch_related("checkouts")

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """A list of carts is what may still be paid: booked ones are found among the bookings."""
        return queryset.exclude(status=Cart.Status.CONVERTED) if self.action == "list" else queryset

    def list(self, request: Request) -> Response:
        carts = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response([serialize_cart(cart) for cart in carts or ()])

    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self.get_object())

    @extend_schema(request=CartChoiceSerializer, responses={201: CartSerializer})
    def create(self, request: Request) -> Response:
        choice = self._choice(request)
        with self._guard(request, choice):
            cart = services.fill_cart(cast(User, request.user), **choice)
        return self._answer(cart, status.HTTP_201_CREATED)

    @extend_schema(request=CartChoiceSerializer)
    def update(self, request: Request, pk: str) -> Response:
        return self._change(request)

    @extend_schema(request=CartChoiceSerializer(partial=True))
    def partial_update(self, request: Request, pk: str) -> Response:
        return self._change(request, partial=True)

    @extend_schema(responses={200: CartDeletedSerializer})
    def destroy(self, request: Request, pk: str) -> Response:
        cart = self.get_object()
        services.delete_cart(cart)
        return Response({"message": _("The cart has been deleted."), "deleted_cart_id": cart.pk})

    @action(detail=False, pagination_class=None)
    def active(self, request: Request) -> Response:
        """The ACTIVE cart, else the one being paid: a browser's Back from the payment page must find it."""
        open_carts = self.get_queryset().exclude(status=Cart.Status.CONVERTED)
        cart = open_carts.order_by("status", "-id").first()  # ACTIVE sorts before CHECKED_OUT
        if cart is None:
            raise NotFound("You have no cart.")
        return self._answer(cart)

    @extend_schema(request=None, responses={200: MessageSerializer})
    @action(detail=False, methods=["post"])
    def clear_converted(self, request: Request) -> Response:
        """*Clear cart*: the ACTIVE one goes, booked ones are in no list. Asked for after a payment, too."""
        services.clear_carts(cast(User, request.user))
        return Response({"message": _("Your cart is empty.")})

    @extend_schema(request=PromoChoiceSerializer)
    @action(detail=True, methods=["post"], throttle_scope="promo")
    def apply_promo(self, request: Request, pk: str) -> Response:
        cart = self.get_object()
        incoming = PromoChoiceSerializer(data=request.data)
        incoming.is_valid(raise_exception=True)
        with self._guard(request, incoming.validated_data):
            cart = services.set_promo(cart, incoming.validated_data["promo_code"])
        return self._answer(cart)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def remove_promo(self, request: Request, pk: str) -> Response:
        return self._answer(services.set_promo(self.get_object(), None))

    @extend_schema(responses=DeletionStatusSerializer)
    @action(detail=True)
    def deletion_status(self, request: Request, pk: str) -> Response:
        return Response(services.deletion_status(self.get_object()))

    def _choice(self, request: Request, partial: bool = False) -> dict[str, Any]:
        incoming = CartChoiceSerializer(
            data=request.data, partial=partial, context=self.get_serializer_context()
        )
        incoming.is_valid(raise_exception=True)
        return dict(incoming.validated_data)

    def _change(self, request: Request, partial: bool = False) -> Response:
        cart, choice = self.get_object(), self._choice(request, partial)
        with self._guard(request, choice):
            cart = services.change_cart(cart, **choice)
        return self._answer(cart)

    def _guard(self, request: Request, choice: dict[str, Any]) -> AbstractContextManager[None]:
        address = client_address(request._request)
        return guarded_promo(choice.get("promo_code"), cast(int, request.user.pk), address)

    def _answer(self, cart: Cart, code: int = status.HTTP_200_OK) -> Response:
        return Response(serialize_cart(cart), status=code)
