"""Promo codes: those of a customer, what one would take off, and the list of staff."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.core.exceptions import ValidationError as Invalid
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ViewSet

from accounts.permissions import HasRight
from booking.desk_serializers import (
    PROMO_NAMES,
    BulkPromoSerializer,
    BulkPromosSerializer,
    DeskPromoSerializer,
    refused,
)
from booking.filters import DeskPromoFilter, PromoFilter
from booking.models import Booking, Checkout, PromoCode
from booking.promo_guard import guarded_promo
from booking.serializers import (
    CustomerPromoSerializer,
    PromoFiguresSerializer,
    PromoQuestionSerializer,
    PromoUseSerializer,
    PromoVerdictSerializer,
)
from booking.services import promo_codes, promos
from core.errors import InvalidField
from core.language import in_both_languages
from core.money import rupees
from core.negotiation import IgnoreAcceptHeader
from core.networks import client_address
from core.pagination import BoundedArray, LimitedPages
from core.tables import csv_lines


class CustomerPromoViewSet(ListModelMixin, GenericViewSet):
    """Never a code that was not meant for the caller: nobody collects the codes of others here."""

    queryset = PromoCode.objects.all()
    serializer_class = CustomerPromoSerializer
    filter_backends = (DjangoFilterBackend,)
    filterset_class = PromoFilter
    pagination_class = LimitedPages

    def get_queryset(self) -> QuerySet[PromoCode]:
        if getattr(self, "swagger_fake_view", False):  # the description of the API is made for nobody
            return PromoCode.objects.none()
        return promos.visible_to(cast(int, self.request.user.pk))

    @extend_schema(responses=PromoUseSerializer(many=True))
    @action(detail=False, pagination_class=BoundedArray, filterset_class=None)
    def history(self, request: Request) -> Response:
        bookings = Booking.objects.filter(user_id=cast(int, request.user.pk)).select_related("checkout")
        used = bookings.filter(checkout__promo_state=Checkout.PromoState.USED)
        rows = PromoUseSerializer(self.paginate_queryset(used), many=True).data
        return self.get_paginated_response(rows)


class DeskPromoViewSet(ListModelMixin, GenericViewSet[PromoCode]):
    """All codes, for staff."""

    queryset = PromoCode.objects.order_by("-pk")
    serializer_class = DeskPromoSerializer
    lookup_value_regex = "[0-9]{1,18}"
    filter_backends = (DjangoFilterBackend,)
    filterset_class = DeskPromoFilter
    pagination_class = LimitedPages
    needed = {"create": "add", "bulk_create": "add", "partial_update": "change", "destroy": "change"}

    def get_permissions(self) -> list[Any]:
        return [HasRight(f"booking.{self.needed.get(self.action, 'view')}_promocode")]

    @extend_schema(responses={201: DeskPromoSerializer})
    def create(self, request: Request) -> Response:
        incoming = self.get_serializer(data=request.data)
        incoming.is_valid(raise_exception=True)
        with _telling_refusals():
            promo = promo_codes.create_code(**incoming.validated_data)
        return Response(self.get_serializer(promo).data, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """A field that is left out stays as it is; null empties one that may be empty."""
        promo = self.get_object()
        incoming = self.get_serializer(promo, data=request.data, partial=True)
        incoming.is_valid(raise_exception=True)
        with _telling_refusals():
            changed = promo_codes.change_code(promo, **incoming.validated_data)
        return Response(self.get_serializer(changed).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """A code that was used or stands in a cart is switched off, and keeps its row."""
        promo_codes.remove_code(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=BulkPromoSerializer, responses={201: BulkPromosSerializer})
    @action(
        detail=False, methods=["post"], url_path="bulk-create", pagination_class=None, filterset_class=None
    )
    def bulk_create(self, request: Request) -> Response:
        """Codes that begin with `prefix` and cannot be guessed. PRIVATE: each is for the person who gets it."""
        incoming = BulkPromoSerializer(data=request.data)
        incoming.is_valid(raise_exception=True)
        with _telling_refusals():
            new_codes = promo_codes.create_codes(**incoming.validated_data)
        message = in_both_languages(
            request, format_lazy(_("{count} codes have been made."), count=len(new_codes))
        )
        codes = [promo.code for promo in new_codes]
        return Response(message | {"count": len(codes), "codes": codes}, status=status.HTTP_201_CREATED)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    @action(
        detail=False,
        pagination_class=None,
        filterset_class=None,
        content_negotiation_class=IgnoreAcceptHeader,
    )
    def export(self, request: Request) -> StreamingHttpResponse:
        """All codes as a table. Rows are read while they are sent, however many there are."""
        rows = promo_codes.export_rows()
        headers = {"Content-Disposition": 'attachment; filename="promo-codes.csv"'}
        return StreamingHttpResponse(csv_lines(rows), content_type="text/csv; charset=utf-8", headers=headers)

    @extend_schema(responses=PromoFiguresSerializer)
    @action(detail=False, pagination_class=None, filterset_class=None)
    def stats(self, request: Request) -> Response:
        return Response(PromoFiguresSerializer(promo_codes.figures()).data)


@contextmanager
def _telling_refusals() -> Iterator[None]:
    try:
        yield
    except Invalid as error:
        raise refused(error, PROMO_NAMES) from error


class PromoVerdictViewSet(ViewSet):
    throttle_scope = "promo"

    @extend_schema(
        operation_id="promo_validate", parameters=[PromoQuestionSerializer], responses=PromoVerdictSerializer
    )
    @action(detail=False)
    def validate(self, request: Request) -> Response:
        """What applying the code to a cart would say. A refusal is 200: the page reads `valid`."""
        names = PromoQuestionSerializer().fields
        question = PromoQuestionSerializer(
            data={name: value for name, value in request.query_params.items() if value and name in names}
        )
        question.is_valid(raise_exception=True)
        code, amount = question.validated_data["code"], question.validated_data.get("order_amount")
        user_id, address = cast(int, request.user.pk), client_address(request._request)
        try:
            with guarded_promo(code, user_id, address):
                discount = promos.judge(user_id, code, None if amount is None else int(amount * 100))
        except InvalidField as refusal:
            return Response(
                in_both_languages(request, refusal.message)
                | {"valid": False, "discount_amount": 0, "promo": None}
            )
        promo = promos.for_customer(user_id).filter(pk=discount.promo.pk).first()  # None: just ended by staff
        verdict = {"valid": True, "promo": CustomerPromoSerializer(promo).data if promo else None}
        if discount.paise is None:
            # xgettext:no-python-format
            takes = format_lazy(_("This promo code takes {percent} % off."), percent=discount.promo.percent)
            return Response(in_both_languages(request, takes) | verdict | {"discount_amount": 0})
        takes = format_lazy(_("This promo code takes ₹{amount} off."), amount=rupees(discount.paise))
        return Response(
            in_both_languages(request, takes) | verdict | {"discount_amount": float(rupees(discount.paise))}
        )
