"""Refunds that wait for a second person. `payment.views.payments` creates and lists refunds."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.permissions import HasRight
from payment.models import Refund
from payment.serializers.refunds import RefundSerializer
from payment.services.refunds.requests import approve_refund, withdraw_refund


class RefundViewSet(GenericViewSet[Refund]):
    queryset = Refund.objects.all()
    serializer_class = RefundSerializer
    lookup_value_regex = r"\d{1,18}"
    permission_classes: Any = (HasRight("payment.change_refund"),)

    @extend_schema(operation_id="refunds_approve", request=None, responses=RefundSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Approve a refund that waits for a second person: not the one who requested it."""
        refund = approve_refund(self.get_object().pk, cast(User, request.user))
        return Response(RefundSerializer(refund).data)

    @extend_schema(operation_id="refunds_withdraw", request=None, responses=RefundSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Reject a refund that waits for a second person."""
        refund = withdraw_refund(self.get_object().pk, cast(User, request.user))
        return Response(RefundSerializer(refund).data)
