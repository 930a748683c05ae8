"""Money that goes back: staff ask for it, a second person approves it, its owner sees what was promised."""

from typing import cast

from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from core.money import paise
from core.pagination import BoundedArray
from payment.models import Payment, Refund
from payment.serializers.payments import PaymentSerializer, for_wire
from payment.serializers.refunds import RefundRequest, RefundSerializer, ResolveRequest
from payment.services.idempotency import answer_once
from payment.services.outcomes import accept_after_review, return_after_review
from payment.services.refunds.requests import approve_refund, request_refund, withdraw_refund
from payment.services.status import stop_waiting_by_staff
from payment.states import RefundState
from payment.views.payments import IDEMPOTENCY_KEY
from payment.views.rights import StaffView


class PaymentRefundView(StaffView):
    right = "payment.change_refund"

    @extend_schema(
        operation_id="payments_refund",
        request=RefundRequest,
        responses={201: RefundSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Send back an amount, or all that is left. A full refund cancels the booking."""
        with transaction.atomic():  # the promise and the answer under its key, or neither
            return answer_once(request, f"refund:{pk}", lambda: self._refund(request, pk))

    def _refund(self, request: Request, pk: int) -> Response:
        payment = get_object_or_404(Payment, pk=pk)
        form = RefundRequest(data=request.data)
        form.is_valid(raise_exception=True)
        amount, reason = form.validated_data.get("amount"), form.validated_data["reason"]
        wanted = None if amount is None else paise(str(amount))
        refund = request_refund(payment.pk, wanted, reason, cast(User, request.user))
        return Response(RefundSerializer(refund).data, status=201)


class PaymentRefundsView(APIView):
    """The owner sees what is owed to them; tries that failed and requests of the staff are the staff's."""

    pagination_class = BoundedArray

    @extend_schema(operation_id="payments_refunds", responses=RefundSerializer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        found = (
            Payment.objects.all()
            if request.user.is_staff
            else Payment.objects.filter(user=cast(User, request.user))
        )
        refunds: QuerySet[Refund] = get_object_or_404(found, pk=pk).refunds.all()
        if not request.user.is_staff:
            refunds = refunds.exclude(state=RefundState.FAILED)
            refunds = refunds.exclude(held_because=Refund.Hold.SECOND_PERSON)
        pages = self.pagination_class()
        shown = pages.paginate_queryset(refunds, request, view=self)
        return pages.get_paginated_response(RefundSerializer(shown, many=True).data)


class PaymentResolutionView(StaffView):
    right = "payment.change_payment"

    @extend_schema(operation_id="payments_resolve", request=ResolveRequest, responses=PaymentSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Decide what staff must decide: take what came as the payment, send it back, or stop waiting for it."""
        form = ResolveRequest(data=request.data)
        form.is_valid(raise_exception=True)
        payment = get_object_or_404(Payment, pk=pk)
        action, by = form.validated_data["action"], cast(User, request.user)
        if action == "stop_waiting":
            stop_waiting_by_staff(payment.pk, form.validated_data["reason"], by)
        else:
            decide = accept_after_review if action == "book" else return_after_review
            decide(payment.pk)
        return Response(PaymentSerializer(for_wire(Payment.objects.all()).get(pk=payment.pk)).data)


class RefundApprovalView(StaffView):
    right = "payment.change_refund"

    @extend_schema(operation_id="refunds_approve", request=None, responses=RefundSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Let a refund go that waits for a person: another one than who asked for it."""
        refund = approve_refund(get_object_or_404(Refund, pk=pk).pk, cast(User, request.user))
        return Response(RefundSerializer(refund).data)


class RefundWithdrawalView(StaffView):
    right = "payment.change_refund"

    @extend_schema(operation_id="refunds_withdraw", request=None, responses=RefundSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Say no to a refund that waits for a second person."""
        refund = withdraw_refund(get_object_or_404(Refund, pk=pk).pk, cast(User, request.user))
        return Response(RefundSerializer(refund).data)
