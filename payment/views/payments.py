"""A person's own payments, and what staff decide about payments."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import translation
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from accounts.models import User
from accounts.permissions import HasRight, may
from core.errors import Refusal
from core.language import language_of
from core.money import paise
from core.negotiation import IgnoreAcceptHeader
from core.networks import client_network
from core.throttling import CallerThrottle
from payment.models import CreditNote, Payment, Receipt, Refund
from payment.phonepe.enums import Channel
from payment.serializers.bookings import CheckBookingSerializer, RetryWebhookSerializer
from payment.serializers.checkout import (
    AppOrderRequest,
    AppOrderSerializer,
    ProcessCartRequest,
    StartedSerializer,
    TryAgainRequest,
)
from payment.serializers.payments import (
    PaymentListSerializer,
    PaymentSerializer,
    StatusSerializer,
    TimelineSerializer,
    for_wire,
    wire_status,
)
from payment.serializers.refunds import RefundRequest, RefundSerializer, ResolveRequest
from payment.serializers.simulation import OutcomeRequest, SimulatedSerializer, SimulatePaymentRequest
from payment.services import timeline
from payment.services.another_try import try_again
from payment.services.attempts import PAGE, Opening
from payment.services.checkout import PaymentStart, start_donation, start_payment
from payment.services.frontends import NO_FRONTEND, OpenedBy, opened_by
from payment.services.outcomes import accept_after_review, return_after_review
from payment.services.receipts import credit_note_pdf, receipt_of
from payment.services.refunds.requests import request_refund
from payment.services.simulation import demo_payment, refuse_without_simulation, simulate
from payment.services.status import refresh, stop_waiting_by_staff
from payment.states import FrontendGeneration, RefundState
from payment.views.idempotency import IDEMPOTENCY_KEY, idempotent
from payment.views.pages import receipt_file

# The frontend sends one request and waits thirty seconds at most.
CHECK_BOOKING_SECONDS = 8
STATUS_SECONDS = 5


class GuestPaymentThrottle(CallerThrottle):
    """Counts donations without a login, by address of the caller. The carts of people with a login are not counted.

    A form may send an empty `cart_id`: that is a donation.
    """

    scope = "guest_payment"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        has_cart = isinstance(request.data, dict) and request.data.get("cart_id")
        if request.user.is_authenticated or has_cart:
            return None
        return super().get_cache_key(request, view)


class PaymentThrottle(CallerThrottle):
    """Counts what people with a login open at PhonePe: carts and donations together."""

    scope = "payment"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return super().get_cache_key(request, view) if request.user.is_authenticated else None


@extend_schema_view(
    list=extend_schema(responses=PaymentListSerializer(many=True)),
    retrieve=extend_schema(responses=PaymentSerializer),
)
class PaymentViewSet(ReadOnlyModelViewSet[Payment]):
    """No request changes the state of a payment directly: only PhonePe's status does."""

    queryset = Payment.objects.all()
    serializer_class = PaymentSerializer
    lookup_value_regex = r"\d{1,18}"
    throttle_scope = "user"

    # By action: with this right, staff reach the payments of all people, not only their own.
    rights: ClassVar[dict[str, str]] = {
        "timeline": "payment.view_payment",
        "receipt": "payment.view_receipt",
        "refunds": "payment.view_refund",
        "refund": "payment.change_refund",
        "resolve": "payment.change_payment",
    }

    def get_queryset(self) -> QuerySet[Payment]:
        payments = for_wire(Payment.objects.all())
        if self._reaches_all_payments():
            return payments
        return payments.filter(user_id=self.request.user.pk or 0)

    def _reaches_all_payments(self) -> bool:
        return self.action in self.rights and may(self.request, self.rights[self.action])

    def get_serializer_class(self) -> Any:
        return PaymentListSerializer if self.action == "list" else PaymentSerializer

    @extend_schema(
        request=ProcessCartRequest,
        responses={200: StartedSerializer, 201: StartedSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(
        detail=False,
        methods=["post"],
        url_path="process-cart",
        permission_classes=(AllowAny,),
        throttle_classes=(GuestPaymentThrottle, PaymentThrottle),
    )
    @idempotent("process-cart")
    def process_cart(self, request: Request) -> Response:
        """Open the payment of a cart, or a donation without a cart, and return the URL of its page."""
        form = ProcessCartRequest(data=request.data)
        form.is_valid(raise_exception=True)
        fields = form.validated_data
        if "cart_id" in fields:
            if not request.user.is_authenticated:
                raise NotAuthenticated
            frontend = opened_by(FrontendGeneration.JULY_2025, request.headers.get("Origin", ""))
            start = start_payment_of(request, fields, frontend)
        elif settings.PAYMENT_GUEST_CHECKOUT:
            start = start_donation(
                request.user if request.user.is_authenticated else None,
                amount_paise=paise(str(fields["amount"])),
                reference=fields.get("user_id") or "",
                mobile=fields.get("mobile") or "",
            )
        else:
            raise Refusal(_("Please log in and pay for a cart."), code="guest_checkout_off")
        return Response(StartedSerializer(start).data, status=201 if start.is_new else 200)

    @extend_schema(
        operation_id="payments_app_order",
        request=AppOrderRequest,
        responses={200: AppOrderSerializer, 201: AppOrderSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=False, methods=["post"], url_path="app-order", throttle_classes=(PaymentThrottle,))
    @idempotent("app-order", good_until="expires_at")
    def app_order(self, request: Request) -> Response:
        """Open the payment of a cart for a native app, and return what PhonePe's SDK, or a UPI app, needs."""
        form = AppOrderRequest(data=request.data)
        form.is_valid(raise_exception=True)
        fields = form.validated_data
        target_app, device_os = fields.get("target_app", ""), fields.get("device_os", "")
        scheme = fields.get("callback_scheme", "")
        opening = Opening(Channel(fields["flow"]), target_app, device_os, scheme)
        start = start_payment_of(request, fields, NO_FRONTEND, opening)
        return Response(AppOrderSerializer(start).data, status=201 if start.is_new else 200)

    @extend_schema(
        operation_id="payments_try_again",
        request=TryAgainRequest,
        responses={200: StartedSerializer, 201: StartedSerializer},
    )
    @action(detail=True, methods=["post"], url_path="try-again", throttle_classes=(PaymentThrottle,))
    def try_again(self, request: Request, pk: str) -> Response:
        """Pay for the same puja again after a payment that ended unpaid; at its time if that is still free."""
        payment, form = self.get_object(), TryAgainRequest(data=request.data)
        form.is_valid(raise_exception=True)
        frontend = opened_by(FrontendGeneration.JULY_2025, request.headers.get("Origin", ""))
        slot = form.validated_data.get("slot")
        start = try_again(
            payment,
            slot,
            expected_paise=form.expected_paise,
            network=client_network(request),
            frontend=frontend,
        )
        return Response(StartedSerializer(start).data, status=201 if start.is_new else 200)

    @extend_schema(responses=StatusSerializer)
    @action(detail=True)
    def status(self, request: Request, pk: str) -> Response:
        """The state of the payment. If it is open, the status is fetched from PhonePe first."""
        payment = _reload(refresh(self.get_object(), STATUS_SECONDS, "status"))
        return Response(StatusSerializer(payment, context={"request": request}).data)

    @extend_schema(responses=CheckBookingSerializer)
    @action(detail=True, url_path="check-booking")
    def check_booking(self, request: Request, pk: str) -> Response:
        """Whether the payment became a booking. Always 200: read `payment_status` and `booking_created`."""
        return self._check_booking()

    @extend_schema(request=None, responses=CheckBookingSerializer)
    @action(detail=True, methods=["post"], url_path="check-and-create-booking")
    def check_and_create_booking(self, request: Request, pk: str) -> Response:
        return self._check_booking()

    @extend_schema(request=None, responses=CheckBookingSerializer)
    @action(detail=True, methods=["post"], url_path="create-booking")
    def create_booking(self, request: Request, pk: str) -> Response:
        return self._check_booking()

    @extend_schema(request=None, responses=RetryWebhookSerializer)
    @action(detail=True, methods=["post"], url_path="retry-webhook")
    def retry_webhook(self, request: Request, pk: str) -> Response:
        """As check-booking, with `success` only for a booking that stands."""
        return self._check_booking(RetryWebhookSerializer)

    @extend_schema(request=None, responses=CheckBookingSerializer)
    @action(detail=True, methods=["post"], url_path="check-and-process")
    def check_and_process(self, request: Request, pk: str) -> Response:
        return self._check_booking()

    @extend_schema(responses=TimelineSerializer)
    @action(detail=True)
    def timeline(self, request: Request, pk: str) -> Response:
        """Why the payment is in its state. Staff see each request and rule, the owner what it means for them."""
        payment = self.get_object()
        if self._reaches_all_payments():
            entries = timeline.for_staff(payment)
        else:
            with translation.override(language_of(request)):
                entries = timeline.for_owner(payment)
        return Response(
            {
                "payment_id": payment.pk,
                "transaction_id": payment.reference,
                "status": wire_status(payment),
                "fulfilment": payment.fulfilment,
                "entries": entries,
            }
        )

    @extend_schema(request=None, responses=SimulatedSerializer)
    @action(detail=True, methods=["post"], url_path="simulate-success", throttle_scope="simulation")
    def simulate_success(self, request: Request, pk: str) -> Response:
        """Let the simulated customer pay. 404 unless PhonePe is simulated."""
        refuse_without_simulation()
        return _simulate(self.get_object(), "success")

    @extend_schema(request=OutcomeRequest, responses=SimulatedSerializer)
    @action(detail=True, methods=["post"], throttle_scope="simulation")
    def simulate(self, request: Request, pk: str) -> Response:
        """Let the simulated customer do something else. 404 unless PhonePe is simulated."""
        refuse_without_simulation()
        form = OutcomeRequest(data=request.data)
        form.is_valid(raise_exception=True)
        return _simulate(self.get_object(), form.validated_data["outcome"])

    @extend_schema(methods=["GET"], operation_id="payments_demo", responses=SimulatedSerializer)
    @extend_schema(
        methods=["POST"],
        operation_id="payments_simulate_any",
        request=SimulatePaymentRequest,
        responses=SimulatedSerializer,
    )
    @action(
        detail=False,
        methods=["get", "post"],
        url_path="simulate-payment-success",
        permission_classes=(AllowAny,),
        throttle_scope="demo_payment",
    )
    def simulate_payment_success(self, request: Request) -> Response:
        """GET: one whole demo payment, by the same functions as any other. POST: an outcome for an open payment.

        For callers on this machine, holders of OPS_TOKEN, staff, and people with a payment of their own.
        """
        refuse_without_simulation()
        if request.method == "POST":
            form = SimulatePaymentRequest(data=request.data)
            form.is_valid(raise_exception=True)
            payment = self._find_to_simulate(form.validated_data)
            return _simulate(payment, form.validated_data["outcome"])
        if not self._operates_simulator():
            raise PermissionDenied if request.user.is_authenticated else NotAuthenticated
        demo = demo_payment()
        return Response(SimulatedSerializer(_reload(demo.payment), context={"steps": demo.steps}).data)

    def _find_to_simulate(self, fields: dict[str, Any]) -> Payment:
        """Operators may simulate a guest's payment; other payments only their owner and staff. Raises Http404."""
        if "payment_id" in fields:
            payments = Payment.objects.filter(pk=fields["payment_id"])
        else:
            payments = Payment.objects.filter(attempts__merchant_order_id=fields["merchant_order_id"])
        payment, user = payments.first(), self.request.user
        is_own = payment is not None and user.is_authenticated and payment.user_id == user.pk
        is_guests = payment is not None and payment.user_id is None and self._operates_simulator()
        if payment is None or not (is_own or is_guests or may(self.request, "payment.change_payment")):
            raise Http404
        return payment

    def _operates_simulator(self) -> bool:
        may_control: Callable[[HttpRequest], bool] = import_string(settings.SIMULATOR_MAY_CONTROL)
        return may(self.request, "payment.change_payment") or may_control(self.request._request)

    @extend_schema(
        operation_id="payments_refund",
        request=RefundRequest,
        responses={201: RefundSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(
        detail=True,
        methods=["post"],
        permission_classes=(HasRight("payment.change_refund"),),
    )
    @transaction.atomic  # the refund and the answer under its key, or neither
    @idempotent("refund:{pk}")
    def refund(self, request: Request, pk: str) -> Response:
        """Refund an amount, or all that is left. A full refund cancels the booking."""
        payment = self.get_object()
        form = RefundRequest(data=request.data)
        form.is_valid(raise_exception=True)
        amount, reason = form.validated_data.get("amount"), form.validated_data["reason"]
        amount_paise = None if amount is None else paise(str(amount))
        refund = request_refund(payment.pk, amount_paise, reason, cast(User, request.user))
        return Response(RefundSerializer(refund).data, status=201)

    @extend_schema(operation_id="payments_refunds", responses=RefundSerializer(many=True))
    @action(detail=True)
    def refunds(self, request: Request, pk: str) -> Response:
        """The refunds of a payment. Only staff see failed ones, and those that wait for a second person."""
        refunds: QuerySet[Any] = self.get_object().refunds.all()
        if not self._reaches_all_payments():
            refunds = refunds.exclude(state=RefundState.FAILED)
            refunds = refunds.exclude(held_because=Refund.Hold.SECOND_PERSON)
        page = self.paginate_queryset(refunds)
        return self.get_paginated_response(RefundSerializer(page, many=True).data)

    @extend_schema(operation_id="payments_resolve", request=ResolveRequest, responses=PaymentSerializer)
    @action(
        detail=True,
        methods=["post"],
        permission_classes=(HasRight("payment.change_payment"),),
    )
    def resolve(self, request: Request, pk: str) -> Response:
        """A decision of staff: accept what came as the payment, refund it, or stop waiting for the payment."""
        form = ResolveRequest(data=request.data)
        form.is_valid(raise_exception=True)
        payment, decision = self.get_object(), form.validated_data["action"]
        if decision == "stop_waiting":
            stop_waiting_by_staff(payment.pk, form.validated_data["reason"], cast(User, request.user))
        elif decision == "book":
            accept_after_review(payment.pk, cast(User, request.user))
        else:
            return_after_review(payment.pk, cast(User, request.user))
        return Response(PaymentSerializer(_reload(payment)).data)

    @extend_schema(operation_id="payments_receipt", responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    @action(detail=True, content_negotiation_class=IgnoreAcceptHeader, throttle_scope="receipt")
    def receipt(self, request: Request, pk: str) -> HttpResponse:
        """The receipt of a payment that was received; the same PDF at every call."""
        receipt = receipt_of(self.get_object())
        if receipt is None:
            raise Http404
        return download(receipt)

    def _check_booking(self, answer: type[CheckBookingSerializer] = CheckBookingSerializer) -> Response:
        payment = _reload(refresh(self.get_object(), CHECK_BOOKING_SECONDS, "check-booking"))
        return Response(answer(payment, context={"request": self.request}).data)


def start_payment_of(
    request: Request, fields: dict[str, Any], frontend: OpenedBy, opening: Opening = PAGE
) -> PaymentStart:
    """`start_payment` for the checked fields of a click on *Pay*."""
    expected_total = fields.get("expected_total")
    return start_payment(
        cast(User, request.user),
        cart_id=fields["cart_id"],
        address_id=fields.get("address_id"),
        expected_paise=None if expected_total is None else paise(str(expected_total)),
        network=client_network(request),
        frontend=frontend,
        opening=opening,
        buyer_gstin=fields.get("gstin"),
    )


def download(receipt: Receipt) -> HttpResponse:
    """The PDF of a numbered receipt, in the language of the person who paid."""
    payer = receipt.payment.user
    return receipt_file(receipt, payer.language if payer else "en")


def download_credit_note(note: CreditNote) -> HttpResponse:
    """As `download`, for a numbered credit note."""
    payer = note.refund.payment.user
    return _attachment(*credit_note_pdf(note, payer.language if payer else "en"))


def _attachment(name: str, content: bytes) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


def _simulate(payment: Payment, outcome: str) -> Response:
    return Response(SimulatedSerializer(_reload(simulate(payment, outcome))).data)


def _reload(payment: Payment) -> Payment:
    """The payment as it is now, with all that the serializers read: other requests may have changed it."""
    return for_wire(Payment.objects.all()).get(pk=payment.pk)
