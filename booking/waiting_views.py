"""The caller's entries in the waiting lists of full times."""

from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from booking.filters import LARGEST_ID
from booking.models import WaitingEntry
from booking.serializers import CartSerializer
from booking.services.waiting_list import OPEN, accept, join, leave
from booking.views import serialize_cart
from core import serializers
from core.networks import client_network


class WaitingRequest(serializers.Serializer[Any]):
    slot = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    package_id = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)


class WaitingEntrySerializer(serializers.ModelSerializer[WaitingEntry]):
    puja = serializers.CharField(source="slot.service.title")
    puja_hi = serializers.CharField(source="slot.service.title_hi")
    starts_at = serializers.DateTimeField(source="slot.starts_at")

    class Meta:
        model = WaitingEntry
        fields = (
            *("id", "slot", "package", "state", "offered_until", "puja", "puja_hi"),
            *("starts_at", "created_at"),
        )


class WaitingViewSet(ListModelMixin, GenericViewSet[WaitingEntry]):
    """Those that wait, or have an offer."""

    queryset = WaitingEntry.objects.filter(state__in=OPEN)
    serializer_class = WaitingEntrySerializer
    lookup_value_regex = r"\d{1,18}"

    def get_queryset(self) -> QuerySet[WaitingEntry]:
        return (
            super().get_queryset().filter(user_id=self.request.user.pk or 0).select_related("slot__service")
        )

    @extend_schema(request=WaitingRequest, responses={201: WaitingEntrySerializer})
    def create(self, request: Request) -> Response:
        """Wait for a place of a full time."""
        form = WaitingRequest(data=request.data)
        form.is_valid(raise_exception=True)
        fields, network = form.validated_data, client_network(request)
        entry = join(cast(User, request.user), fields["slot"], fields["package_id"], network)
        return Response(WaitingEntrySerializer(entry).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Wait no more; a place that was offered goes to the next person."""
        leave(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=CartSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """The cart of the caller becomes the offered time: pay it before `offered_until`."""
        return Response(serialize_cart(accept(self.get_object())))
