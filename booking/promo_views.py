"""Promo codes: those of a customer, what one would take off, and the list of staff."""

from typing import Any, cast

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ViewSet

from accounts.permissions import HasRight
from booking.filters import DeskPromoFilter, PromoFilter
from booking.models import Booking, Checkout, PromoCode
from booking.promo_guard import guarded_promo
from booking.serializers import (
    CustomerPromoSerializer,
    DeskPromoSerializer,
    PromoFiguresSerializer,
    PromoQuestionSerializer,
    PromoUseSerializer,
    PromoVerdictSerializer,
)
from booking.services import promos
from core.errors import InvalidField
from core.language import in_both_languages
from core.money import rupees
from core.networks import client_address
from core.pagination import BoundedArray, LimitedPages


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


class DeskPromoViewSet(ListModelMixin, GenericViewSet):
    """All codes, to look at. They are made and changed in the admin."""

    queryset = PromoCode.objects.order_by("-pk")
    serializer_class = DeskPromoSerializer
    permission_classes: Any = (HasRight("booking.view_promocode"),)
    filter_backends = (DjangoFilterBackend,)
    filterset_class = DeskPromoFilter
    pagination_class = LimitedPages

    @extend_schema(responses=PromoFiguresSerializer)
    @action(detail=False, pagination_class=None, filterset_class=None)
    def stats(self, request: Request) -> Response:
        is_over = Q(expires_at__lte=timezone.now())
        codes = PromoCode.objects.aggregate(
            total_promos=Count("pk"),
            active_promos=Count("pk", filter=~is_over & Q(is_active=True)),
            expired_promos=Count("pk", filter=is_over),
        )
        used = Checkout.objects.filter(promo_state=Checkout.PromoState.USED).aggregate(
            total_usage=Count("pk"), total_discount_given=Coalesce(Sum("discount_paise"), 0)
        )
        return Response(PromoFiguresSerializer(codes | used).data)


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
            takes = format_lazy(_("This promo code takes {percent} % off."), percent=discount.promo.percent)
            return Response(in_both_languages(request, takes) | verdict | {"discount_amount": 0})
        takes = format_lazy(_("This promo code takes ₹{amount} off."), amount=rupees(discount.paise))
        return Response(
            in_both_languages(request, takes) | verdict | {"discount_amount": float(rupees(discount.paise))}
        )
