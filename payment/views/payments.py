from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.viewsets import ReadOnlyModelViewSet

from core.errors import Refusal
from core.money import paise
from payment.models import Payment
from payment.serializers.checkout import ProcessCartRequest, StartedSerializer
from payment.serializers.payments import (
    CheckBookingSerializer,
    PaymentListSerializer,
    PaymentSerializer,
    StatusSerializer,
    TimelineSerializer,
    for_wire,
    wire_status,
)
from payment.serializers.simulation import OutcomeRequest, SimulatedSerializer, SimulatePaymentRequest
from payment.services import timeline
from payment.services.checkout import Started, start_donation, start_payment
from payment.services.idempotency import answer_once
from payment.services.simulation import demo_payment, refuse_without_simulation, simulate
from payment.services.status import refresh
from payment.views.throttles import DemoPaymentThrottle, GuestPaymentThrottle

# The frontend asks once and waits thirty seconds at most.
CHECK_BOOKING_SECONDS = 8
STATUS_SECONDS = 5

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="the same key and body gives the same answer"
)


@extend_schema_view(
    list=extend_schema(responses=PaymentListSerializer(many=True)),
    retrieve=extend_schema(responses=PaymentSerializer),
)
class PaymentViewSet(ReadOnlyModelViewSet[Payment]):
    """A person's own payments. Nobody changes one here: PhonePe's answers do."""

    queryset = Payment.objects.all()
    serializer_class = PaymentSerializer
    lookup_value_regex = r"\d{1,18}"

    # Open to all, and therefore counted.
    THROTTLES = {"process_cart": GuestPaymentThrottle, "simulate_payment_success": DemoPaymentThrottle}

    def get_queryset(self) -> QuerySet[Payment]:
        user = self.request.user
        if self.action == "timeline" and getattr(user, "is_staff", False):
            return for_wire(Payment.objects.all())
        return for_wire(Payment.objects.filter(user_id=user.pk or 0))

    def get_serializer_class(self) -> Any:
        return PaymentListSerializer if self.action == "list" else PaymentSerializer

    def get_permissions(self) -> list[BasePermission]:
        return [AllowAny()] if self.action in self.THROTTLES else [IsAuthenticated()]

    def get_throttles(self) -> list[BaseThrottle]:
        return [self.THROTTLES[self.action]()] if self.action in self.THROTTLES else []

    @extend_schema(
        request=ProcessCartRequest,
        responses={200: StartedSerializer, 201: StartedSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=False, methods=["post"], url_path="process-cart")
    def process_cart(self, request: Request) -> Response:
        """Open the payment of a cart, or of a guest's gift, and say where it can be paid."""
        return answer_once(request, "process-cart", lambda: self._process_cart(request))

    def _process_cart(self, request: Request) -> Response:
        form = ProcessCartRequest(data=request.data)
        form.is_valid(raise_exception=True)
        started = self._start(request, form.validated_data)
        return Response(StartedSerializer(started).data, status=201 if started.is_new else 200)

    def _start(self, request: Request, wanted: dict[str, Any]) -> Started:
        if "cart_id" in wanted:
            if not request.user.is_authenticated:
                raise NotAuthenticated
            return start_payment(
                request.user,
                cart_id=wanted["cart_id"],
                address_id=wanted.get("address_id"),
                expected_paise=_paise(wanted.get("expected_total")),
            )
        if not settings.PAYMENT_GUEST_CHECKOUT:
            raise Refusal("Please log in and pay for a cart.", code="guest_checkout_off")
        return start_donation(
            request.user if request.user.is_authenticated else None,
            amount_paise=paise(str(wanted["amount"])),
            reference=wanted.get("user_id") or "",
            mobile=wanted.get("mobile") or "",
        )

    @extend_schema(responses=StatusSerializer)
    @action(detail=True)
    def status(self, request: Request, pk: str) -> Response:
        """Where the payment stands, after asking PhonePe if it is open."""
        payment = self._refreshed(STATUS_SECONDS, "status")
        return Response(StatusSerializer(payment, context={"request": request}).data)

    @extend_schema(responses=CheckBookingSerializer)
    @action(detail=True, url_path="check-booking")
    def check_booking(self, request: Request, pk: str) -> Response:
        """Did it become a booking? Always 200: the answer stands in `payment_status` and `booking_created`."""
        return self._checked()

    @extend_schema(request=None, responses=CheckBookingSerializer)
    @action(detail=True, methods=["post"], url_path="check-and-create-booking")
    def check_and_create_booking(self, request: Request, pk: str) -> Response:
        return self._checked()

    @extend_schema(request=None, responses=CheckBookingSerializer)
    @action(detail=True, methods=["post"], url_path="create-booking")
    def create_booking(self, request: Request, pk: str) -> Response:
        return self._checked()

    @extend_schema(request=None, responses=CheckBookingSerializer)
    @action(detail=True, methods=["post"], url_path="retry-webhook")
    def retry_webhook(self, request: Request, pk: str) -> Response:
        return self._checked()

    @extend_schema(request=None, responses=CheckBookingSerializer)
    @action(detail=True, methods=["post"], url_path="check-and-process")
    def check_and_process(self, request: Request, pk: str) -> Response:
        return self._checked()

    @extend_schema(responses=TimelineSerializer)
    @action(detail=True)
    def timeline(self, request: Request, pk: str) -> Response:
        """Why it is in this state. Staff see every try and rule, the owner what it means for them."""
        payment = self.get_object()
        tell = timeline.for_staff if request.user.is_staff else timeline.for_owner
        return Response(
            {
                "payment_id": payment.pk,
                "transaction_id": payment.reference,
                "status": wire_status(payment),
                "fulfilment": payment.fulfilment,
                "entries": tell(payment),
            }
        )

    @extend_schema(request=None, responses=SimulatedSerializer)
    @action(detail=True, methods=["post"], url_path="simulate-success")
    def simulate_success(self, request: Request, pk: str) -> Response:
        """Let the simulated customer pay. 404 unless PhonePe is simulated."""
        refuse_without_simulation()
        return self._simulated(self.get_object(), "success")

    @extend_schema(request=OutcomeRequest, responses=SimulatedSerializer)
    @action(detail=True, methods=["post"])
    def simulate(self, request: Request, pk: str) -> Response:
        """Let the simulated customer do something else. 404 unless PhonePe is simulated."""
        refuse_without_simulation()
        form = OutcomeRequest(data=request.data)
        form.is_valid(raise_exception=True)
        return self._simulated(self.get_object(), form.validated_data["outcome"])

    @extend_schema(methods=["GET"], operation_id="payments_demo", responses=SimulatedSerializer)
    @extend_schema(
        methods=["POST"],
        operation_id="payments_simulate_any",
        request=SimulatePaymentRequest,
        responses=SimulatedSerializer,
    )
    @action(detail=False, methods=["get", "post"], url_path="simulate-payment-success")
    def simulate_payment_success(self, request: Request) -> Response:
        """GET: one whole demo payment by the ordinary road. POST: the same end for a payment that is open."""
        refuse_without_simulation()
        if request.method == "POST":
            form = SimulatePaymentRequest(data=request.data)
            form.is_valid(raise_exception=True)
            return self._simulated(self._named(form.validated_data), form.validated_data["outcome"])
        demo = demo_payment()
        return Response(SimulatedSerializer(_as_it_is(demo.payment), context={"steps": demo.steps}).data)

    def _named(self, wanted: dict[str, Any]) -> Payment:
        """Guest payments may be played by anyone, others by their owner and by staff."""
        if "payment_id" in wanted:
            found = Payment.objects.filter(pk=wanted["payment_id"])
        else:
            found = Payment.objects.filter(attempts__merchant_order_id=wanted["merchant_order_id"])
        payment = found.first()
        user = self.request.user
        if payment is None or not (payment.user_id in (None, user.pk) or getattr(user, "is_staff", False)):
            raise Http404
        return payment

    def _refreshed(self, seconds: int, source: str) -> Payment:
        return _as_it_is(refresh(self.get_object(), seconds, source))

    def _checked(self) -> Response:
        payment = self._refreshed(CHECK_BOOKING_SECONDS, "check-booking")
        return Response(CheckBookingSerializer(payment, context={"request": self.request}).data)

    def _simulated(self, payment: Payment, outcome: str) -> Response:
        return Response(SimulatedSerializer(_as_it_is(simulate(payment, outcome))).data)


def _paise(amount: Decimal | None) -> int | None:
    return None if amount is None else paise(str(amount))


def _as_it_is(payment: Payment) -> Payment:
    """Read again with all that the serializers need, after others may have moved it."""
    return for_wire(Payment.objects.all()).get(pk=payment.pk)
